"""The layout of BASE/<version>, as TensorFlow Serving reads it."""

from __future__ import annotations

import os

from tfvision import errors

LABELS = os.path.join("assets", "labels.txt")
_GRAPH = "saved_model.pb"


def numbers(base: str) -> list[int]:
    """The versions below `base`, ascending; other names are none of ours."""
    if not os.path.isdir(base):
        return []
    names = [name for name in os.listdir(base) if name.isascii() and name.isdigit()]
    return sorted(int(name) for name in names if os.path.isdir(os.path.join(base, name)))


def find(path: str) -> str:
    """BASE -> the folder of its highest version; a version's folder -> itself.

    Raises DataError where there is no SavedModel."""
    if os.path.isfile(os.path.join(path, _GRAPH)):
        return os.path.abspath(path)
    if not os.path.isdir(path):
        raise errors.DataError(f"{path} is not a directory; give one that `tfvision export` wrote")
    versions = numbers(path)
    if not versions:
        raise errors.DataError(
            f"{path} contains no exported model (no folder named by a number, no {_GRAPH});"
            " `tfvision export` writes one"
        )
    names = [n for n in os.listdir(path) if n.isascii() and n.isdigit() and int(n) == versions[-1]]
    folder = os.path.abspath(os.path.join(path, names[0]))
    if not os.path.isfile(os.path.join(folder, _GRAPH)):
        raise errors.DataError(f"{folder} has no {_GRAPH}; the export is broken, make it again")
    return folder
