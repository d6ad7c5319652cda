"""Weight files -> name -> array: .npz, .safetensors, PyTorch's .pth and .pt, Keras's .h5."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tfvision import errors
from tfvision.weights import hdf5, pth, runs

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
# Where training scripts put the state dict, the likeliest first.
_NESTS = ("state_dict", "model_state_dict", "model_state", "model", "net")
_WRAPPER = "module."  # torch's DataParallel puts it before every name


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All arrays of a weight file under their own names, less a "module." before all of them.

    A folder is a run of ours (`weights.runs`). float16 and bfloat16 come back as float32. No
    code of the file is run. Raises DataError, always of one line, for a file that is missing,
    broken, or of an unknown extension."""
    path = os.fspath(path)
    if os.path.isdir(path):
        return runs.read(path)
    extension = os.path.splitext(path)[1].lower()
    if extension not in READERS:
        raise errors.DataError(
            f"{path} has an extension that is not known (known: {', '.join(READERS)})"
        )
    if not os.path.isfile(path):
        raise errors.DataError(f"{path} is not there, or not a file")
    arrays = READERS[extension](path)
    if not arrays:
        raise errors.DataError(f"{path} holds no arrays")
    if all(name.startswith(_WRAPPER) for name in arrays):
        arrays = {name[len(_WRAPPER) :]: array for name, array in arrays.items()}
    return arrays


def _npz(path: str) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as file:
            content = np.load(file, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise ValueError("one bare array")
            with content:
                arrays = {name: content[name] for name in content.files}
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise _broken(path, error) from error
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise errors.DataError(f"{path}: '{name}' is of type {array.dtype}, not of numbers")
    half = np.dtype("float16")
    return {n: a.astype(np.float32) if a.dtype == half else a for n, a in arrays.items()}


def _safetensors(path: str) -> dict[str, np.ndarray]:
    import safetensors

    arrays = {}
    try:
        with open(path, "rb") as file:
            entries = safetensors.deserialize(file.read())
    except Exception as error:  # SafetensorError, and OSError
        raise _broken(path, error) from error
    for name, entry in entries:
        if entry["dtype"] not in _SAFETENSORS:
            raise errors.DataError(
                f"{path}: '{name}' is of type {entry['dtype']} (known: {', '.join(_SAFETENSORS)})"
            )
        flat = pth.decode(bytes(entry["data"]), _SAFETENSORS[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"])
    return arrays


def _pth(path: str) -> dict[str, np.ndarray]:
    content = pth.read(path)
    while isinstance(content, dict):
        nest = next((n for n in _NESTS if isinstance(content.get(n), dict)), None)
        if nest is None:
            break
        content = content[nest]
    if not isinstance(content, dict):
        raise errors.DataError(f"{path} holds a {type(content).__name__}, not a state dict")
    return {str(name): _entry(path, name, value) for name, value in content.items()}


def _entry(path: str, name: Any, value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    raise errors.DataError(
        f"{path}: {str(name)!r} is a {type(value).__name__}, not a tensor; save the state dict"
        f" alone or under one of: {', '.join(_NESTS)}"
    )


def _broken(path: str, error: Exception) -> errors.DataError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return errors.DataError(f"{path} is broken or truncated ({reason})")


READERS = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".pth": _pth,
    ".pt": _pth,
    ".h5": hdf5.read,
}
