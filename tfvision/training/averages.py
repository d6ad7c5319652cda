"""Exponential moving averages of a network's weights, its normalisation's statistics among them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from tfvision import stack
from tfvision.net import Net


class Averages:
    """The average of every floating variable of `net`; of none where `decay` is 0."""

    def __init__(self, net: Net, decay: float):
        self.decay = decay
        floating = [stack.raw(v) for v in net.variables()] if decay else []
        floating = [v for v in floating if v.dtype.is_floating]
        self._pairs = [(tf.Variable(v, trainable=False, name="average"), v) for v in floating]
        self._swap = tf.function(self._exchange, autograph=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint keeps of them."""
        return [average for average, _ in self._pairs]

    def of(self, variables: Sequence[tf.Variable]) -> list[tf.Variable]:
        """The averages of these variables, where any are kept."""
        wanted = {id(variable) for variable in variables}
        return [average for average, variable in self._pairs if id(variable) in wanted]

    def restart(self) -> None:
        """The averages begin at the weights of now."""
        for average, variable in self._pairs:
            average.assign(variable)

    def update(self, step: tf.Tensor) -> None:
        """After training step number `step`, int64; young averages move faster."""
        age = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1.0 + age) / (10.0 + age))
        for average, variable in self._pairs:
            keep = tf.cast(decay, average.dtype)
            average.assign(average * keep + variable.read_value() * (1.0 - keep))

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """For that long the net holds the averages, where there are any."""
        if self._pairs:
            self._swap()
        try:
            yield
        finally:
            if self._pairs:
                self._swap()

    def _exchange(self) -> None:
        for average, variable in self._pairs:
            kept = tf.identity(average)
            average.assign(variable)
            variable.assign(kept)
