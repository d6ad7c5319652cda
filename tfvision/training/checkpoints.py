"""Checkpoints: written aside, moved into place, `latest` and `best` kept.

workdir/checkpoints/step-00001000/ holds TensorFlow's checkpoint files and `state.json`: the
step, the metrics, and the names and shapes of the model's variables, so that a run folder of
another model is told apart before anything is loaded. A folder is complete or it is not there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfvision import errors, paths, stack

_NAME = re.compile(r"^(step|best)-(\d{8})$")


class Checkpoints:
    """The checkpoints of one run folder.

    groups: lists of variables by name ("model", "optimizer", ...); saved by position."""

    def __init__(self, workdir: str, groups: Mapping[str, Sequence], model_variables: Sequence):
        self.folder = os.path.join(workdir, "checkpoints")
        self._checkpoint = tf.train.Checkpoint(
            **{name: [stack.raw(v) for v in group] for name, group in groups.items()}
        )
        self._shapes = [[stack.variable_path(v), list(stack.raw(v).shape)] for v in model_variables]

    def find(self, kind: str) -> str | None:
        """Path of the newest "step" or "best" checkpoint, or None."""
        steps = self._steps(kind)
        return self._path(kind, steps[-1]) if steps else None

    def _steps(self, kind: str) -> list[int]:
        if not os.path.isdir(self.folder):
            return []
        matches = (_NAME.match(name) for name in os.listdir(self.folder))
        return sorted(int(m.group(2)) for m in matches if m and m.group(1) == kind)

    def _path(self, kind: str, step: int) -> str:
        return os.path.join(self.folder, f"{kind}-{step:08d}")

    def save(self, step: int, state: Mapping[str, Any], *, keep: int, best: bool) -> str:
        """Writes the checkpoint of `step`; older ones beyond `keep` go after it is in place.

        state: JSON-ready facts to find again. best: it also becomes the best one."""
        path = self._path("step", step)
        aside = os.path.join(self.folder, ".aside")
        shutil.rmtree(aside, ignore_errors=True)
        os.makedirs(aside)
        with paths.plain(aside) as place:
            self._checkpoint.write(os.path.join(place, "variables"))
        with open(os.path.join(aside, "state.json"), "w", encoding="utf-8") as file:
            json.dump({**state, "step": step, "variables": self._shapes}, file)
        _sync(aside)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(aside, path)
        if best:
            self._keep_as_best(path, step)
        for old in self._steps("step")[: -max(keep, 1)]:
            shutil.rmtree(self._path("step", old), ignore_errors=True)
        return path

    def _keep_as_best(self, path: str, step: int) -> None:
        aside = os.path.join(self.folder, ".aside")
        target = self._path("best", step)
        # The same files under a second name: no second copy on the disk.
        try:
            shutil.copytree(path, aside, copy_function=os.link)
        except (OSError, shutil.Error):  # a file system without hard links
            shutil.rmtree(aside, ignore_errors=True)
            shutil.copytree(path, aside)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(aside, target)
        for old in self._steps("best"):
            if old != step:
                shutil.rmtree(self._path("best", old), ignore_errors=True)

    def restore(self, path: str) -> dict[str, Any]:
        """Loads every variable of `path`; returns its state.

        Raises DataError where it is of another model or broken, before anything is assigned."""
        state = read_state(path)
        saved = [[name, list(shape)] for name, shape in state["variables"]]
        if saved != self._shapes:
            raise errors.DataError(
                f"{path} is of another model: {_difference(saved, self._shapes)}"
            )
        try:
            with paths.plain(path) as place:
                self._checkpoint.read(os.path.join(place, "variables")).assert_consumed()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise errors.DataError(f"{path} cannot be restored: {first}") from None
        return state


def read_state(path: str) -> dict[str, Any]:
    """The state.json of a checkpoint; DataError where it is not to be read."""
    file = os.path.join(path, "state.json")
    try:
        with open(file, encoding="utf-8") as opened:
            return json.load(opened)
    except (OSError, json.JSONDecodeError) as error:
        raise errors.DataError(f"{file} cannot be read: {error}") from None


def _difference(saved: list, here: list) -> str:
    if len(saved) != len(here):
        return f"it has {len(saved)} variables, this model has {len(here)}"
    pairs = ((a, b) for a, b in zip(saved, here, strict=True) if a != b)
    a, b = next(pairs)
    return f"it has {a[0]} {a[1]} where this model has {b[0]} {b[1]}"


def _sync(folder: str) -> None:
    """Asks the disk to have the files before they are renamed into place."""
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            os.fsync(file.fileno())
