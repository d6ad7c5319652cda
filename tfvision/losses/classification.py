"""Losses on class logits, unreduced, in float32 whatever the logits are.

Axis letters: B images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def cross_entropy(
    logits: tf.Tensor,
    targets: tf.Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] = (),
) -> tf.Tensor:
    """Softmax cross-entropy. logits [B, K]; targets int [B] or distributions [B, K]. Returns [B].

    label_smoothing: targets become (1 - s) * target + s / K (Szegedy et al. 2015,
    arXiv:1512.00567, section 7). class_weights: K factors on the classes' terms."""
    logits = tf.cast(logits, tf.float32)
    classes = logits.shape[-1]
    if targets.dtype.is_integer:
        targets = tf.one_hot(targets, classes)
    targets = tf.cast(targets, tf.float32)
    targets = targets * (1.0 - label_smoothing) + label_smoothing / classes
    if len(class_weights):
        targets *= tf.constant(class_weights, tf.float32)
    return -tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=-1)


def binary_cross_entropy(
    logits: tf.Tensor, targets: tf.Tensor, *, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Sigmoid cross-entropy, averaged over the classes. logits, targets in 0..1: [B, K] -> [B]."""
    targets = tf.cast(targets, tf.float32) * (1.0 - label_smoothing) + 0.5 * label_smoothing
    logits = tf.cast(logits, tf.float32)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=-1)


def focal(
    logits: tf.Tensor, targets: tf.Tensor, *, alpha: float = 0.25, gamma: float = 2.0
) -> tf.Tensor:
    """Sigmoid focal loss (Lin et al. 2017, arXiv:1708.02002, eq. 5), summed over the classes.

    logits, targets in {0, 1}: [B, K] -> [B]."""
    logits, targets = tf.cast(logits, tf.float32), tf.cast(targets, tf.float32)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    p_true = tf.exp(-entropy)  # probability given to the right answer
    weight = alpha * targets + (1.0 - alpha) * (1.0 - targets)
    return tf.reduce_sum(weight * (1.0 - p_true) ** gamma * entropy, axis=-1)
