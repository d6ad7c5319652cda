"""Stateless random numbers: everything drawn is a function of a seed, int [2]."""

from __future__ import annotations

import tensorflow as tf


def fold(seed: tf.Tensor, position: int) -> tf.Tensor:
    """An independent seed for the `position`-th random choice of a sample."""
    return tf.random.experimental.stateless_fold_in(seed, position)


def uniform(seed: tf.Tensor, position: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """A float32 scalar in [low, high)."""
    return tf.random.stateless_uniform([], fold(seed, position), low, high)


def happens(seed: tf.Tensor, position: int, probability: float) -> tf.Tensor:
    """A bool scalar that is True with the given probability."""
    return uniform(seed, position) < probability


def beta(seed: tf.Tensor, position: int, alpha: float) -> tf.Tensor:
    """A float32 scalar of the distribution Beta(alpha, alpha)."""
    first, second = tf.unstack(tf.random.stateless_gamma([2], fold(seed, position), alpha))
    return tf.math.divide_no_nan(first, first + second)
