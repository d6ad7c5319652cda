"""Augmentations that end on a canvas of a fixed size: jitter of scale and shape, crop, letterbox.

`size` is (height, width) in pixels; images, boxes, masks and label maps move together as
`geometry` says.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision.inputs import geometry, seeds
from tfvision.inputs.geometry import Color, Sample


def _scaled(sample: Sample, factor: tf.Tensor, antialias: bool) -> Sample:
    sides = tf.cast(geometry.canvas(sample), tf.float32) * factor
    size = tf.maximum(tf.cast(tf.round(sides), tf.int32), 1)
    return geometry.resize(sample, size, antialias=antialias)


def _cropped(
    sample: Sample, seed: tf.Tensor, size: Sequence[int], color: Color, min_visible: float
) -> Sample:
    """A random window of `size`; a side that is too short is filled at the bottom and right."""
    room = tf.maximum(geometry.canvas(sample) - tf.constant(size), 0)
    draws = tf.random.stateless_uniform([2], seed)
    offset = -tf.cast(tf.floor(draws * tf.cast(room + 1, tf.float32)), tf.int32)
    sample = geometry.place(sample, offset, size, color=color, min_visible=min_visible)
    return geometry.fixed(sample, size)


def random_crop(
    sample: Sample,
    seed: tf.Tensor,
    *,
    size: Sequence[int],
    color: Color = geometry.GREY,
    min_visible: float = 0.0,
) -> Sample:
    """A window of `size` anywhere in the image, filled up with `color` where it is smaller."""
    return _cropped(sample, seeds.fold(seed, 0), size, color, min_visible)


def scale_jitter(
    sample: Sample,
    seed: tf.Tensor,
    *,
    size: Sequence[int],
    scale: Sequence[float] = (0.1, 2.0),
    color: Color = geometry.GREY,
    min_visible: float = 0.0,
    antialias: bool = True,
) -> Sample:
    """Large-Scale Jitter (Ghiasi et al. 2021, arXiv:2012.07177, section 3).

    Resizes to `scale` times the largest size that fits the canvas, the shape kept, then crops
    at random or fills up. The paper's standard jitter is scale=(0.8, 1.25)."""
    fit = tf.constant(size, tf.float32) / tf.cast(geometry.canvas(sample), tf.float32)
    factor = seeds.uniform(seed, 0, *scale) * tf.reduce_min(fit)
    sample = _scaled(sample, factor, antialias)
    return _cropped(sample, seeds.fold(seed, 1), size, color, min_visible)


def scale_crop(
    sample: Sample,
    seed: tf.Tensor,
    *,
    size: Sequence[int] = (513, 513),
    scale: Sequence[float] = (0.5, 2.0),
    step: float = 0.25,
    color: Color = geometry.GREY,
    min_visible: float = 0.0,
    antialias: bool = True,
) -> Sample:
    """DeepLab's: scales the image itself by one of scale[0], + step, ... scale[1], then crops.

    (Chen et al. 2017, arXiv:1706.05587, section 4.1, with the steps of the authors' code.) The
    crop comes first, so that no more is resized than is kept."""
    count = round((scale[1] - scale[0]) / step) + 1
    number = tf.floor(seeds.uniform(seed, 0) * count)
    factor = scale[0] + number * step
    original = geometry.canvas(sample)
    part = tf.cast(tf.math.ceil(tf.constant(size, tf.float32) / factor), tf.int32)
    part = tf.minimum(part, original)
    room = tf.cast(original - part + 1, tf.float32)
    draws = tf.random.stateless_uniform([2], seeds.fold(seed, 1))
    start = tf.cast(tf.floor(draws * room), tf.int32)
    cut = {**sample, "image": sample["image"][start[0] :, start[1] :][: part[0], : part[1]]}
    cut = geometry.cut(cut, tf.concat([start, part], axis=0), min_visible=min_visible)
    scaled = _scaled(cut, factor, antialias)
    placed = geometry.place(scaled, tf.zeros(2, tf.int32), size, color=color)
    return geometry.fixed(placed, size)


def letterbox(
    sample: Sample,
    seed: tf.Tensor,
    *,
    size: Sequence[int],
    color: Color = geometry.GREY,
    antialias: bool = True,
) -> Sample:
    """The largest size that fits, centerd on a canvas of `color`; nothing in it is random."""
    del seed
    fit = tf.constant(size, tf.float32) / tf.cast(geometry.canvas(sample), tf.float32)
    sample = _scaled(sample, tf.reduce_min(fit), antialias)
    offset = (tf.constant(size) - geometry.canvas(sample)) // 2
    return geometry.fixed(geometry.place(sample, offset, size, color=color), size)


def darknet_jitter(
    sample: Sample,
    seed: tf.Tensor,
    *,
    size: Sequence[int],
    jitter: float = 0.3,
    scale: Sequence[float] = (1.0, 1.0),
    color: Color = geometry.GREY,
    min_visible: float = 0.0,
    antialias: bool = True,
) -> Sample:
    """Darknet's training letterbox (YOLO v3, load_data_detection of its source).

    Each side is changed by up to `jitter` of itself, the new shape is fitted into `scale` times
    the canvas and placed anywhere on it."""
    original = tf.cast(geometry.canvas(sample), tf.float32)
    draws = tf.random.stateless_uniform([2], seeds.fold(seed, 0), 1.0 - jitter, 1.0 + jitter)
    sides = original * draws
    fit = tf.reduce_min(tf.constant(size, tf.float32) / sides) * seeds.uniform(seed, 1, *scale)
    sample = _scaled(sample, draws * fit, antialias)
    room = tf.cast(tf.constant(size) - geometry.canvas(sample), tf.float32)
    places = tf.random.stateless_uniform([2], seeds.fold(seed, 2))
    offset = tf.cast(tf.round(places * room), tf.int32)
    sample = geometry.place(sample, offset, size, color=color, min_visible=min_visible)
    return geometry.fixed(sample, size)
