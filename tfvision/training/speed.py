"""Whether the input pipeline or the model holds a run up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import tensorflow as tf

SECONDS = 1.5  # of measuring
_WARM = 2  # batches before the clock starts: start-up, and what is prefetched meanwhile
_CLEAR = 0.5  # share of the input's speed from which on it is called the limit


def input_rate(data: tf.data.Dataset) -> float:
    """Batches a second that a pipeline gives when nothing else runs."""
    batches = iter(data)
    for _ in range(_WARM):
        next(batches)
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < SECONDS:
        next(batches)
        count += 1
    return count / (time.perf_counter() - start)


def limit(training: float, alone: float) -> str:
    """One line on both speeds, images a second: of training, and of the input alone."""
    rates = f"the input alone gives {alone:,.0f} images/s, training takes {training:,.0f}"
    if training < _CLEAR * alone:
        return f"{rates}: the model is the limit"
    return (
        f"{rates}: the input is the limit. More processor cores help, images that are stored at"
        " the size they are used at and, where a GPU trains, train.intra_op_threads=1"
    )


class Meter:
    """Counts steps a second: without the first call, which compiles, and without pauses."""

    def __init__(self):
        self._count, self._since = 0, None

    def add(self, steps: int) -> None:
        """Notes that so many steps are done."""
        if self._since is None:
            self._since = time.monotonic()
        else:
            self._count += steps

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The time inside does not count."""
        begun = time.monotonic()
        yield
        if self._since is not None:
            self._since += time.monotonic() - begun

    def rate(self) -> float:
        """Steps a second; 0 where none were counted yet."""
        return self._count / max(time.monotonic() - self._since, 1e-9) if self._count else 0.0
