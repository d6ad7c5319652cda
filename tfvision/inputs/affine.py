"""Rotation, translation, scale and shear in one inverse warp, about the image's middle.

The map goes from old to new places, in continuous pixel coordinates (y, x): new = matrix @ (old -
middle) + middle + shift. Objects move with it: a box becomes the bounds of its moved mask, or of
its four moved corners where it has none, so boxes without masks grow under rotation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from tfvision import schema
from tfvision.inputs import geometry, object_tensors, seeds
from tfvision.inputs.geometry import Color, Sample


def affine(
    sample: Sample,
    seed: tf.Tensor,
    *,
    degrees: float = 0.0,
    translate: float = 0.0,
    scale: Sequence[float] = (1.0, 1.0),
    shear: float = 0.0,
    color: Color = geometry.GREY,
    min_visible: float = 0.0,
    probability: float = 1.0,
) -> Sample:
    """A random affine map; the canvas stays as it is.

    degrees, shear: the rotation and the horizontal shear are within +- this. translate: up to
    +- this share of each side. scale: the range of the factor."""
    radians = math.pi / 180.0
    angle = seeds.uniform(seed, 0, -degrees, degrees) * radians
    slope = tf.tan(seeds.uniform(seed, 1, -shear, shear) * radians)
    factor = seeds.uniform(seed, 2, *scale)
    shares = tf.random.stateless_uniform([2], seeds.fold(seed, 3), -translate, translate)
    shift = shares * tf.cast(geometry.canvas(sample), tf.float32)
    matrix = factor * tf.matmul(rotation(angle), shearing(0.0, slope))
    sample = {**sample, "image": tf.cast(sample["image"], tf.float32)}
    return tf.cond(
        seeds.happens(seed, 4, probability),
        lambda: warp(sample, matrix, shift, color=color, min_visible=min_visible),
        lambda: dict(sample),
    )


def rotation(angle: tf.Tensor) -> tf.Tensor:
    """[2, 2] on (y, x): clockwise by `angle` radians."""
    cos, sin = tf.cos(angle), tf.sin(angle)
    return tf.stack([tf.stack([cos, sin]), tf.stack([-sin, cos])])


def shearing(vertical: tf.Tensor | float, horizontal: tf.Tensor | float) -> tf.Tensor:
    """[2, 2] on (y, x): y grows by vertical * x, x by horizontal * y."""
    return tf.stack([tf.stack([1.0, vertical]), tf.stack([horizontal, 1.0])])


def warp(
    sample: Sample,
    matrix: tf.Tensor,
    shift: tf.Tensor,
    *,
    color: Color = geometry.GREY,
    min_visible: float = 0.0,
) -> Sample:
    """Applies one affine map, matrix [2, 2] and shift [2], both for (y, x)."""
    size = geometry.canvas(sample)
    middle = tf.cast(size, tf.float32) / 2.0
    (a, b), (c, d) = (tf.unstack(row) for row in tf.unstack(matrix))
    determinant = a * d - b * c
    inverse = tf.stack([tf.stack([d, -b]), tf.stack([-c, a])]) / determinant
    image = tf.cast(sample["image"], tf.float32)
    # A fourth channel of ones becomes the share of each pixel that has a source.
    full = tf.concat([image, tf.ones_like(image[:, :, :1])], axis=2)
    moved = _pull(full[tf.newaxis], inverse, middle, shift, "BILINEAR", 0.0)[0]
    colors = (1.0 - moved[:, :, 3:]) * color
    result = {**sample, "image": tf.ensure_shape(moved[:, :, :3] + colors, image.shape)}
    if "label_map" in sample:
        result["label_map"] = _nearest(
            sample["label_map"][tf.newaxis], inverse, middle, shift, schema.VOID
        )[0]
    if "masks" in sample:
        result["masks"] = _nearest(sample["masks"], inverse, middle, shift, 0)

    def move(boxes: tf.Tensor) -> tf.Tensor:
        return _moved_boxes(boxes, matrix, middle, shift)

    boxes = None
    if "boxes" in sample and "masks" in sample:
        has = object_tensors.filled(result["masks"])[:, tf.newaxis]
        boxes = tf.where(has, object_tensors.bounds(result["masks"]), move(sample["boxes"]))
    return object_tensors.settle(
        sample,
        result,
        move,
        size,
        boxes=boxes,
        min_visible=min_visible,
        scale=tf.abs(determinant),
    )


def _moved_boxes(
    boxes: tf.Tensor, matrix: tf.Tensor, middle: tf.Tensor, shift: tf.Tensor
) -> tf.Tensor:
    """The bounds [N, 4] of the boxes' moved corners."""
    corners = tf.reshape(tf.gather(boxes, [0, 1, 0, 3, 2, 1, 2, 3], axis=1), [-1, 4, 2])
    corners = tf.einsum("nkj,ij->nki", corners - middle, matrix) + middle + shift
    return tf.concat([tf.reduce_min(corners, axis=1), tf.reduce_max(corners, axis=1)], axis=1)


def _nearest(
    maps: tf.Tensor, inverse: tf.Tensor, middle: tf.Tensor, shift: tf.Tensor, fill: int
) -> tf.Tensor:
    """Pulls [N, H, W] of whole numbers through the map."""
    values = tf.cast(maps, tf.int32)[..., tf.newaxis]
    moved = _pull(values, inverse, middle, shift, "NEAREST", float(fill))[..., 0]
    return tf.ensure_shape(tf.cast(moved, maps.dtype), maps.shape)


def _pull(
    batch: tf.Tensor,
    inverse: tf.Tensor,
    middle: tf.Tensor,
    shift: tf.Tensor,
    interpolation: str,
    fill: float,
) -> tf.Tensor:
    """[N, H, W, C] -> the same, each new pixel taken from where the inverse map puts it."""
    # The kernel counts pixel centers as whole numbers, ours are at halves; and it wants x, y.
    half = tf.constant(0.5)
    offset = tf.linalg.matvec(inverse, half - middle - shift) + middle - half
    (a, b), (c, d) = (tf.unstack(row) for row in tf.unstack(inverse))
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=batch,
        transforms=tf.stack([[d, c, offset[1], b, a, offset[0], 0.0, 0.0]]),
        output_shape=tf.shape(batch)[1:3],
        fill_value=fill,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )
