"""Which of a YOLO head's boxes each truth falls to, as Darknet decides it. No gradient here.

A truth falls to the cell that its center lies in, and there to one anchor. Where several fall to
one box, Darknet writes them one after the other, so the last one stays. What is narrower or lower
than a thousandth of the image is not ground truth (Darknet's fill_truth_detection).

Axis letters: B images, M truths (padded), H, W cells, A boxes a cell, N = H W A, T anchors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfvision.ops import boxes as box_ops
from tfvision.ops import yolo_decode as heads

_LEAST_SIDE = 0.001


class GroundTruth(NamedTuple):
    """The truths of a batch on a head's grid.

    boxes [B, M, 4] yxyx in pixels, class_ids int32 [B, M]; valid bool [B, M]: is it one? What is
    not has a box of one cell, so that it has a logarithm. cell int32 [B, M]: row * W + column;
    offset [B, M, 2]: x, y of the center from the cell's corner, in cells, 0..1; size [B, M, 2]:
    width, height in pixels; share [B, M]: of the image's area."""

    boxes: tf.Tensor
    class_ids: tf.Tensor
    valid: tf.Tensor
    cell: tf.Tensor
    offset: tf.Tensor
    size: tf.Tensor
    share: tf.Tensor


class Match(NamedTuple):
    """What a head's boxes have to do with the truths.

    best [B, N]: their largest IoU with any truth. taken bool [B, N]: does a truth fall to it?
    overlap [B, N]: its IoU with the last that does. winner bool [B, M]: is the truth that one?"""

    best: tf.Tensor
    taken: tf.Tensor
    overlap: tf.Tensor
    winner: tf.Tensor


def image_size(raw: tf.Tensor, head: heads.Head) -> tf.Tensor:
    """(height, width) of the network's input in pixels, int32 [2]."""
    return tf.shape(raw)[1:3] * head.stride


def place(raw: tf.Tensor, head: heads.Head, boxes: tf.Tensor, class_ids: tf.Tensor) -> GroundTruth:
    """The truths on the grid of `raw`; those with class id -1 are padding."""
    grid = tf.shape(raw)[1:3]
    size = tf.cast(image_size(raw, head), tf.float32)
    boxes, class_ids = tf.cast(boxes, tf.float32), tf.cast(class_ids, tf.int32)
    large = tf.reduce_all(boxes[..., 2:] - boxes[..., :2] >= _LEAST_SIDE * size, axis=-1)
    valid = (class_ids >= 0) & large
    stride = tf.cast(head.stride, tf.float32)
    boxes = tf.where(valid[..., None], boxes, tf.stack([0.0, 0.0, stride, stride]))
    center = box_ops.to_center(boxes)
    at = center[..., :2] / stride
    # A center on the image's far edge belongs to the last cell.
    cell = tf.clip_by_value(tf.cast(tf.floor(at), tf.int32), 0, grid - 1)
    offset = tf.clip_by_value(at - tf.cast(cell, tf.float32), 0.0, 1.0)
    share = box_ops.area(boxes) / tf.reduce_prod(size)
    flat = cell[..., 0] * grid[1] + cell[..., 1]
    return GroundTruth(boxes, class_ids, valid, flat, offset[..., ::-1], center[..., :1:-1], share)


def best_anchor(gt: GroundTruth, anchors: Sequence[tuple[float, float]]) -> tf.Tensor:
    """int32 [B, M]: which of T anchors (height, width) has the largest IoU, both at one place."""
    sides = tf.constant(anchors, tf.float32)[:, ::-1]
    size = gt.size[..., None, :]
    common = tf.reduce_prod(tf.minimum(size, sides), axis=-1)
    union = tf.reduce_prod(size, axis=-1) + tf.reduce_prod(sides, axis=-1) - common
    return tf.argmax(common / union, axis=-1, output_type=tf.int32)


def match(predicted: tf.Tensor, gt: GroundTruth, places: tf.Tensor) -> Match:
    """Meets boxes [B, N, 4] with the truths, whose places int32 [B, M] are in 0..N-1, or -1.

    One truth after the other, so that memory is that of the boxes and the last one stays without
    a scatter, whose order a device may choose."""
    predicted = tf.stop_gradient(predicted)
    count = tf.shape(predicted)[1]
    numbers = tf.range(count)[None]
    order = tf.range(tf.shape(places)[1])

    def step(m, best, owner, overlap):
        iou = box_ops.iou_matrix(predicted, gt.boxes[:, m, None])[..., 0]
        iou = tf.where(gt.valid[:, m, None], iou, 0.0)
        mine = numbers == places[:, m, None]
        owner = tf.where(mine, m, owner)
        return m + 1, tf.maximum(best, iou), owner, tf.where(mine, iou, overlap)

    none = tf.zeros(tf.shape(predicted)[:2])
    start = (0, none, tf.fill(tf.shape(none), -1), none)
    last = tf.reduce_max(tf.where(gt.valid, order + 1, 0))
    _, best, owner, overlap = tf.while_loop(lambda m, *_: m < last, step, start)
    owned = tf.gather(owner, tf.maximum(places, 0), batch_dims=1)
    return Match(best, owner >= 0, overlap, (places >= 0) & (owned == order))


def first(gt: GroundTruth) -> tf.Tensor:
    """bool [B, M]: does no valid truth before it lie in the same cell?"""
    order = tf.range(tf.shape(gt.cell)[1])
    same = (gt.cell[:, :, None] == gt.cell[:, None, :]) & gt.valid[:, None, :]
    return ~tf.reduce_any(same & (order[None, :] < order[:, None]), axis=2)


def several_classes(gt: GroundTruth, places: tf.Tensor, classes: int) -> tf.Tensor:
    """[B, M, K] in {0, 1}: the classes of all truths that fall to the same box."""
    same = (places[:, :, None] == places[:, None, :]) & gt.valid[:, None, :]
    one_hot = tf.one_hot(gt.class_ids, classes)
    return tf.minimum(tf.einsum("bmn,bnk->bmk", tf.cast(same, tf.float32), one_hot), 1.0)
