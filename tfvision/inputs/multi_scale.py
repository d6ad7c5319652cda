"""Training batches of changing size (Redmon & Farhadi 2016, arXiv:1612.08242, section 2).

Axis letters: B batch, H, W, M places for objects.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision import errors
from tfvision.inputs import object_tensors, seeds

_POSITION = 1 << 21  # tells these draws from those of samples and mixes


def check(sizes: Sequence[int]) -> tuple[int, int, int]:
    """(lowest, highest, step) in pixels, or UsageError."""
    low, high, step = (*map(int, sizes), 0, 0, 0)[:3]
    if len(sizes) != 3 or not 0 < low <= high or step < 1:
        raise errors.UsageError(
            f"multi_scale is {tuple(sizes)}; it is (lowest side, highest side, step), such as"
            " (320, 608, 32)"
        )
    return low, high, step


def side(seed: int, step: tf.Tensor, sizes: Sequence[int], every: int) -> tf.Tensor:
    """The side of the batch of a training step, int32: another one every `every` steps."""
    low, high, stride = check(sizes)
    number = tf.cast(step, tf.int64) // every
    step_seed = seeds.fold(tf.stack([tf.constant(seed, tf.int64), number]), _POSITION)
    count = (high - low) // stride + 1
    return low + stride * tf.random.stateless_uniform([], step_seed, 0, count, tf.int32)


def resize(batch: dict[str, tf.Tensor], size: tf.Tensor) -> dict[str, tf.Tensor]:
    """`image` [B, H, W, 3] bilinearly to [B, size, size, 3], and `boxes` [B, M, 4] and
    `proposals` [B, R, 4] with it."""
    image = batch["image"]
    before = tf.cast(tf.shape(image)[1:3], tf.float32)
    factor = tf.cast(size, tf.float32) / before
    result = {**batch, "image": tf.image.resize(image, tf.stack([size, size]))}
    factors = tf.concat([factor, factor], axis=0)
    return {**result, **{key: batch[key] * factors for key in object_tensors.BOXES if key in batch}}
