"""tf.train.Example in protocol-buffer wire format, written without TensorFlow.

The converter's workers start in a fraction of a second and need little memory, because they
never import it. Keys are written in sorted order, so equal features give equal bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

Values = Sequence[bytes] | Sequence[float] | Sequence[int]

# Field numbers of tensorflow/core/example/feature.proto.
_KINDS = {"string": 1, "float32": 2, "int64": 3}


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative int64 as two's complement
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _feature(dtype: str, values: Values) -> bytes:
    if dtype == "string":
        payload = b"".join(_field(1, value) for value in values)
    elif len(values) == 0:
        payload = b""
    elif dtype == "float32":
        payload = _field(1, struct.pack(f"<{len(values)}f", *np.asarray(values, np.float32)))
    else:
        payload = _field(1, b"".join(_varint(int(value)) for value in values))
    return _field(_KINDS[dtype], payload)


def serialize(features: Mapping[str, tuple[str, Values]]) -> bytes:
    """{key: (dtype, values)} -> the bytes of a tf.train.Example.

    dtype: "string" (bytes values), "float32" or "int64"; an empty list stays present."""
    entries = []
    for key in sorted(features):
        dtype, values = features[key]
        entry = _field(1, key.encode()) + _field(2, _feature(dtype, values))
        entries.append(_field(1, entry))
    return _field(1, b"".join(entries))
