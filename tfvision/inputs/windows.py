"""Crop windows, picked before anything is decoded; `decode.crop` and `geometry.cut` use them.

Each takes a seed (int [2]) and the objects' boxes (float32 [N, 4] y x y x, pixels of the upright
image; None where the task has none) and returns a function (height, width), int32 scalars ->
int32 [4] = y, x, height, width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfvision import errors

Window = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def random_resized_crop(
    seed: tf.Tensor,
    boxes: tf.Tensor | None = None,
    *,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (3 / 4, 4 / 3),
    attempts: int = 10,
) -> Window:
    """A window of random area and shape (Szegedy et al. 2015, arXiv:1409.4842, section 6).

    scale: share of the image's area. ratio: width / height. Draws `attempts` windows at once
    and takes the first that fits, else the largest centerd one within `ratio` (torchvision's
    rule)."""
    del boxes  # the window does not depend on them

    def window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        h, w = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
        draws = tf.random.stateless_uniform([attempts, 4], seed)
        area = (scale[0] + draws[:, 0] * (scale[1] - scale[0])) * h * w
        low, high = math.log(ratio[0]), math.log(ratio[1])
        shape = tf.exp(low + draws[:, 1] * (high - low))
        tall = tf.cast(tf.round(tf.sqrt(area / shape)), tf.int32)
        wide = tf.cast(tf.round(tf.sqrt(area * shape)), tf.int32)
        fits = (tall >= 1) & (wide >= 1) & (tall <= height) & (wide <= width)
        first = tf.argmax(tf.cast(fits, tf.int32))
        size = tf.stack([tall[first], wide[first]])
        room = tf.cast(tf.stack([height, width]) - size + 1, tf.float32)
        start = tf.cast(tf.floor(draws[first, 2:] * room), tf.int32)
        # No draw fitted: the whole image, cut to the nearest allowed ratio.
        whole = tf.stack([tf.minimum(h, w / ratio[0]), tf.minimum(w, h * ratio[1])])
        whole = tf.maximum(tf.cast(tf.round(whole), tf.int32), 1)
        middle = (tf.stack([height, width]) - whole) // 2
        any_fits = tf.reduce_any(fits)
        return tf.concat(
            [tf.where(any_fits, start, middle), tf.where(any_fits, size, whole)], axis=0
        )

    return window


def _placed(draws: tf.Tensor, size: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Windows [..., 4] of `size` [..., 2] at uniform places; draws [..., 2] in 0..1."""
    room = tf.cast(image - size + 1, tf.float32)
    return tf.concat([tf.cast(tf.floor(draws * room), tf.int32), size], axis=-1)


def random_crop(
    seed: tf.Tensor, boxes: tf.Tensor | None = None, *, size: Sequence[int] = (224, 224)
) -> Window:
    """A window of `size` = (height, width) pixels anywhere; a smaller image gives what it has."""
    del boxes

    def window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        image = tf.stack([height, width])
        return _placed(
            tf.random.stateless_uniform([2], seed), tf.minimum(tf.constant(size), image), image
        )

    return window


def random_share(
    seed: tf.Tensor, boxes: tf.Tensor | None = None, *, share: Sequence[float] = (0.5, 1.0)
) -> Window:
    """A window anywhere whose height and width are independent shares of the image's."""
    del boxes

    def window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        image = tf.stack([height, width])
        draws = tf.random.stateless_uniform([4], seed)
        sides = (share[0] + draws[:2] * (share[1] - share[0])) * tf.cast(image, tf.float32)
        size = tf.clip_by_value(tf.cast(tf.round(sides), tf.int32), 1, image)
        return _placed(draws[2:], size, image)

    return window


def ssd_crop(
    seed: tf.Tensor,
    boxes: tf.Tensor | None = None,
    *,
    overlaps: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 0.9),
    share: Sequence[float] = (0.1, 1.0),
    ratio: Sequence[float] = (0.5, 2.0),
    attempts: int = 50,
) -> Window:
    """SSD's window (Liu et al. 2016, arXiv:1512.02325, section 2.2, "Data augmentation").

    At equal odds: the whole image, a window with at least one of `overlaps` as its IoU with
    some object, or any window. share: of the image's area; the paper's [0.1, 1] is of its size.
    ratio: width / height. A window is taken only if the middle of some object lies in it; the
    first of `attempts` that will do is, else the whole image. Without objects: any window."""
    if boxes is None:
        raise errors.UsageError("crop 'ssd_crop' needs the boxes of objects")

    def window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        image = tf.stack([height, width])
        limits = tf.cast(image, tf.float32)
        draws = tf.random.stateless_uniform([attempts + 1, 4], seed)
        choice = tf.cast(draws[-1, 0] * (len(overlaps) + 2), tf.int32)
        draws = draws[:-1]
        area = (share[0] + draws[:, 0] * (share[1] - share[0])) * limits[0] * limits[1]
        low, high = math.log(ratio[0]), math.log(ratio[1])
        shape = tf.exp(low + draws[:, 1] * (high - low))
        sides = tf.stack([tf.sqrt(area / shape), tf.sqrt(area * shape)], axis=1)
        size = tf.clip_by_value(tf.cast(tf.round(sides), tf.int32), 1, image)
        windows = _placed(draws[:, 2:], size, image)
        # choice 0: the whole image; 1..len: a minimal overlap; the last: none asked for.
        least = tf.gather(tf.constant([0.0, *overlaps, 0.0]), choice)
        suits = _suits(tf.cast(windows, tf.float32), boxes, least)
        whole = tf.concat([[0, 0], image], axis=0)
        keep_whole = tf.equal(choice, 0) | ~tf.reduce_any(suits)
        return tf.where(keep_whole, whole, windows[tf.argmax(tf.cast(suits, tf.int32))])

    return window


def _suits(windows: tf.Tensor, boxes: tf.Tensor, least: tf.Tensor) -> tf.Tensor:
    """bool [A]: windows [A, 4] that contain some box's middle and overlap some box enough."""
    start, size = windows[:, None, :2], windows[:, None, 2:]
    end = start + size
    low, high = boxes[None, :, :2], boxes[None, :, 2:]
    middle = (low + high) / 2.0
    inside = tf.reduce_all((middle > start) & (middle < end), axis=-1)
    common = tf.maximum(tf.minimum(end, high) - tf.maximum(start, low), 0.0)
    common = tf.reduce_prod(common, axis=-1)
    union = tf.reduce_prod(size, axis=-1) + tf.reduce_prod(high - low, axis=-1) - common
    overlap = tf.math.divide_no_nan(common, union)
    held = tf.reduce_any(inside, axis=1) & tf.reduce_any(overlap >= least, axis=1)
    return held | tf.equal(tf.shape(boxes)[0], 0)
