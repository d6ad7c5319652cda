"""What happens to the objects of a sample when its image moves.

One rule: an object whose box has nothing left on the canvas, keeps less of its area than is asked
for, or loses the last pixel of its mask, is taken out of every per-object tensor. That makes N
smaller, so it belongs before the padding to a fixed number of objects. Proposals move by the same
rule; they have nothing but their boxes.

Axis letters: N objects, R proposals, H, W.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfvision import schema

Sample = dict[str, tf.Tensor]

FRAMED = "box_masks"  # masks in the frames of their boxes
KEYS = (*schema.GROUPS["objects"], *schema.GROUPS["masks"], FRAMED)  # the tensors [N, ...]
PROPOSALS = "proposals"  # boxes [R, 4] of no class
BOXES = ("boxes", PROPOSALS)
# What is narrower is a rounding error of normalised coordinates; pixels, as in ops.masks.
_LEAST_SIDE = 1.0 / 64.0


def select(sample: Sample, keep: tf.Tensor) -> Sample:
    """The sample with the objects where `keep` (bool [N]) is True."""
    chosen = {key: tf.boolean_mask(sample[key], keep) for key in KEYS if key in sample}
    return {**sample, **chosen}


def settle(
    before: Sample,
    after: Sample,
    move: Callable[[tf.Tensor], tf.Tensor],
    size: tf.Tensor,
    *,
    boxes: tf.Tensor | None = None,
    min_visible: float = 0.0,
    scale: tf.Tensor | float = 1.0,
) -> Sample:
    """`after` with boxes and proposals clipped to the canvas, without those that left it.

    before, after: the sample before and after its image (and masks) moved. move: boxes [N, 4] as
    they were -> where they are now, unclipped. size: int [2], the canvas. boxes: [N, 4] of the
    objects, where they are known better than by `move`. min_visible: least share of a box's area
    that must stay. scale: by what areas grew; `area` follows it and the visible share."""
    result = dict(after)
    if PROPOSALS in before:
        clipped, sides = _clipped(move(before[PROPOSALS]), size)
        result[PROPOSALS] = tf.boolean_mask(clipped, _wide(sides))
    if "boxes" not in before:
        return result
    boxes = move(before["boxes"]) if boxes is None else boxes
    clipped, sides = _clipped(boxes, size)
    all_sides = boxes[:, 2:] - boxes[:, :2]
    visible = tf.math.divide_no_nan(
        tf.reduce_prod(sides, axis=1), tf.reduce_prod(all_sides, axis=1)
    )
    keep = _wide(sides) & (visible >= min_visible)
    if "masks" in after:
        keep &= filled(after["masks"]) | ~filled(before["masks"])
    result["boxes"] = clipped
    if "area" in after:
        result["area"] = after["area"] * tf.cast(visible * scale, after["area"].dtype)
    return select(result, keep)


def _clipped(boxes: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Boxes [N, 4] inside the canvas, and their heights and widths [N, 2]."""
    limits = tf.cast(tf.concat([size, size], axis=0), boxes.dtype)
    clipped = tf.clip_by_value(boxes, 0.0, limits)
    return clipped, clipped[:, 2:] - clipped[:, :2]


def _wide(sides: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(sides > _LEAST_SIDE, axis=1)


def filled(masks: tf.Tensor) -> tf.Tensor:
    """bool [N]: which of the masks [N, H, W] have a pixel."""
    return tf.reduce_any(tf.cast(masks, tf.bool), axis=[1, 2])


def framed(sample: Sample, cells: int) -> Sample:
    """The sample with `masks` [N, H, W] turned into FRAMED, uint8 [N, cells, cells] of 0 and 1.

    Each cell has the pixel under its middle. In the box's frame a mask follows its box through
    every later change of scale, and takes the same memory whatever the image's size."""
    boxes, masks = sample["boxes"], tf.cast(sample["masks"], tf.uint8)
    middles = (tf.range(cells, dtype=tf.float32) + 0.5) / cells
    for axis in (0, 1):
        low, high = boxes[:, axis, tf.newaxis], boxes[:, axis + 2, tf.newaxis]
        at = tf.cast(tf.floor(low + middles * (high - low)), tf.int32)
        at = tf.clip_by_value(at, 0, tf.shape(masks)[axis + 1] - 1)
        masks = tf.gather(masks, at, axis=axis + 1, batch_dims=1)
    kept = {key: value for key, value in sample.items() if key != "masks"}
    return {**kept, FRAMED: tf.ensure_shape(masks, (None, cells, cells))}


def bounds(masks: tf.Tensor) -> tf.Tensor:
    """The boxes [N, 4] around masks [N, H, W]; of an empty mask, the whole canvas."""
    masks = tf.cast(masks, tf.bool)
    edges = []
    for axis in (2, 1):  # the rows, then the columns, that have a pixel
        line = tf.cast(tf.reduce_any(masks, axis=axis), tf.int32)
        length = tf.shape(line)[1]
        edges.append((tf.argmax(line, axis=1, output_type=tf.int32), length, line))
    low = [first for first, _, _ in edges]
    high = [
        length - tf.argmax(line[:, ::-1], axis=1, output_type=tf.int32) for _, length, line in edges
    ]
    return tf.cast(tf.stack([*low, *high], axis=1), tf.float32)
