"""Boxes: areas, overlaps, coders. All are yxyx, float32, absolute pixels, continuous edges.

The other form is center and size (`to_center`, `from_center`). Functions work on any leading
dimensions; the overlaps of two sets broadcast, so `giou(a[:, None], b[None])` is a matrix.

Axis letters: N, M boxes.
"""

from __future__ import annotations

import math

import tensorflow as tf

CLIP = math.log(1000.0 / 16.0)  # most of dh, dw: a box grows by 62.5 at most (Detectron)


def area(boxes: tf.Tensor) -> tf.Tensor:
    """[..., 4] -> [...], square pixels."""
    top, left, bottom, right = tf.unstack(boxes, axis=-1)
    return (bottom - top) * (right - left)


def clip(boxes: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Cuts boxes [..., 4] to an image. size: (height, width), [2] or [..., 2] to broadcast."""
    size = tf.cast(size, boxes.dtype)
    return tf.maximum(tf.minimum(boxes, tf.concat([size, size], axis=-1)), 0.0)


def at_least(boxes: tf.Tensor, side: float) -> tf.Tensor:
    """bool [...]: are both sides of [..., 4] at least `side` pixels? Removes small boxes."""
    return tf.reduce_all(boxes[..., 2:] - boxes[..., :2] >= side, axis=-1)


# -- the other form


def to_center(boxes: tf.Tensor) -> tf.Tensor:
    """yxyx -> center y, center x, height, width; [..., 4]."""
    size = boxes[..., 2:] - boxes[..., :2]
    return tf.concat([boxes[..., :2] + 0.5 * size, size], axis=-1)


def from_center(boxes: tf.Tensor) -> tf.Tensor:
    """Center y, center x, height, width -> yxyx; [..., 4]."""
    half = 0.5 * boxes[..., 2:]
    return tf.concat([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


# -- overlaps, of boxes that broadcast: [..., 4] and [..., 4] -> [...]


def _maximum(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    # Exact, and a tie's gradient goes to both in halves, so a perfect box has gradient 0.
    return 0.5 * (tf.maximum(a, b) + tf.maximum(b, a))


def _minimum(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return 0.5 * (tf.minimum(a, b) + tf.minimum(b, a))


def _sides(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Height and width of the intersection, 0 where there is none: [..., 2]."""
    return tf.nn.relu(_minimum(a[..., 2:], b[..., 2:]) - _maximum(a[..., :2], b[..., :2]))


def intersection(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """The area that both cover: [..., 4] x2 -> [...]."""
    return tf.reduce_prod(_sides(a, b), axis=-1)


def iou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Intersection over union: [..., 4] x2 -> [...] in 0..1; 0 for two boxes without area."""
    common = intersection(a, b)
    return tf.math.divide_no_nan(common, area(a) + area(b) - common)


def _hull(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Height and width of the smallest box around both: [..., 2]."""
    return _maximum(a[..., 2:], b[..., 2:]) - _minimum(a[..., :2], b[..., :2])


def giou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """IoU - (hull - union) / hull, in -1..1 (Rezatofighi et al. 2019, arXiv:1902.09630, alg. 1).

    [..., 4] x2 -> [...]."""
    common = intersection(a, b)
    union = area(a) + area(b) - common
    hull = tf.reduce_prod(_hull(a, b), axis=-1)
    overlap = tf.math.divide_no_nan(common, union)
    return overlap - tf.math.divide_no_nan(hull - union, hull)


def diou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """IoU - (distance of the centers / diagonal of the hull)^2, in -1..1.

    (Zheng et al. 2020, arXiv:1911.08287, eq. 6 and 7.) [..., 4] x2 -> [...]."""
    apart = 0.5 * (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:])
    distance = tf.reduce_sum(tf.square(apart), axis=-1)
    diagonal = tf.reduce_sum(tf.square(_hull(a, b)), axis=-1)
    return iou(a, b) - tf.math.divide_no_nan(distance, diagonal)


def ciou(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """DIoU - alpha * v, v the difference of the aspect ratios as angles.

    (Zheng et al. 2020, arXiv:1911.08287, eq. 8 to 11.) alpha = v / (1 - IoU + v) is a constant
    to the gradient, as in the authors' code. A box without height has ratio 0 here.
    [..., 4] x2 -> [...]."""

    def angle(boxes: tf.Tensor) -> tf.Tensor:
        top, left, bottom, right = tf.unstack(boxes, axis=-1)
        return tf.atan(tf.math.divide_no_nan(right - left, bottom - top))

    v = (4.0 / math.pi**2) * tf.square(angle(a) - angle(b))
    alpha = tf.stop_gradient(tf.math.divide_no_nan(v, 1.0 - iou(a, b) + v))
    return diou(a, b) - alpha * v


# -- overlaps of two sets: [..., N, 4] and [..., M, 4] -> [..., N, M]


def _common_matrix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """The area that both cover, each with each. Edge by edge: twice as fast as with a last axis."""
    a, b = tf.unstack(a[..., :, None, :], axis=-1), tf.unstack(b[..., None, :, :], axis=-1)
    height = tf.minimum(a[2], b[2]) - tf.maximum(a[0], b[0])
    width = tf.minimum(a[3], b[3]) - tf.maximum(a[1], b[1])
    return tf.nn.relu(height) * tf.nn.relu(width)


def iou_matrix(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """IoU of each with each: [..., N, 4], [..., M, 4] -> [..., N, M]."""
    common = _common_matrix(a, b)
    return tf.math.divide_no_nan(common, area(a)[..., :, None] + area(b)[..., None, :] - common)


def covered_matrix(boxes: tf.Tensor, crowds: tf.Tensor) -> tf.Tensor:
    """The share of each box that lies in each crowd region (COCO's overlap with a crowd).

    [..., N, 4], [..., M, 4] -> [..., N, M] in 0..1; 0 for a box without area."""
    return tf.math.divide_no_nan(_common_matrix(boxes, crowds), area(boxes)[..., :, None])


# -- deltas (Girshick et al. 2014, arXiv:1311.2524, appendix C)

HEAD_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of Fast R-CNN's box head (py-faster-rcnn's code)


def encode(
    boxes: tf.Tensor, anchors: tf.Tensor, *, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
) -> tf.Tensor:
    """What turns anchors into boxes: deltas (dy, dx, dh, dw), [..., 4] each.

    Centers move by dy * the anchor's height, sides grow by exp(dh). weights: factors on the
    four deltas, such as HEAD_WEIGHTS. Boxes and anchors need an area."""
    box, anchor = to_center(boxes), to_center(anchors)
    moved = (box[..., :2] - anchor[..., :2]) / anchor[..., 2:]
    grown = tf.math.log(box[..., 2:] / anchor[..., 2:])
    return tf.concat([moved, grown], axis=-1) * tf.constant(weights, boxes.dtype)


def decode(
    deltas: tf.Tensor,
    anchors: tf.Tensor,
    *,
    weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0),
    limit: float = CLIP,
) -> tf.Tensor:
    """The inverse of `encode`; dh and dw are cut at `limit` first. [..., 4] -> yxyx [..., 4]."""
    deltas = deltas / tf.constant(weights, deltas.dtype)
    anchor = to_center(anchors)
    middle = anchor[..., :2] + deltas[..., :2] * anchor[..., 2:]
    size = anchor[..., 2:] * tf.exp(tf.minimum(deltas[..., 2:], limit))
    return from_center(tf.concat([middle, size], axis=-1))
