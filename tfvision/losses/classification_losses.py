"""Losses on class logits, unreduced, in float32 whatever the logits are.

Axis letters: B images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision import errors


def cross_entropy(
    *,
    logits: tf.Tensor,
    targets: tf.Tensor,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] = (),
    ignore: int | None = None,
) -> tf.Tensor:
    """Softmax cross-entropy. logits [B, K]; targets int [B] or distributions [B, K]. Returns [B].

    label_smoothing: targets become (1 - s) * target + s / K (Szegedy et al. 2015,
    arXiv:1512.00567, section 7). class_weights: K factors on the classes' terms. ignore: an id
    whose loss is 0; so is that of a row of zeros. Maps [B, H, W, K] with [B, H, W] go too."""
    logits = tf.cast(logits, tf.float32)
    classes = logits.shape[-1]
    if targets.dtype.is_integer and targets.shape.rank < logits.shape.rank:
        if ignore is not None:
            targets = tf.where(targets == ignore, tf.cast(-1, targets.dtype), targets)
        targets = tf.one_hot(targets, classes)
    targets = tf.cast(targets, tf.float32)
    mass = tf.reduce_sum(targets, axis=-1, keepdims=True)
    targets = targets * (1.0 - label_smoothing) + mass * label_smoothing / classes
    targets *= _weights(class_weights, classes)
    return -tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=-1)


def _weights(class_weights: Sequence[float], classes: int) -> tf.Tensor | float:
    """The classes' factors, 1 where none are given; UsageError for a wrong number of them."""
    if not len(class_weights):
        return 1.0
    if len(class_weights) != classes:
        raise errors.UsageError(
            f"class_weights has {len(class_weights)} values for {classes} classes"
        )
    return tf.constant(class_weights, tf.float32)


def binary_cross_entropy(
    *,
    logits: tf.Tensor,
    targets: tf.Tensor,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] = (),
    ignore: float | None = None,
) -> tf.Tensor:
    """Sigmoid cross-entropy, averaged over the classes. logits, targets in 0..1: [B, K] -> [B].

    label_smoothing: targets become (1 - s) * target + s / 2. class_weights: K factors on the
    classes' terms. ignore: a target (such as -1) whose term counts nowhere."""
    raw, logits = tf.cast(targets, tf.float32), tf.cast(logits, tf.float32)
    targets = raw * (1.0 - label_smoothing) + 0.5 * label_smoothing
    terms = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    terms *= _weights(class_weights, logits.shape[-1])
    if ignore is None:
        return tf.reduce_mean(terms, axis=-1)
    kept = tf.cast(raw != ignore, tf.float32)
    count = tf.reduce_sum(kept, axis=-1)
    return tf.math.divide_no_nan(tf.reduce_sum(terms * kept, axis=-1), count)


def focal(
    *, logits: tf.Tensor, targets: tf.Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> tf.Tensor:
    """Sigmoid focal loss (Lin et al. 2017, arXiv:1708.02002, eq. 5), summed over the classes.

    logits, targets in 0..1: [B, K] -> [B]. A target t in between is t parts of 1 and 1 - t
    parts of 0, which is how mixup mixes losses."""
    logits, targets = tf.cast(logits, tf.float32), tf.cast(targets, tf.float32)
    # Powers of 1 - p and p by their logarithms: a power's gradient at 0 is NaN.
    ones = alpha * tf.exp(-gamma * tf.nn.softplus(logits)) * tf.nn.softplus(-logits)
    zeros = (1.0 - alpha) * tf.exp(-gamma * tf.nn.softplus(-logits)) * tf.nn.softplus(logits)
    return tf.reduce_sum(targets * ones + (1.0 - targets) * zeros, axis=-1)


def softmax_focal(*, logits: tf.Tensor, targets: tf.Tensor, gamma: float = 2.0) -> tf.Tensor:
    """sum_k -t_k (1 - p_k)^gamma log p_k: focal loss where one class excludes the others.

    (Lin et al. 2017, arXiv:1708.02002, eq. 4, with softmax for p.) logits [B, K]; targets int
    [B] or distributions [B, K]. Returns [B]; gamma=0 is `cross_entropy`."""
    logits = tf.cast(logits, tf.float32)
    if targets.dtype.is_integer and targets.shape.rank < logits.shape.rank:
        targets = tf.one_hot(targets, logits.shape[-1])
    log_p = tf.nn.log_softmax(logits)
    rest = tf.maximum(1.0 - tf.exp(log_p), 1e-12)  # below, a power's gradient is NaN
    weights = rest**gamma * tf.cast(targets, tf.float32)
    return -tf.reduce_sum(weights * log_p, axis=-1)
