"""Overlap losses of boxes with the boxes they should be: 1 minus an overlap, unreduced, float32.

Both are yxyx in pixels, [..., 4] -> [...], each box beside its target. They have no scale: a
small box that is half off costs what a large one does. The gradient goes to both.

Axis letters: N boxes.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision.ops import boxes as box_ops


def iou(boxes: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """1 - IoU, in 0..1; without gradient where the boxes do not touch. [..., 4] x2 -> [...]."""
    return 1.0 - box_ops.iou(tf.cast(boxes, tf.float32), tf.cast(targets, tf.float32))


def giou(boxes: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """1 - GIoU, in 0..2 (Rezatofighi et al. 2019, arXiv:1902.09630, alg. 1). -> [...]."""
    return 1.0 - box_ops.giou(tf.cast(boxes, tf.float32), tf.cast(targets, tf.float32))


def diou(boxes: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """1 - DIoU, in 0..2 (Zheng et al. 2020, arXiv:1911.08287, eq. 7). -> [...]."""
    return 1.0 - box_ops.diou(tf.cast(boxes, tf.float32), tf.cast(targets, tf.float32))


def ciou(boxes: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """1 - CIoU (Zheng et al. 2020, arXiv:1911.08287, eq. 10); alpha is a constant. -> [...]."""
    return 1.0 - box_ops.ciou(tf.cast(boxes, tf.float32), tf.cast(targets, tf.float32))


BOXES = {"iou": iou, "giou": giou, "diou": diou, "ciou": ciou}  # by name
