"""Weight files -> name -> array, whatever their extension: `formats` tells what they are."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from tfvision import errors
from tfvision.weights import arrays, formats, hdf5, prefixes, pth, run_weights, state_dicts

# Bytes that a file may unpack to: these, so many times its size, and what the net takes.
_ROOM, _TIMES = 64 * 2**20, 4


class Weights(NamedTuple):
    """What a file holds. notes: a line on each choice that was made in reading it."""

    arrays: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


def read(path: str | os.PathLike, which: str = "", room: int = 0) -> dict[str, np.ndarray]:
    """`inspect`, without the notes."""
    return inspect(path, which, room).arrays


def inspect(path: str | os.PathLike, which: str = "", room: int = 0) -> Weights:
    """All arrays of a weight file by name, without what wrappers put before all names.

    A folder is a run of ours (`weights.run_weights`). which: the parameters or their average
    where a file has both, "model", "average" or its key; "" takes the average. room: bytes of the
    net that is to be filled. float16 and bfloat16 come back as float32. No code of the file is
    run. Raises
    DataError, always of one line, for a file that is missing, broken, no weight file or beyond what
    its size and `room` allow, and UsageError for a `which` that it does not have."""
    path = os.fspath(path)
    format_name = formats.identify(path)
    if format_name == formats.DARKNET:
        raise errors.DataError(
            f"{path} is a Darknet .weights file by its first bytes; give source='darknet'"
            " (import-weights: --source=darknet)"
        )
    if format_name in (formats.TORCH_ZIP, formats.PICKLE):
        weights = _torch(path, which, _budget(path, room))
    elif format_name == formats.RUN:
        weights = Weights(run_weights.read(path, which))
    else:
        check_single(f"{path} ({format_name})", which)
        weights = Weights(_plain(path, format_name, _budget(path, room)))
    if not weights.arrays:
        raise errors.DataError(f"{path} contains no arrays")
    stripped, prefix, left = prefixes.strip(weights.arrays)
    notes = list(weights.notes)
    if prefix:
        notes.append(f"took '{prefix}' off all names")
    if left:
        notes.append(f"left out {', '.join(left[:9])}, numbers of no module")
    return Weights(stripped, tuple(notes))


def check_single(name: str, which: str) -> None:
    """Raises UsageError for a `which` that only a source with an average could have."""
    if which not in ("", state_dicts.MODEL):
        raise errors.UsageError(f"which='{which}': {name} has one set of weights, 'model'")


def _budget(path: str, room: int) -> int:
    return _ROOM + _TIMES * os.path.getsize(path) + 2 * room


def _plain(path: str, format_name: str, budget: int) -> dict[str, np.ndarray]:
    """Of a format that contains one set of weights."""
    if format_name == formats.SAFETENSORS:
        return arrays.safetensors(path)
    if format_name == formats.NPZ:
        return arrays.npz(path, budget)
    return hdf5.read(path, budget)


def _torch(path: str, which: str, budget: int) -> Weights:
    with pth.opened(path, budget) as checkpoint:
        try:
            state, note = state_dicts.choose(checkpoint.content, which)
            entries, left = state_dicts.tensors_of(state)
        except errors.TfvisionError as error:
            raise type(error)(f"{path}: {error}") from error
        notes = [note] if note else [f"read '{state.place}'"] if state.place else []
        if left:
            notes.append(f"left out {', '.join(left[:9])}, which are not tensors")
        return Weights(checkpoint.arrays(entries), tuple(notes))
