"""Checkpoints: written aside, moved into place, `latest` and `best` kept.

workdir/checkpoints/step-00001000/ holds TensorFlow's checkpoint files and `state.json`: the
step, what the run noted with it, and the names and shapes of the model's variables, so that a
checkpoint of another model is refused before anything is loaded.

A folder is complete or it is not there. A checkpoint is saved before its step is evaluated and
`finish`ed after it: `best-N` is made, what is old goes, and last the state of step-N says so. A
kill in between leaves the state `pending`, and whoever goes on evaluates step N again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfvision import atomic, errors, json_files, paths, stack
from tfvision.json_files import COUNT, Maybe

_NAME = re.compile(r"^(step|best)-(\d{8,})$")
_STATE = "state.json"
_ASIDE, _REMOVED = ".aside", ".removed"


class Damaged(errors.DataError):
    """A checkpoint whose files cannot be read back."""


class Checkpoints:
    """The checkpoints of one run folder.

    groups: lists of variables by name ("model", "optimizer", ...); saved by position. writes:
    False for a worker that is not the chief: nothing is saved or removed."""

    def __init__(
        self,
        workdir: str,
        groups: Mapping[str, Sequence],
        model_variables: Sequence,
        *,
        writes: bool = True,
    ):
        self._writes = writes
        self.folder = os.path.join(workdir, "checkpoints")
        self._checkpoint = tf.train.Checkpoint(
            **{name: [stack.raw(v) for v in group] for name, group in groups.items()}
        )
        self._shapes = [[stack.variable_path(v), list(stack.raw(v).shape)] for v in model_variables]

    def find(self, kind: str) -> str | None:
        """Path of the newest "step" or "best" checkpoint, or None."""
        return next(iter(self.all(kind)), None)

    def all(self, kind: str) -> list[str]:
        """Paths of the "step" or "best" checkpoints, the newest first."""
        return [self._path(kind, step) for step in reversed(self._steps(kind))]

    def _steps(self, kind: str) -> list[int]:
        if not os.path.isdir(self.folder):
            return []
        matches = (_NAME.match(name) for name in os.listdir(self.folder))
        return sorted(int(m.group(2)) for m in matches if m and m.group(1) == kind)

    def _path(self, kind: str, step: int) -> str:
        return os.path.join(self.folder, f"{kind}-{step:08d}")

    def save(self, step: int, state: Mapping[str, Any]) -> str:
        """Writes the checkpoint of `step`. state: JSON-ready facts to find again.

        Raises DataError where it cannot be written."""
        path = self._path("step", step)
        if not self._writes:
            return path
        with self._written(path) as aside:
            with paths.plain(aside) as place:
                self._checkpoint.write(os.path.join(place, "variables"))
            self._write_state(aside, step, state)
        return path

    def finish(self, step: int, state: Mapping[str, Any], *, best: bool, keep: int) -> None:
        """Replaces the state of a saved step, after all else that is due, and prunes.

        best: it also becomes the best checkpoint."""
        path = self._path("step", step)
        if not self._writes:
            return
        if best:
            with self._written(self._path("best", step)) as aside:
                _copy(path, aside)
                self._write_state(aside, step, state)
            for old in self._steps("best"):
                if old != step:
                    self._remove(self._path("best", old))
        self.prune(step, keep)
        self._write_state(path, step, state)

    def prune(self, step: int, keep: int) -> None:
        """Removes all but the newest `keep` checkpoints up to `step`, the last that was saved.

        Later ones are left from before a run went on from an earlier step."""
        if not self._writes:
            return
        steps = self._steps("step")
        kept = [old for old in steps if old <= step][-max(keep, 1) :]
        for old in set(steps) - set(kept):
            self._remove(self._path("step", old))

    def _write_state(self, folder: str, step: int, state: Mapping[str, Any]) -> None:
        content = {**state, "step": step, "variables": self._shapes}
        atomic.write_text(os.path.join(folder, _STATE), json.dumps(content))

    @contextlib.contextmanager
    def _written(self, path: str) -> Iterator[str]:
        """Yields an empty folder, which becomes `path`; DataError where the disk refuses."""
        aside = os.path.join(self.folder, _ASIDE)
        try:
            with atomic.reported(path):
                for left in (aside, os.path.join(self.folder, _REMOVED)):
                    shutil.rmtree(left, ignore_errors=True)
                os.makedirs(aside)
                yield aside
                atomic.sync_all(aside)
                self._remove(path)
                os.rename(aside, path)
                atomic.sync(self.folder)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def _remove(self, path: str) -> None:
        """Hides a folder before its files go, so that none is ever half there."""
        if os.path.isdir(path):
            hidden = os.path.join(self.folder, _REMOVED)
            shutil.rmtree(hidden, ignore_errors=True)
            with atomic.reported(path):
                os.rename(path, hidden)
            shutil.rmtree(hidden, ignore_errors=True)

    def restore(self, path: str) -> dict[str, Any]:
        """Loads every variable of `path`; returns its state.

        Raises DataError where it is of another model, before anything is assigned, and Damaged
        where it cannot be read."""
        state = read_state(path)
        if state["variables"] != self._shapes:
            raise errors.DataError(
                f"{path} is of another model: {_difference(state['variables'], self._shapes)}"
            )
        try:
            with paths.plain(path) as place:
                self._checkpoint.read(os.path.join(place, "variables")).assert_consumed()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            raise Damaged(f"{path} is damaged: {errors.one_line(error)}") from None
        return state


_BEST = {"step": COUNT, "metric": str, "value": float, "loss?": Maybe(float)}
_SHAPE = {
    "step": COUNT,
    "variables": [(str, [COUNT])],
    "best?": Maybe(_BEST),
    "metrics?": Maybe({}),
    "learning_rate?": Maybe(float),
    "pending?": bool,
}


def read_state(path: str) -> dict[str, Any]:
    """The state.json of a checkpoint; Damaged where it is not to be read."""
    try:
        file = os.path.join(path, _STATE)
        return json_files.read(file, _SHAPE, "tfvision wrote it otherwise")
    except errors.DataError as error:
        raise Damaged(f"{path} is damaged: {error}") from error


def _copy(path: str, folder: str) -> None:
    """The variables' files under a second name: no second copy on the disk where it has links."""
    for name in os.listdir(path):
        if name != _STATE:
            source, target = os.path.join(path, name), os.path.join(folder, name)
            try:
                os.link(source, target)
            except OSError:  # a file system without hard links
                shutil.copyfile(source, target)


def _difference(saved: list, here: list) -> str:
    if len(saved) != len(here):
        return f"it has {len(saved)} variables, this model has {len(here)}"
    pairs = ((a, b) for a, b in zip(saved, here, strict=True) if a != b)
    a, b = next(pairs)
    return f"it has {a[0]} {a[1]} where this model has {b[0]} {b[1]}"
