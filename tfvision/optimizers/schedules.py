"""Learning-rate schedules by name, with warm-up, as pure functions of the step.

They subclass Keras's `LearningRateSchedule`, which tensorflow-addons' legacy optimizers take too.
`total` and `warmup` are in optimizer steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvision import errors, serialization
from tfvision.serialization import register


def constant(step: tf.Tensor, total: int) -> tf.Tensor:
    """1 throughout."""
    del total
    return tf.ones_like(step)


def step_decay(step: tf.Tensor, total: int, *, factor: float = 0.1, parts: int = 3) -> tf.Tensor:
    """Times `factor` at the end of each of `parts` equal parts (ResNet: /10 each 30 of 90)."""
    return factor ** tf.floor(step * parts / total)


def piecewise(
    step: tf.Tensor, total: int, *, boundaries: Sequence[float], factors: Sequence[float]
) -> tf.Tensor:
    """factors[i] from boundaries[i] on (shares of the run in 0..1, rising), 1 before the first."""
    if len(boundaries) != len(factors) or list(boundaries) != sorted(boundaries):
        raise errors.UsageError(
            f"schedule 'piecewise' needs as many factors as rising boundaries, not"
            f" {list(factors)} and {list(boundaries)}"
        )
    value = tf.ones_like(step)
    for boundary, factor in zip(boundaries, factors, strict=True):
        value = tf.where(step >= boundary * total, factor, value)
    return value


def exponential(step: tf.Tensor, total: int, *, factor: float = 0.94, parts: float = 100):
    """factor ** (parts * step / total): smooth decay by `factor` in each of `parts` parts."""
    return factor ** (step * parts / total)


def polynomial(step: tf.Tensor, total: int, *, power: float = 0.9, end: float = 0.0) -> tf.Tensor:
    """(1 - step / total) ** power, from 1 to `end` (DeepLab's poly, arXiv:1606.00915)."""
    return end + (1.0 - end) * (1.0 - tf.minimum(step / total, 1.0)) ** power


def cosine(step: tf.Tensor, total: int, *, end: float = 0.0) -> tf.Tensor:
    """Half a cosine from 1 to `end` (Loshchilov & Hutter 2016, arXiv:1608.03983, eq. 5)."""
    return end + (1.0 - end) * 0.5 * (1.0 + tf.cos(math.pi * tf.minimum(step / total, 1.0)))


def one_cycle(
    step: tf.Tensor, total: int, *, rise: float = 0.3, start: float = 0.04, end: float = 1e-4
) -> tf.Tensor:
    """Cosine from `start` up to 1 over the first `rise` of the run, then down to `end`.

    (Smith & Topin 2017, arXiv:1708.07120.)"""
    progress = tf.minimum(step / total, 1.0)
    up = start + (1.0 - start) * 0.5 * (1.0 - tf.cos(math.pi * progress / rise))
    down = 0.5 * (1.0 + tf.cos(math.pi * (progress - rise) / (1.0 - rise)))
    return tf.where(progress < rise, up, end + (1.0 - end) * down)


SCHEDULES = {
    "constant": constant,
    "step": step_decay,
    "piecewise": piecewise,
    "exponential": exponential,
    "polynomial": polynomial,
    "cosine": cosine,
    "one_cycle": one_cycle,
}


@register
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """learning_rate * shape(step - warmup, total - warmup), after a warm-up.

    During the first `warmup` steps: learning_rate * ((step + 1) / warmup) ** warmup_power
    (1 is linear; Darknet's burn-in is 4)."""

    def __init__(self, name, learning_rate, total, *, warmup=0, warmup_power=1.0, **options):
        self.name, self.learning_rate, self.total = name, float(learning_rate), int(total)
        self.warmup, self.warmup_power, self.options = int(warmup), float(warmup_power), options
        self.shape = errors.choose(SCHEDULES, name, "schedule")
        if self.warmup >= max(self.total, 1):
            raise errors.UsageError(
                f"the warm-up of {warmup} steps is as long as the whole run of {total}; lower"
                " config.schedule.warmup_epochs, or train longer"
            )
        self(0)  # wrong options show here, not in the first step

    def __call__(self, step):
        """step: integer scalar. Returns the learning rate, float32."""
        step = tf.cast(step, tf.float32)
        span = float(max(self.total - self.warmup, 1))
        after = tf.maximum(step - self.warmup, 0.0)
        what = f"schedule '{self.name}'"
        rate = self.learning_rate * errors.call(self.shape, self.options, what, after, span)
        if not self.warmup:
            return rate
        rising = self.learning_rate * ((step + 1.0) / self.warmup) ** self.warmup_power
        return tf.where(step < self.warmup, rising, rate)

    def get_config(self):
        """What `__init__` takes."""
        return {
            "name": self.name,
            "learning_rate": self.learning_rate,
            "total": self.total,
            "warmup": self.warmup,
            "warmup_power": self.warmup_power,
            **serialization.plain(self.options),
        }
