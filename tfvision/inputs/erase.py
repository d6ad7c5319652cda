"""Rectangles painted over: the image alone changes, its truth does not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from tfvision.inputs import seeds

Sample = dict[str, tf.Tensor]


def _inside(size: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """bool [H, W, 1]: the pixels from `low` to before `high` (int [2] each)."""
    rows, columns = tf.range(size[0])[:, tf.newaxis], tf.range(size[1])[tf.newaxis, :]
    hit = (rows >= low[0]) & (rows < high[0]) & (columns >= low[1]) & (columns < high[1])
    return hit[:, :, tf.newaxis]


def random_erase(
    sample: Sample,
    seed: tf.Tensor,
    *,
    probability: float = 0.5,
    scale: Sequence[float] = (0.02, 0.4),
    ratio: Sequence[float] = (0.3, 1 / 0.3),
    color: Sequence[float] = (),
    attempts: int = 10,
) -> Sample:
    """Random Erasing (Zhong et al. 2017, arXiv:1708.04896, algorithm 1).

    scale: share of the image's area. ratio: height / width. color: three values 0..255; (): a
    random one for every pixel, which the paper found best. Of `attempts` rectangles the first
    that fits is taken; where none does, nothing is erased."""
    image = tf.cast(sample["image"], tf.float32)
    size = tf.shape(image)[:2]
    sides = tf.cast(size, tf.float32)
    draws = tf.random.stateless_uniform([attempts, 4], seeds.fold(seed, 1))
    area = (scale[0] + draws[:, 0] * (scale[1] - scale[0])) * sides[0] * sides[1]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    shape = tf.exp(low + draws[:, 1] * (high - low))
    extent = tf.stack([tf.sqrt(area * shape), tf.sqrt(area / shape)], axis=1)
    extent = tf.cast(tf.round(extent), tf.int32)
    fits = tf.reduce_all((extent >= 1) & (extent < size), axis=1)
    first = tf.argmax(tf.cast(fits, tf.int32))
    room = tf.cast(size - extent[first] + 1, tf.float32)
    start = tf.cast(tf.floor(draws[first, 2:] * room), tf.int32)
    erased = seeds.happens(seed, 0, probability) & tf.reduce_any(fits)

    def painted():
        if len(color):
            fill = tf.constant(color, tf.float32)
        else:
            fill = tf.random.stateless_uniform(tf.shape(image), seeds.fold(seed, 2), 0.0, 255.0)
        return tf.where(_inside(size, start, start + extent[first]), fill, image)

    return {**sample, "image": tf.cond(erased, painted, lambda: image)}


def cutout(
    sample: Sample,
    seed: tf.Tensor,
    *,
    size: int = 16,
    color: Sequence[float] = (123.675, 116.28, 103.53),
    probability: float = 1.0,
) -> Sample:
    """Cutout (DeVries & Taylor 2017, arXiv:1708.04552, section 3.2): one square of `size` pixels.

    Its middle is any pixel, so it may stick out. color: what normalisation turns into zero
    (ImageNet's mean), as in the paper. size=16 is the paper's for CIFAR-10 (section 4.1)."""
    image = tf.cast(sample["image"], tf.float32)
    canvas = tf.shape(image)[:2]
    draws = tf.random.stateless_uniform([2], seeds.fold(seed, 1))
    low = tf.cast(tf.floor(draws * tf.cast(canvas, tf.float32)), tf.int32) - size // 2
    hit = _inside(canvas, low, low + size) & seeds.happens(seed, 0, probability)
    return {**sample, "image": tf.where(hit, tf.constant(color, tf.float32), image)}
