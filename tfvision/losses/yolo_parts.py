"""Terms that the losses of YOLO v1, v2 and v3 are made of.

Axis letters: B images, M whatever is summed.
"""

from __future__ import annotations

import tensorflow as tf


def squares(differences: tf.Tensor) -> tf.Tensor:
    """Half the sum of squares over the last axis."""
    return 0.5 * tf.reduce_sum(tf.square(differences), axis=-1)


def sigmoids(logits: tf.Tensor, targets: tf.Tensor | float) -> tf.Tensor:
    """Cross-entropies less the targets' entropies, summed over the last axis."""
    targets = tf.broadcast_to(targets, tf.shape(logits))
    terms = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    entropy = -tf.math.xlogy(targets, targets) - tf.math.xlogy(1.0 - targets, 1.0 - targets)
    return tf.reduce_sum(terms - entropy, axis=-1)


def softmax(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of the softmax over the last axis."""
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def total(counts: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Sum of those that count, bool and float [B, M] -> [B]."""
    return tf.reduce_sum(tf.where(counts, values, 0.0), axis=1)
