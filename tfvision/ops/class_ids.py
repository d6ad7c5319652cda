"""Targets as Keras gives them, as class ids.

Axis letters: K classes.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision import errors


def of_targets(targets: tf.Tensor, scores: tf.TensorShape, what: str) -> tf.Tensor | None:
    """int32 ids of the shape [...] of scores [..., K]; None for targets that are [..., K] too.

    targets: numbers of any kind, [...] or [..., 1], or one of K. scores: the shape of logits or
    scores. Raises UsageError that begins with `what` for another shape."""
    rank = scores.rank
    if targets.shape.rank == rank and targets.shape[-1] == scores[-1]:
        return None
    if targets.shape.rank == rank and targets.shape[-1] == 1:
        targets = tf.squeeze(targets, axis=-1)
    if targets.shape.rank != rank - 1:
        raise errors.UsageError(
            f"{what}: y_true is {targets.shape} and y_pred {scores}; y_true must have class ids of"
            f" shape {scores[:-1]}, or the shape of y_pred. y_true comes first"
        )
    return tf.cast(targets, tf.int32)


def best(one_hot: tf.Tensor, none: int) -> tf.Tensor:
    """[..., K] -> the class of the largest value, int32; `none` where no value is above 0."""
    ids = tf.argmax(one_hot, axis=-1, output_type=tf.int32)
    return tf.where(tf.reduce_any(one_hot > 0, axis=-1), ids, none)
