"""Where the randomness of layers comes from: (seed, step, replica), never global state.

The Trainer opens `randomness(...)` around the forward pass of a step; stochastic layers then
draw from `seed_for(layer name)`. Two layers, steps or replicas never share a draw, and a resumed
run draws what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Iterator

import tensorflow as tf

_local = threading.local()  # each replica is traced in a thread of its own


@contextlib.contextmanager
def randomness(seed: tf.Tensor | int, step: tf.Tensor, replica: tf.Tensor | int) -> Iterator[None]:
    """Fixes the draws of all stochastic layers called inside, in this thread.

    seed: of the run. step: int64 scalar tensor. replica: its number in the strategy."""
    before = getattr(_local, "seed", None)
    first = tf.random.experimental.stateless_fold_in(
        tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)]), tf.cast(replica, tf.int64)
    )
    _local.seed = first
    try:
        yield
    finally:
        _local.seed = before


def seed_for(name: str) -> tf.Tensor | None:
    """The seed [2] of the layer `name` in this step, or None outside `randomness`."""
    seed = getattr(_local, "seed", None)
    if seed is None:
        return None
    return tf.random.experimental.stateless_fold_in(seed, zlib.crc32(name.encode()))


def uniform(shape: tf.Tensor, name: str) -> tf.Tensor:
    """Uniform float32 draws in 0..1 for the layer `name`.

    Outside the Trainer (a model trained by other code) they come from TensorFlow's generator."""
    seed = seed_for(name)
    if seed is None:
        return tf.random.uniform(shape)
    return tf.random.stateless_uniform(shape, seed)
