"""Sums and means that are right under several replicas too."""

from __future__ import annotations

import tensorflow as tf


def global_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """sum(values * weights) / max(sum of weights over all replicas, 1), float32 scalar.

    values, weights: [B]. The gradients of all replicas' results then add up to the gradient of
    the global batch's mean."""
    weights = tf.cast(weights, tf.float32)
    # An example that does not count must not spoil the sum, whatever its value is.
    values = tf.where(weights > 0, tf.cast(values, tf.float32), 0.0)
    count = tf.reduce_sum(weights)
    replicas = tf.distribute.get_replica_context()
    if replicas is not None and replicas.num_replicas_in_sync > 1:
        count = replicas.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return tf.reduce_sum(values * weights) / tf.maximum(count, 1.0)
