"""Sums and means that are right under several replicas too."""

from __future__ import annotations

import tensorflow as tf


def global_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """sum(values * weights) / max(sum of weights over all replicas, 1), float32 scalar.

    values, weights: [B]. The gradients of all replicas' results then add up to the gradient of
    the global batch's mean."""
    weights = tf.cast(weights, tf.float32)
    return global_ratio(tf.cast(values, tf.float32) * weights, weights, weights > 0)


def global_ratio(sums: tf.Tensor, counts: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """sum(sums) / max(sum of counts over all replicas, 1), float32 scalar, as `global_mean`.

    sums, counts: [B], of each image; valid: bool [B], the images that count."""
    # An example that does not count must not spoil the sum, whatever its value is.
    sums, counts = (
        tf.where(valid, tf.cast(part, tf.float32), tf.zeros_like(part, tf.float32))
        for part in (sums, counts)
    )
    count = tf.reduce_sum(counts)
    replicas = tf.distribute.get_replica_context()
    if replicas is not None and replicas.num_replicas_in_sync > 1:
        count = replicas.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return tf.reduce_sum(sums) / tf.maximum(count, 1.0)
