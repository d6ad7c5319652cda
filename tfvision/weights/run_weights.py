"""The weights of a run folder of ours, by name: what another run starts from.

A checkpoint keeps its variables by position and their names in `state.json` beside them
(training.checkpoints).
"""

from __future__ import annotations

import os
import re

import numpy as np

from tfvision import errors, json_files, paths

_FOLDER = re.compile(r"^(best|step)-(\d{8})$")
_KEY = "{}/{}/.ATTRIBUTES/VARIABLE_VALUE"


def read(path: str, which: str = "") -> dict[str, np.ndarray]:
    """{"layer/variable": array} of a run folder's best (else latest) checkpoint, or of a
    checkpoint's own folder; the averaged weights where the run kept an average.

    which: "model" takes the weights that are not averaged, "average" insists on the average.
    Raises DataError for a folder that contains none, or a broken one; UsageError for another
    `which`, or an average that the run did not keep."""
    if which not in ("", "model", "average"):
        raise errors.UsageError(f"which='{which}': {path} is a run, of 'model' or 'average'")
    folder = path if os.path.isfile(os.path.join(path, "state.json")) else _newest(path)
    import tensorflow as tf

    try:
        file, shape = os.path.join(folder, "state.json"), {"variables": [(str, [int])]}
        state = json_files.read(file, shape, "the checkpoint is damaged")
        names = [name for name, _ in state["variables"]]
        with paths.plain(folder) as place:
            reader = tf.train.load_checkpoint(os.path.join(place, "variables"))
            arrays, averaged = _arrays(reader, len(names), which != "model")
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        first = str(error).strip().splitlines()[0]
        raise errors.DataError(f"{folder} cannot be read: {first}") from error
    if which == "average" and not averaged:
        raise errors.UsageError(f"which='average': the run {path} kept no average (train.ema)")
    short = ["/".join(name.split("/")[-2:]) for name in names]
    return dict(zip(short, arrays, strict=True))


def _arrays(reader, count: int, averages: bool) -> tuple[list[np.ndarray], int]:
    """(the variables of the model by position, each as its average where there is one and it is
    wanted; how many averages were taken)."""
    arrays = [reader.get_tensor(_KEY.format("model", i)) for i in range(count)]
    kept = reader.get_variable_to_shape_map() if averages else {}
    number = 0
    for index, array in enumerate(arrays):
        key = _KEY.format("averages", number)
        if array.dtype.kind == "f" and key in kept:
            arrays[index], number = reader.get_tensor(key), number + 1
    return arrays, number


def _newest(path: str) -> str:
    """The folder of the best checkpoint of a run, else of the latest."""
    root = os.path.join(path, "checkpoints")
    names = os.listdir(root) if os.path.isdir(root) else []
    folders = sorted((m[1] == "best", m[2], m[0]) for m in map(_FOLDER.match, names) if m)
    if not folders:
        raise errors.DataError(f"{path} is a folder, but no run of tfvision with a checkpoint")
    return os.path.join(root, folders[-1][2])
