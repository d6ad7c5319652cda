"""PyTorch checkpoints without PyTorch, and without running what they carry.

A checkpoint is a pickle, and a pickle may call any function that it can name. This unpickler
knows a handful of names and refuses all others. Even those build nothing but descriptions
(`_Tensor`); arrays are made of them once the unpickler is done.

Two layouts: a zip file of data.pkl and data/<key> (PyTorch 1.6 and later), and the legacy one,
five pickles followed by the storages. Raises are `DataError` throughout.
"""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfvision import errors

ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

# torch's storage classes; "bfloat16" is read as uint16 and widened
_STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_DTYPES = (
    *("float16", "float32", "float64", "half", "float", "double", "bfloat16", "bool"),
    *("uint8", "int8", "int16", "int32", "int64", "short", "int", "long"),
)


class _StorageType(NamedTuple):
    """Stands for a storage class of torch."""

    dtype: str


class _Storage(NamedTuple):
    """count elements of the storage `key`, from the element `start` on."""

    dtype: str
    key: str
    start: int
    count: int


class _Tensor(NamedTuple):
    """A view into a storage; offset, shape and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


class _RebuildTensor:
    # Without __dict__, so that a pickle cannot set anything on it.
    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, *_):
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without a storage")
        return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _RebuildParameter:
    __slots__ = ()

    def __call__(self, tensor, *_):
        return tensor


_GLOBALS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _RebuildTensor(),
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
    ("torch.storage", "UntypedStorage"): _StorageType("uint8"),
    ("torch.storage", "TypedStorage"): _StorageType("uint8"),
    **{("torch", name): _StorageType(dtype) for name, dtype in _STORAGES.items()},
    **{("torch", name): f"torch.{name}" for name in _DTYPES},
}


class _Unpickler(pickle.Unpickler):
    """Knows the names of `_GLOBALS`, and storages as persistent ids."""

    def __init__(self, file, path: str):
        super().__init__(file, encoding="utf-8")
        self._path, self.storages = path, []

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _GLOBALS:
            return _GLOBALS[module, name]
        asked = f"{module}.{name}"
        raise errors.DataError(
            f"{self._path} asks for {asked!r}, and code in checkpoints is never run;"
            " save the plain state dict (name -> tensor) alone, or convert it to .safetensors"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, count, *view = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise ValueError("an unknown kind of persistent id")
        # The oldest files have storages that are views: (key of the view, start, count).
        start = 0
        if view and view[0] is not None:
            _, start, count = view[0]
        if not _are_sizes(start, count):
            raise ValueError(f"storage {key} counts {count} elements from {start}")
        self.storages.append(_Storage(storage_type.dtype, str(key), start, count))
        return self.storages[-1]


def read(path: str) -> Any:
    """The pickled object of a checkpoint, its tensors as read-only numpy arrays.

    Half-width floats come back as float32. Raises DataError for a file that is broken or
    truncated, big-endian, or that asks for anything but tensors and plain containers."""
    try:
        with open(path, "rb") as file:
            if file.read(4) == ZIP_MAGIC:
                return _read_zip(path)
            file.seek(0)
            return _read_legacy(path, file)
    except errors.DataError:
        raise
    except Exception as error:  # a broken pickle may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise errors.DataError(f"{path} is broken or truncated ({reason})") from error


def _read_zip(path: str) -> Any:
    with zipfile.ZipFile(path) as archive:
        pickles = [n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise errors.DataError(f"{path} is a zip file but no PyTorch checkpoint: no data.pkl")
        root = pickles[0][: -len("data.pkl")]
        if f"{root}byteorder" in archive.namelist():
            _check_little(path, archive.read(f"{root}byteorder").strip() == b"little")
        content = _Unpickler(io.BytesIO(archive.read(pickles[0])), path).load()

        def data(key: str, dtype: str) -> bytes:
            return archive.read(f"{root}data/{key}")

        return _arrays(content, _Storages(data), {})


def _read_legacy(path: str, file) -> Any:
    try:
        magic = _Unpickler(file, path).load()
    except errors.DataError:
        raise
    except Exception:
        magic = None
    if magic != _LEGACY_MAGIC:
        raise errors.DataError(f"{path} is not a PyTorch checkpoint (or a truncated one)")
    protocol, system = _Unpickler(file, path).load(), _Unpickler(file, path).load()
    if protocol != _LEGACY_PROTOCOL:
        raise errors.DataError(f"{path} has the unknown protocol {protocol!r}")
    _check_little(path, system["little_endian"])
    unpickler = _Unpickler(file, path)
    content, keys = unpickler.load(), _Unpickler(file, path).load()
    places, end = {}, os.fstat(file.fileno()).st_size
    # Each storage is its count and its elements; how wide those are, the tensors tell.
    widths = {s.key: _width(s.dtype) for s in unpickler.storages}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        if key not in widths:
            raise ValueError(f"storage {key} belongs to no tensor")
        size = count * widths[key]
        if count < 0 or file.tell() + size > end:
            raise ValueError(f"storage {key} of {count} elements goes past the end of the file")
        places[key] = (file.tell(), size)
        file.seek(size, os.SEEK_CUR)

    def data(key: str, dtype: str) -> bytes:
        start, size = places[key]
        file.seek(start)
        return file.read(size)

    return _arrays(content, _Storages(data), {})


def _check_little(path: str, little: bool) -> None:
    if not little:
        raise errors.DataError(
            f"{path} was written on a big-endian machine; save it again on a little-endian one"
        )


def _width(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _are_sizes(*values: Any) -> bool:
    return all(type(v) is int and 0 <= v < 2**62 for v in values)


class _Storages:
    """Decoded storages, each read once however many tensors share it."""

    def __init__(self, data: Callable[[str, str], bytes]):
        self._data, self._done = data, {}

    def __getitem__(self, storage: _Storage) -> np.ndarray:
        key = (storage.key, storage.dtype)
        if key not in self._done:
            data = self._data(*key)
            self._done[key] = decode(data, storage.dtype)
        whole = self._done[key]
        if storage.start + storage.count > whole.size:
            raise ValueError(
                f"storage {storage.key} has {whole.size} elements, not {storage.count}"
            )
        return whole[storage.start : storage.start + storage.count]


def decode(data: bytes, dtype: str) -> np.ndarray:
    """Little-endian bytes -> [N]; float16 and bfloat16 become float32."""
    if dtype == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    array = np.frombuffer(data, np.dtype(dtype).newbyteorder("<"))
    return array.astype(np.float32) if dtype == "float16" else array


def _arrays(content: Any, storages: _Storages, done: dict[int, Any]) -> Any:
    """`content` with an array in the place of each tensor.

    done: what became of each object, by id: a pickle can hold one object very many times."""
    if id(content) in done:
        return done[id(content)]
    if isinstance(content, _Tensor):
        result = _array(content, storages)
    elif isinstance(content, dict):
        result = {key: _arrays(value, storages, done) for key, value in content.items()}
    elif type(content) in (list, tuple):
        result = type(content)(_arrays(value, storages, done) for value in content)
    else:
        return content
    done[id(content)] = result
    return result


def _array(tensor: _Tensor, storages: _Storages) -> np.ndarray:
    storage = storages[tensor.storage]
    offset, shape, strides = tensor.offset, tensor.shape, tensor.strides
    if len(shape) != len(strides) or not _are_sizes(offset, *shape, *strides):
        raise ValueError(f"a tensor of shape {shape} and strides {strides}")
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if last >= storage.size:
        raise ValueError(f"a tensor reaches element {last} of a storage of {storage.size}")
    steps = [s * storage.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)
