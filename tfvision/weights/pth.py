"""PyTorch checkpoints without PyTorch, and without running what they carry.

Three layouts: a zip file of data.pkl and data/<key> (PyTorch 1.6 and later), the legacy one (five
pickles followed by the storages), and one plain pickle of NumPy arrays. `pickles` makes of them
containers, descriptions of tensors and placeholders; only the tensors that the caller chooses are
read from the file. Raises are `DataError` throughout.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tfvision import errors
from tfvision.weights import formats, pickles, tensors, zips

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_INSTRUCTIONS = 200_000  # that any pickle may have, and one more for every 8 bytes of the file


class Checkpoint(NamedTuple):
    """content: containers, `tensors.Tensor`, `tensors.Array` and placeholders, as pickled.

    arrays: makes {name: array} of {name: tensor or array of `content`}."""

    content: Any
    arrays: Callable[[Mapping[str, Any]], dict[str, np.ndarray]]


@contextlib.contextmanager
def opened(path: str, budget: int) -> Iterator[Checkpoint]:
    """The checkpoint, whose arrays can be read within the block.

    budget: bytes that its entries, and the arrays chosen, may take. Half-width floats come back as
    float32. Raises DataError, also in the block, for a file that is broken, truncated, big-endian
    or beyond its budget."""
    try:
        with open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            layout = _zip if start == zips.MAGIC else _pickles
            content, data = layout(path, file, budget)
            storages = tensors.Storages(data, budget)
            yield Checkpoint(content, lambda chosen: _arrays(chosen, storages, budget))
    except errors.TfvisionError:
        raise
    except (pickles.TooLarge, zips.Unsound) as error:
        raise errors.DataError(
            f"{path} is not read: {error}; save the state dict anew and alone"
        ) from error
    except Exception as error:  # a broken pickle may lead to anything
        raise formats.broken(path, error) from error


def _machine(file: Any) -> tuple[pickles.Machine, dict[str, int]]:
    """A machine for the pickles of the file; and the width of each storage that it meets."""
    widths: dict[str, int] = {}

    def persistent(pid: Any) -> Any:
        if type(pid) is tuple and len(pid) == 4 and type(pid[1]) is pickles.Inert:
            return pid[1]  # the class of a network, which legacy files keep with its source
        kind, storage_type, key, _, count, *view = pid
        if kind != "storage" or type(key) not in (str, int):
            raise ValueError("an unknown kind of persistent id")
        if isinstance(storage_type, pickles.Inert):
            return pickles.Inert(storage_type.name)
        if not isinstance(storage_type, tensors.StorageType):
            raise ValueError("a storage of an unknown kind")
        # The oldest files have storages that are views: (key of the view, start, count).
        start = 0
        if view and view[0] is not None:
            _, start, count = view[0]
        if not tensors.are_sizes(start, count):
            raise ValueError(f"storage {str(key)[:99]} is of no size")
        widths[str(key)] = tensors.width_of(storage_type.dtype)
        return tensors.Storage(storage_type.dtype, str(key), start, count)

    budget = _INSTRUCTIONS + os.fstat(file.fileno()).st_size // 8
    return pickles.Machine(tensors.GLOBALS, persistent, budget), widths


def _zip(path: str, file: Any, budget: int) -> tuple[Any, Callable]:
    archive = zips.open_checked(file, budget)
    names = archive.namelist()
    pickles = [n for n in names if n == "data.pkl" or n.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise errors.DataError(f"{path} is a zip file but no PyTorch checkpoint: no data.pkl")
    root = pickles[0][: -len("data.pkl")]
    if f"{root}constants.pkl" in names:
        raise errors.DataError(
            f"{path} is a TorchScript program; save its weights alone:"
            " torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')"
        )
    if f"{root}byteorder" in names:
        _check_little(path, zips.read(archive, f"{root}byteorder").strip() == b"little")
    machine, _ = _machine(file)
    content = machine.load(io.BytesIO(zips.read(archive, pickles[0])))
    return content, lambda key: zips.read(archive, f"{root}data/{key}")


class _Bounded:
    """A file that is never asked for more bytes than it has: the reader allocates them first."""

    def __init__(self, file: Any):
        self._file, self._size = file, os.fstat(file.fileno()).st_size
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        return self._file.read(min(count, self._size - self._file.tell()))


def _pickles(path: str, file: Any, budget: int) -> tuple[Any, Callable]:
    machine, widths = _machine(file)
    bounded = _Bounded(file)
    magic = machine.load(bounded)
    if type(magic) is not int or magic != _LEGACY_MAGIC:
        return magic, _no_storages
    protocol, system = machine.load(bounded), machine.load(bounded)
    if type(protocol) is not int or protocol != _LEGACY_PROTOCOL:
        raise errors.DataError(f"{path} is a legacy checkpoint of an unknown protocol")
    _check_little(path, system["little_endian"])
    content, keys = machine.load(bounded), machine.load(bounded)
    start, places = file.tell(), {}

    def data(key: str) -> bytes:
        if not places:
            file.seek(start)
            places.update(_places(file, keys, widths))
        place, size = places[key]
        file.seek(place)
        return file.read(size)

    return content, data


def _places(file: Any, keys: Any, widths: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Where a legacy file has each storage: (start, bytes). widths: of elements, by storage."""
    places, end = {}, os.fstat(file.fileno()).st_size
    if type(keys) is not list or any(type(key) not in (str, int) for key in keys):
        raise ValueError("no list of storages")
    # Each storage is its count and its elements; how wide those are, the tensors tell.
    for key in map(str, keys):
        (count,) = struct.unpack("<q", file.read(8))
        if key not in widths:
            raise ValueError(f"storage {key[:99]} belongs to no tensor that can be read")
        size = count * widths[key]
        if count < 0 or file.tell() + size > end:
            raise ValueError(f"storage {key} of {count} elements goes past the end of the file")
        places[key] = (file.tell(), size)
        file.seek(size, os.SEEK_CUR)
    return places


def _no_storages(key: str) -> bytes:
    raise ValueError(f"a plain pickle has no storage {key}")


def _check_little(path: str, little: bool) -> None:
    if not little:
        raise errors.DataError(
            f"{path} was written on a big-endian machine; save it again on a little-endian one"
        )


def _arrays(
    chosen: Mapping[str, Any], storages: tensors.Storages, budget: int
) -> dict[str, np.ndarray]:
    arrays, left = {}, budget
    for name, value in chosen.items():
        if isinstance(value, tensors.Tensor):
            arrays[name] = tensors.array(value, storages)
        else:
            arrays[name] = tensors.half_widened(value.value())
        # A stride of 0 makes any number of elements of one.
        left -= arrays[name].nbytes
        if left < 0:
            raise pickles.TooLarge(f"its tensors take more than {budget:,} bytes")
    return arrays
