"""Arrays of .npz and .safetensors files: name -> array, read without unpickling anything."""

from __future__ import annotations

import io
import math

import numpy as np

from tfvision import errors
from tfvision.weights import formats, tensors, zips

# safetensors' names of element types
_SAFETENSORS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def npz(path: str, budget: int) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. budget: bytes that it may unpack to.

    Raises DataError for a broken file, one beyond its budget, and for what is not a number."""
    arrays = {}
    try:
        with open(path, "rb") as file, zips.open_checked(file, budget) as archive:
            for name in archive.namelist():
                arrays[name.removesuffix(".npy")] = _npy(zips.read(archive, name))
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise formats.broken(path, error) from error
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise errors.DataError(f"{path}: '{name}' is of type {array.dtype}, not of numbers")
    return {name: tensors.half_widened(array) for name, array in arrays.items()}


def _npy(data: bytearray) -> np.ndarray:
    """One array; ValueError where its bytes are not those of its shape."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"an array of format {version}")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("an array of objects, which only allow_pickle reads")
    start = file.tell()
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"an array of shape {shape} in {len(data) - start} bytes")
    flat = np.frombuffer(data, dtype, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")


def safetensors(path: str) -> dict[str, np.ndarray]:
    """The arrays of a .safetensors file; DataError for a broken one or an unknown type."""
    import safetensors as library

    arrays = {}
    try:
        with open(path, "rb") as file:
            entries = library.deserialize(file.read())
        for name, entry in entries:
            if entry["dtype"] not in _SAFETENSORS:
                raise errors.DataError(
                    f"{path}: '{name}' is of type {entry['dtype']}"
                    f" (known: {', '.join(_SAFETENSORS)})"
                )
            flat = tensors.decode(bytes(entry["data"]), _SAFETENSORS[entry["dtype"]])
            arrays[name] = flat.reshape(entry["shape"])
    except errors.DataError:
        raise
    except Exception as error:  # SafetensorError, OSError, and ValueError for absurd shapes
        raise formats.broken(path, error) from error
    return arrays
