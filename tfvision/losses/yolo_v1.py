"""The loss of YOLO v1; `losses.yolo_losses` says what it shares with those of v2 and v3.

Axis letters: B images, M truths, H, W cells, A boxes a cell, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision.losses import yolo_match
from tfvision.losses.yolo_parts import softmax, squares, total
from tfvision.ops import boxes as box_ops
from tfvision.ops import yolo_decode


def v1(
    raw: tf.Tensor, head: yolo_decode.Head, boxes: tf.Tensor, class_ids: tf.Tensor
) -> dict[str, tf.Tensor]:
    """YOLO v1 (Redmon et al. 2016, arXiv:1506.02640, eq. 3; Darknet's detection_layer.c).

    raw [B, H, W, K + 5 A] (`ops.yolo_decode.Head`). Of the truths of a cell the first counts. In
    its cell, responsible is the box with the largest IoU, or with the smallest root of squared
    differences where none overlaps. Deltas: coord_scale (t - o) for x, y and the square roots of
    width and height (shares of the image); object_scale (IoU - c) for the responsible box's
    confidence (1 - c without `rescore`), noobject_scale (0 - c) for all others; class_scale
    (t - p) for the classes of cells with a truth. Darknet's cost has 1 - IoU squared besides,
    which has no gradient; it is left out."""
    raw = tf.cast(raw, tf.float32)
    gt = yolo_match.place(raw, head, boxes, class_ids)
    counts = gt.valid & yolo_match.first(gt)
    size = tf.cast(yolo_match.image_size(raw, head), tf.float32)
    best, overlap = _responsible(raw, head, gt, size)

    cells = tf.reshape(raw, [tf.shape(raw)[0], -1, raw.shape[-1]])
    classes, confidence, coordinates = tf.split(
        tf.gather(cells, gt.cell, batch_dims=1),
        [head.num_classes, head.boxes, 4 * head.boxes],
        axis=-1,
    )
    coordinates = tf.reshape(coordinates, tf.concat([tf.shape(best), [head.boxes, 4]], axis=0))
    sides = gt.size / size[::-1]
    target = tf.concat([gt.offset, tf.sqrt(sides) if head.sqrt else sides], axis=-1)
    box = squares(target - tf.gather(coordinates, best, batch_dims=2))

    target = tf.one_hot(gt.class_ids, head.num_classes)
    per_class = softmax(classes, target) if head.softmax else squares(target - classes)

    # All as boxes without a truth, and the responsible ones put right.
    everywhere = cells[..., head.num_classes : head.num_classes + head.boxes]
    confidence = tf.gather(confidence, best, batch_dims=2)[..., None]
    target = overlap if head.rescore else tf.ones_like(overlap)
    right = head.object_scale * squares(target[..., None] - confidence)
    wrong = head.noobject_scale * squares(confidence)
    return {
        "box": total(counts, head.coord_scale * box),
        "object": head.noobject_scale * tf.reduce_sum(squares(everywhere), axis=1)
        + total(counts, right - wrong),
        "class": total(counts, head.class_scale * per_class),
    }


def _responsible(
    raw: tf.Tensor, head: yolo_decode.Head, gt: yolo_match.GroundTruth, size: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """int32 [B, M], the box of each truth's cell that answers for it, and their IoU [B, M]."""
    predicted = tf.stop_gradient(yolo_decode.decode(raw, head, size)[0])
    predicted = tf.reshape(predicted, [tf.shape(raw)[0], -1, head.boxes, 4])
    predicted = tf.gather(predicted, gt.cell, batch_dims=1)
    overlap = box_ops.iou(predicted, gt.boxes[:, :, None])
    difference = box_ops.to_center(predicted) - box_ops.to_center(gt.boxes)[:, :, None]
    distance = tf.norm(difference / tf.concat([size, size], axis=0), axis=-1)
    touches = tf.reduce_max(overlap, axis=-1, keepdims=True) > 0.0
    best = tf.argmax(tf.where(touches, overlap, -distance), axis=-1, output_type=tf.int32)
    return best, tf.stop_gradient(tf.gather(overlap, best, batch_dims=2))
