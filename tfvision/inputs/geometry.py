"""Flips, crops and changes of scale: image, boxes, masks and label map move together.

A sample has `image` [H, W, 3] and any of `boxes` ([N, 4] y x y x, pixels, continuous edges), the
other per-object tensors, `proposals` [R, 4], `masks` [N, H, W] and `label_map` [H, W]. What has no
source becomes `color` in the image (one number or three, 0..255), 0 in masks, VOID in the label
map. Objects and proposals that leave the canvas are taken out (`objects.settle`).
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision import schema
from tfvision.inputs import object_tensors, seeds
from tfvision.ops import images

Sample = dict[str, tf.Tensor]
Color = float | Sequence[float]

GREY = 127.5  # Darknet's 0.5


def canvas(sample: Sample) -> tf.Tensor:
    """int32 [2]: height and width of the sample's image."""
    return tf.shape(sample["image"])[:2]


def horizontal_flip(sample: Sample, seed: tf.Tensor, *, probability: float = 0.5) -> Sample:
    """Mirrors left and right with the given probability."""
    return mirror(sample, 1, seeds.happens(seed, 0, probability))


def vertical_flip(sample: Sample, seed: tf.Tensor, *, probability: float = 0.5) -> Sample:
    """Mirrors top and bottom with the given probability."""
    return mirror(sample, 0, seeds.happens(seed, 0, probability))


def mirror(sample: Sample, axis: int, flip: tf.Tensor) -> Sample:
    """Reverses the image's `axis` (0 rows, 1 columns) where `flip` (bool scalar) is True."""

    def reversed_(tensor: tf.Tensor, position: int) -> tf.Tensor:
        # One copy either way costs less than a tf.cond, and far less than a slice [:, ::-1].
        dims = [flip if i == position else tf.constant(False) for i in range(len(tensor.shape))]
        return tf.raw_ops.Reverse(tensor=tensor, dims=tf.stack(dims))

    result = {**sample, "image": reversed_(tf.convert_to_tensor(sample["image"]), axis)}
    for key in (key for key in object_tensors.BOXES if key in sample):
        length = tf.cast(canvas(sample)[axis], tf.float32)
        edges = tf.unstack(sample[key], axis=-1)
        edges[axis], edges[axis + 2] = length - edges[axis + 2], length - edges[axis]
        result[key] = tf.where(flip, tf.stack(edges, axis=-1), sample[key])
    if "masks" in sample:
        order = tf.range(canvas(sample)[axis])  # Reverse refuses [0, H, W]
        order = tf.where(flip, order[::-1], order)
        result["masks"] = tf.gather(sample["masks"], order, axis=axis + 1)
    if "label_map" in sample:
        result["label_map"] = reversed_(tf.convert_to_tensor(sample["label_map"]), axis)
    return result


def cut(sample: Sample, window: tf.Tensor, *, min_visible: float = 0.0) -> Sample:
    """Moves boxes, masks and label map to a window that the image was cut to already.

    window: int [4] = y, x, height, width, as `decode.crop` used it."""
    y, x, height, width = tf.unstack(window)
    result = dict(sample)
    if "masks" in sample:
        result["masks"] = sample["masks"][:, y : y + height, x : x + width]
    if "label_map" in sample:
        result["label_map"] = sample["label_map"][y : y + height, x : x + width]
    edge, size = tf.cast(tf.stack([y, x, y, x]), tf.float32), tf.stack([height, width])
    return object_tensors.settle(sample, result, lambda b: b - edge, size, min_visible=min_visible)


def reduced(sample: Sample, ratio: tf.Tensor) -> Sample:
    """Moves boxes, masks and label map to an image that was decoded `ratio` times smaller already.

    ratio: int32 scalar. What they are of is `ratio` times as high and as wide as the image."""
    size, factor = canvas(sample), 1.0 / tf.cast(ratio, tf.float32)
    rows, columns = (tf.range(size[axis]) * ratio + ratio // 2 for axis in (0, 1))
    result = dict(sample)
    if "masks" in sample:
        result["masks"] = tf.gather(tf.gather(sample["masks"], rows, axis=1), columns, axis=2)
    if "label_map" in sample:
        result["label_map"] = tf.gather(tf.gather(sample["label_map"], rows), columns, axis=1)
    return object_tensors.settle(sample, result, lambda b: b * factor, size, scale=factor * factor)


def resize(sample: Sample, size: tf.Tensor, *, antialias: bool = True) -> Sample:
    """Stretches to `size` (int [2]): the image bilinearly, masks and label map by the nearest."""
    original = tf.cast(canvas(sample), tf.float32)
    factor = tf.cast(size, tf.float32) / original
    result = {**sample, "image": images.resize(sample["image"], size, antialias=antialias)}

    def sources(axis: int) -> tf.Tensor:
        centers = tf.cast(tf.range(size[axis]), tf.float32) + 0.5
        return tf.minimum(tf.cast(centers / factor[axis], tf.int32), canvas(sample)[axis] - 1)

    rows, columns = sources(0), sources(1)
    if "masks" in sample:
        result["masks"] = tf.gather(tf.gather(sample["masks"], rows, axis=1), columns, axis=2)
    if "label_map" in sample:
        result["label_map"] = tf.gather(tf.gather(sample["label_map"], rows), columns, axis=1)
    factors, scale = tf.concat([factor, factor], axis=0), tf.reduce_prod(factor)
    return object_tensors.settle(sample, result, lambda b: b * factors, size, scale=scale)


def place(
    sample: Sample,
    offset: tf.Tensor,
    size: tf.Tensor,
    *,
    color: Color = GREY,
    min_visible: float = 0.0,
) -> Sample:
    """Puts the image's top left corner at `offset` (int [2]) of a canvas of `size` (int [2]).

    What sticks out is cut off (offsets may be negative)."""
    size = tf.convert_to_tensor(size, tf.int32)
    start = tf.clip_by_value(-offset, 0, canvas(sample))
    end = tf.clip_by_value(size - offset, start, canvas(sample))
    before = tf.clip_by_value(offset, 0, size)
    after = size - before - (end - start)
    edges = tf.stack([before, after], axis=1)

    def moved(tensor: tf.Tensor, fill: float) -> tf.Tensor:
        part = tensor[start[0] : end[0], start[1] : end[1]]
        padding = tf.concat([edges, tf.zeros([len(tensor.shape) - 2, 2], tf.int32)], axis=0)
        return tf.pad(part, padding, constant_values=tf.cast(fill, tensor.dtype))

    image = tf.cast(sample["image"], tf.float32)
    inside = moved(tf.ones_like(image[:, :, :1]), 0.0)
    result = {**sample, "image": tf.where(inside > 0.0, moved(image, 0.0), color)}
    if "masks" in sample:
        first = tf.transpose(sample["masks"], [1, 2, 0])
        result["masks"] = tf.transpose(moved(first, 0), [2, 0, 1])
    if "label_map" in sample:
        result["label_map"] = moved(sample["label_map"], schema.VOID)
    edge = tf.cast(tf.concat([offset, offset], axis=0), tf.float32)
    return object_tensors.settle(sample, result, lambda b: b + edge, size, min_visible=min_visible)


def fixed(sample: Sample, size: Sequence[int]) -> Sample:
    """The sample with its canvas known as static shapes, `size` = (height, width)."""
    shapes = {"image": (*size, 3), "masks": (None, *size), "label_map": tuple(size)}
    known = {k: tf.ensure_shape(sample[k], shape) for k, shape in shapes.items() if k in sample}
    return {**sample, **known}
