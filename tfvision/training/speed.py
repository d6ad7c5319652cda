"""Whether the input pipeline or the model holds a run up."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from tfvision.training.step import StepFunction

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


def step_rate(function: StepFunction, batches: Iterator) -> float:
    """Steps a second, one a call, after two to warm up: by the fastest in a second, since what
    else the machine does makes steps slower and never faster."""
    times: list[float] = []
    while len(times) < _WARM + 3 or sum(times[_WARM:]) < 1.0:
        start = time.perf_counter()
        function.run(batches, tf.constant(1)).numpy()
        times.append(time.perf_counter() - start)
    return 1.0 / min(times[_WARM:])


def adding_seconds(function: StepFunction) -> float:
    """Seconds in which the replicas add up their gradients, when nothing else runs; all workers
    call it together. 0 for one replica."""
    if function.strategy.num_replicas_in_sync == 1:
        return 0.0
    add, times = function.adding(), []
    for _ in range(_WARM + 5):  # a fixed number: the workers keep in step
        start = time.perf_counter()
        result = function.strategy.experimental_local_results(add())[0]
        tf.reshape(result, [-1])[0].numpy()
        times.append(time.perf_counter() - start)
    return statistics.median(times[_WARM:])


def limit(training: float, alone: float, communication: float = 0.0) -> str:
    """One line on what a run's speed is due to.

    training, alone: images a second of training, and of the input by itself. communication: the
    part of a step's time that adding up the gradients takes by itself; 0 for one replica."""
    rates = f"the input alone gives {alone:,.0f} images/s, training takes {training:,.0f}"
    if communication:
        rates += f", communication {communication:.0%} of a step"
    if training < _CLEAR * alone:
        if communication > _CLEAR:
            return (
                f"{rates}: communication is the limit. Larger batches and images help, fewer and"
                " larger machines, a faster network"
            )
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
