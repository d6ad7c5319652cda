"""TFRecord framing and tf.train.Example's protocol-buffer wire format, read without TensorFlow.

A record is: length uint64, masked CRC-32C of the length, data, masked CRC-32C of the data, all
little-endian (tensorflow/core/lib/io/record_writer.h). An Example is
features{map<key, bytes_list | float_list | int64_list>} (tensorflow/core/example/feature.proto).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import numpy as np

from tfvision import errors

# bytes values are slices of the record, so that nothing large is copied.
Values = list[slice] | list[int] | np.ndarray

_HEADER_BYTES, _FOOTER_BYTES = 12, 4
_GZIP = b"\x1f\x8b"
_POLYNOMIAL = 0x82F63B78  # CRC-32C, bits reversed
_MASK_DELTA = 0xA282EAD8
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5


def records(path: str) -> Iterator[tuple[int, bytes]]:
    """(offset of its data in the file, data) of every record of a TFRecord file.

    Checks that the lengths are intact and the file is whole, not the data's own checksums.
    Raises DataError with file and offset for a file that is compressed, cut or none."""
    try:
        with open(path, "rb") as file:
            size, at = os.fstat(file.fileno()).st_size, 0
            while header := file.read(_HEADER_BYTES):
                length = _length(header, path, at)
                if at + _HEADER_BYTES + length + _FOOTER_BYTES > size:
                    raise errors.DataError(
                        f"{path}: the file is truncated: the record at offset {at} goes beyond its"
                        f" {size} bytes; copy or write the file again"
                    )
                yield at + _HEADER_BYTES, file.read(length)
                at = file.seek(_FOOTER_BYTES, os.SEEK_CUR)
    except OSError as error:
        raise errors.DataError(f"{path} cannot be read: {error}") from error


def _length(header: bytes, path: str, at: int) -> int:
    if at == 0 and header.startswith(_GZIP):
        raise errors.DataError(f"{path} is compressed with gzip; unpack it first (gunzip)")
    if len(header) < _HEADER_BYTES:
        raise errors.DataError(
            f"{path}: the file is truncated in the record at offset {at}; copy or write it again"
        )
    length, checksum = struct.unpack("<QI", header)
    if _masked_crc(header[:8]) != checksum:
        what = "is damaged" if at else "is not a TFRecord file, or a compressed or damaged one"
        raise errors.DataError(
            f"{path} {what}: wrong checksum of a record's length at offset {at}; copy or write"
            " the file again, without compression"
        )
    return length


def _masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def example(data: bytes) -> dict[str, Values]:
    """{key: values} of a serialized tf.train.Example.

    bytes values come as slices of `data`, int64 as a list, floats as float32 [N]; a feature
    without a kind is an empty list. Raises ValueError where the bytes are not an Example."""
    by_name: dict[str, Values] = {}
    for number, features in _fields(data, 0, len(data)):
        if number != 1:
            continue
        for entry_number, entry in _fields(data, *_span(features)):
            if entry_number != 1:
                continue
            parts = dict(_fields(data, *_span(entry)))
            key = data[_slice(parts[1])].decode("utf-8") if 1 in parts else ""
            by_name[key] = _feature(data, parts[2]) if 2 in parts else []
    return by_name


def _feature(data: bytes, value: slice | int | bytes) -> Values:
    values_read: Values = []
    for number, content in _fields(data, *_span(value)):
        values = [v for n, v in _fields(data, *_span(content)) if n == 1]
        if number == 1:
            values_read = [_slice(v) for v in values]
        elif number == 2:
            # Packed, or one fixed field a value.
            raw = b"".join(v if isinstance(v, bytes) else data[_slice(v)] for v in values)
            values_read = np.frombuffer(raw, "<f4")
        elif number == 3:
            values_read = [n for v in values for n in _integers(data, v)]
    return values_read


def _integers(data: bytes, value: slice | int | bytes) -> Iterator[int]:
    if isinstance(value, int):
        yield _signed(value)
        return
    at, end = _span(value)
    while at < end:
        number, at = _varint(data, at, end)
        yield _signed(number)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _slice(value: slice | int | bytes) -> slice:
    if not isinstance(value, slice):
        raise ValueError("a field has the wrong wire type")
    return value


def _span(value: slice | int | bytes) -> tuple[int, int]:
    part = _slice(value)
    return part.start, part.stop


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
    raise ValueError("a number is cut or too long")


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, slice | int | bytes]]:
    """(field number, value) of a message: a slice, a whole number, or 4 or 8 fixed bytes."""
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at, end)
            yield tag >> 3, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
        if kind == _DELIMITED:
            length, at = _varint(data, at, end)
        elif not length:
            raise ValueError(f"unknown wire type {kind}")
        if length > end - at:
            raise ValueError("a field goes beyond its message")
        yield tag >> 3, slice(at, at + length) if kind == _DELIMITED else data[at : at + length]
        at += length
