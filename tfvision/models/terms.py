"""The terms of a loss as one Keras metric."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf

_MOST = 16  # terms of a loss


class Terms(keras.metrics.Metric):
    """Running means of a loss's terms, and of their sum: "loss".

    Their names are known when the first step is traced, and a metric's variables are made before:
    so there are places for more terms than any loss has."""

    def __init__(self, name: str = "terms"):
        super().__init__(name=name, dtype="float32")
        self.names: list[str] = []
        self._sums = self.add_weight(shape=(_MOST,), initializer="zeros", name="sums")
        self._count = self.add_weight(shape=(), initializer="zeros", name="count")

    def reset_state(self) -> None:
        """Before an epoch."""
        self._sums.assign(tf.zeros([_MOST]))
        self._count.assign(0.0)

    def update_state(self, terms: Mapping[str, tf.Tensor]) -> None:
        """terms: float32 scalars by name, of a step."""
        self.names = list(terms)
        values = [tf.cast(value, tf.float32) for value in terms.values()]
        self._sums.assign_add(tf.pad(tf.stack(values), [[0, _MOST - len(values)]]))
        self._count.assign_add(1.0)

    def result(self) -> dict[str, tf.Tensor]:
        """{"loss": the sum, term: mean}; nothing before the first step."""
        means = tf.convert_to_tensor(self._sums) / tf.maximum(
            tf.convert_to_tensor(self._count), 1.0
        )
        rows = dict(zip(self.names, tf.unstack(means)[: len(self.names)], strict=True))
        if len(rows) == 1:
            return {"loss": tf.reduce_sum(means)}
        return {"loss": tf.reduce_sum(means), **rows} if rows else {}
