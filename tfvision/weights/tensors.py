"""The tensors and arrays that a pickle describes, and what becomes of the descriptions.

`GLOBALS` is all that a checkpoint's pickle may name: containers, torch's functions that rebuild
tensors, NumPy's that rebuild arrays. They build descriptions, nothing else; `array` makes an array
of a tensor's description, within its storage, and `Array.value` one of NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfvision.weights.pickles import Inert, Known, TooLarge, pairs

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
# torch's names of element types -> ours
_DTYPES = {
    **{name: name for name in set(_STORAGES.values())},
    **{name: name for name in ("uint16", "uint32", "uint64")},
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
}
_MOST_AXES = 32


class Dtype(NamedTuple):
    """An element type of torch."""

    name: str


class StorageType(NamedTuple):
    """A storage class of torch."""

    dtype: str


class Storage(NamedTuple):
    """count elements of the storage `key`, from the element `start` on."""

    dtype: str
    key: str
    start: int
    count: int


class Tensor(NamedTuple):
    """A view into a storage; offset, shape and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


class Array:
    """An array of NumPy, whose pickle sets its state after it has made it."""

    __slots__ = ("state",)

    def __init__(self, *_: Any):
        self.state = None

    def build(self, state: Any) -> None:
        """state: (version, shape, dtype, in Fortran's order, bytes)."""
        self.state = state

    def value(self) -> np.ndarray:
        """Raises ValueError for a state that is none, or has no numbers."""
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise ValueError("an array of NumPy without a state")
        _, shape, dtype, fortran, data = self.state
        if isinstance(data, str):  # of Python 2
            data = data.encode("latin-1")
        if not isinstance(dtype, ArrayDtype) or not isinstance(data, (bytes, bytearray)):
            raise ValueError("an array of NumPy that contains no numbers")
        numbers = dtype.value()
        check_sizes(shape)
        if math.prod(shape) * numbers.itemsize != len(data):
            raise ValueError(f"an array of {len(data)} bytes, not of shape {shape}")
        array = np.frombuffer(data, numbers).reshape(shape, order="F" if fortran else "C")
        return array.astype(numbers.newbyteorder("="), copy=False)


class ArrayDtype:
    """An element type of NumPy."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any):
        self.code, self.order = code, "<"

    def build(self, state: Any) -> None:
        """state: (version, byte order, ...)."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.order = state[1]

    def value(self) -> np.dtype:
        """Raises ValueError for a type that is not of numbers."""
        code = self.code
        if type(code) is not str or code not in _NUMBERS:
            raise ValueError("an array of NumPy that contains no numbers")
        return np.dtype(code).newbyteorder(self.order)


_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


def are_sizes(*values: Any) -> bool:
    """Are all whole numbers that a place in a file can have?"""
    return all(type(v) is int and 0 <= v < 2**62 for v in values)


def check_sizes(shape: Any) -> None:
    """Raises ValueError for what is not a shape."""
    if type(shape) is not tuple or len(shape) > _MOST_AXES or not are_sizes(*shape):
        raise ValueError("a shape that is not a tuple of few sizes")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Any:
    if isinstance(storage, Inert):
        return Inert(storage.name)
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _typed_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Any:
    """Of an untyped storage, whose bytes another argument gives a type."""
    dtype = next((a for a in rest if isinstance(a, Dtype)), None)
    if isinstance(storage, Storage) and dtype is not None:
        width = width_of(dtype.name)
        start, count = storage.start // width, storage.count // width
        storage = Storage(dtype.name, storage.key, start, count)
    return _tensor(storage, offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _subclassed(function: Any, _: Any, arguments: Any, *__: Any) -> Any:
    if isinstance(function, Known) and function in _REBUILD and type(arguments) is tuple:
        return function.call(*arguments)
    return Inert("a tensor of a class that is not known")


def _ordered(items: Any = ()) -> dict:
    return pairs(items) if type(items) in (list, tuple) else {}


def _encoded(text: Any, *_: Any) -> bytes:
    """How pickles of protocol 2 hold bytes."""
    return text.encode("latin-1") if type(text) is str else b""


_REBUILD = (Known(_tensor), Known(_typed_tensor))
_UTILS = "torch._utils"
GLOBALS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): Known(_ordered),
    ("collections", "defaultdict"): Known(lambda *_: {}),
    ("_codecs", "encode"): Known(_encoded),
    ("torch", "Size"): Known(lambda sizes=(): tuple(sizes)),
    (_UTILS, "_rebuild_tensor"): _REBUILD[0],
    (_UTILS, "_rebuild_tensor_v2"): _REBUILD[0],
    (_UTILS, "_rebuild_tensor_v3"): _REBUILD[1],
    (_UTILS, "_rebuild_parameter"): Known(_parameter),
    (_UTILS, "_rebuild_parameter_with_state"): Known(_parameter),
    ("torch._tensor", "_rebuild_from_type_v2"): Known(_subclassed),
    ("torch.storage", "UntypedStorage"): StorageType("uint8"),
    ("torch.storage", "TypedStorage"): StorageType("uint8"),
    **{("torch", name): StorageType(dtype) for name, dtype in _STORAGES.items()},
    **{("torch", name): Dtype(dtype) for name, dtype in _DTYPES.items()},
    ("numpy", "ndarray"): Inert("numpy.ndarray"),
    ("numpy", "dtype"): Known(ArrayDtype),
    ("numpy.core.multiarray", "_reconstruct"): Known(Array),
    ("numpy._core.multiarray", "_reconstruct"): Known(Array),
}


def width_of(dtype: str) -> int:
    """Bytes of an element."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def decode(data: bytes, dtype: str) -> np.ndarray:
    """Little-endian bytes -> [N]; float16 and bfloat16 become float32."""
    if dtype == "bfloat16":  # the upper half of a float32
        wide = np.frombuffer(data, "<u2").astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    return half_widened(np.frombuffer(data, np.dtype(dtype).newbyteorder("<")))


def half_widened(array: np.ndarray) -> np.ndarray:
    """float16 as float32."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


class Storages:
    """Decoded storages, each read once however many tensors share it.

    data: key -> bytes. budget: bytes that all of them may take, else TooLarge."""

    def __init__(self, data: Callable[[str], bytes], budget: int):
        self._data, self._done, self._left = data, {}, budget

    def __getitem__(self, storage: Storage) -> np.ndarray:
        key = (storage.key, storage.dtype)
        if key not in self._done:
            self._done[key] = decode(self._data(storage.key), storage.dtype)
            self._left -= self._done[key].nbytes
            if self._left < 0:
                raise TooLarge("its storages, read as all their types, take more than its size")
        whole = self._done[key]
        if storage.start + storage.count > whole.size:
            raise ValueError(
                f"storage {storage.key} has {whole.size} elements, not {storage.count}"
            )
        return whole[storage.start : storage.start + storage.count]


def array(tensor: Tensor, storages: Storages) -> np.ndarray:
    """The read-only array of a tensor; ValueError for one that leaves its storage."""
    storage = storages[tensor.storage]
    offset, shape, strides = tensor.offset, tensor.shape, tensor.strides
    check_sizes(shape)
    check_sizes(strides)
    if len(shape) != len(strides) or not are_sizes(offset):
        raise ValueError(f"a tensor of shape {shape} and strides {strides}")
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if last >= storage.size:
        raise ValueError(f"a tensor reaches element {last} of a storage of {storage.size}")
    steps = [s * storage.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)
