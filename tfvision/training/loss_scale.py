"""Dynamic loss scaling for float16 (Micikevicius et al. 2018, arXiv:1710.03740, section 3.2)."""

from __future__ import annotations

import tensorflow as tf

INITIAL = 2.0**15
INTERVAL = 2000  # steps without overflow after which the scale is doubled
LOWEST = 1.0  # of less, a gradient that is not finite is so without float16


class LossScale:
    """The factor on the loss that keeps gradients in float16's range.

    A step whose gradients overflow is left out, and the scale halved."""

    def __init__(self):
        options = {"trainable": False, "dtype": tf.float32}
        self._scale = tf.Variable(INITIAL, name="loss_scale", **options)
        self._good = tf.Variable(0.0, name="good_steps", **options)

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint keeps."""
        return [self._scale, self._good]

    def read(self) -> tf.Tensor:
        """The scale of this step, float32 scalar."""
        return self._scale.read_value()

    def update(self, finite: tf.Tensor) -> None:
        """After a step. finite: bool scalar, were its gradients?"""
        scale, good = self._scale.read_value(), self._good.read_value() + 1.0
        grows = good >= INTERVAL
        lower = tf.maximum(scale / 2.0, LOWEST)
        self._scale.assign(tf.where(finite, tf.where(grows, scale * 2.0, scale), lower))
        self._good.assign(tf.where(finite & ~grows, good, 0.0))
