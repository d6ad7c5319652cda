"""TensorBoard's profile of some training steps (`train.profile_steps`)."""

from __future__ import annotations

import os
from collections.abc import Sequence

import tensorflow as tf


class Profile:
    """Records from before step `first` to after step `last`, counted from 1.

    steps: (first, last), or () for none. The profile lies with TensorBoard's files. writes: False
    for a worker that is not the chief, whose calls end at the same steps."""

    def __init__(self, workdir: str, steps: Sequence[int], *, writes: bool = True):
        self._folder, self._writes = os.path.join(workdir, "tensorboard"), writes
        self._first, self._last = steps or (0, 0)
        self._on = False

    def next(self, step: int, end: int) -> int:
        """The next step after which recording starts or stops, `end` at most."""
        return min([end, *(at for at in (self._first - 1, self._last) if at > step)])

    def before(self, step: int) -> None:
        """The call that begins after so many steps is about to be made."""
        if self._writes and not self._on and self._first - 1 <= step < self._last:
            tf.profiler.experimental.start(self._folder)
            self._on = True

    def after(self, step: int) -> str:
        """So many steps are done. Says where the profile is when it is written, else nothing."""
        if not self._on or step < self._last:
            return ""
        self.close()
        return (
            f"the profile of steps {self._first} to {self._last} is in {self._folder}"
            " (tensorboard with tensorboard-plugin-profile shows it)"
        )

    def close(self) -> None:
        """Ends the recording, where it is on."""
        if self._on:
            self._on = False
            tf.profiler.experimental.stop()
