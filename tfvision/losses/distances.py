"""L1, L2 and what lies between, on class probabilities or on bare outputs, unreduced, float32.

Axis letters: B images, K classes (or, with on="logits", any K values, such as a box's four).
"""

from __future__ import annotations

import tensorflow as tf

from tfvision import errors

# What the targets are compared with, as a function of the logits.
ON = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid, "logits": tf.identity}


def _difference(logits: tf.Tensor, targets: tf.Tensor, on: str) -> tf.Tensor:
    """What `on` makes of the logits, minus the targets: float32 [B, K]."""
    values = errors.choose(ON, on, "'on' of a loss")(tf.cast(logits, tf.float32))
    if targets.dtype.is_integer and targets.shape.rank == values.shape.rank - 1:
        targets = tf.one_hot(targets, values.shape[-1])
    return values - tf.cast(targets, tf.float32)


def mae(*, logits: tf.Tensor, targets: tf.Tensor, on: str = "softmax") -> tf.Tensor:
    """L1: the mean of |p - t| over the classes, p = `on` of the logits.

    logits [B, K]; targets int [B] or [B, K]. on: "softmax", "sigmoid" or "logits" (as they are).
    Returns [B]."""
    return tf.reduce_mean(tf.abs(_difference(logits, targets, on)), axis=-1)


def mse(*, logits: tf.Tensor, targets: tf.Tensor, on: str = "softmax") -> tf.Tensor:
    """L2: the mean of (p - t)^2 over the classes; arguments as for `mae`. Returns [B].

    On softmax it is Brier's score (1950) divided by K."""
    return tf.reduce_mean(tf.square(_difference(logits, targets, on)), axis=-1)


def rmse(*, logits: tf.Tensor, targets: tf.Tensor, on: str = "softmax") -> tf.Tensor:
    """The root of each image's `mse`, with gradient 0 where that is 0. Returns [B]."""
    squares = mse(logits=logits, targets=targets, on=on)
    safe = tf.where(squares > 0, squares, 1.0)  # the root's own gradient at 0 is infinite
    return tf.where(squares > 0, tf.sqrt(safe), 0.0)


def smooth_l1(
    *, logits: tf.Tensor, targets: tf.Tensor, beta: float = 1.0, on: str = "softmax"
) -> tf.Tensor:
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; its mean over the classes.

    (Girshick 2015, arXiv:1504.08083, eq. 3, with beta 1.) Arguments as for `mae`. Returns [B]."""
    if beta <= 0:
        raise errors.UsageError(f"loss 'smooth_l1': beta is {beta}; it must be above 0 (or mae)")
    size = tf.abs(_difference(logits, targets, on))
    values = tf.where(size < beta, tf.square(size) * (0.5 / beta), size - 0.5 * beta)
    return tf.reduce_mean(values, axis=-1)


def huber(
    *, logits: tf.Tensor, targets: tf.Tensor, delta: float = 1.0, on: str = "softmax"
) -> tf.Tensor:
    """d^2 / 2 where |d| < delta, else delta * (|d| - delta / 2); its mean over the classes.

    (Huber 1964.) It is delta times `smooth_l1` of beta = delta. Arguments as for `mae`."""
    return delta * smooth_l1(logits=logits, targets=targets, beta=delta, on=on)
