"""The losses of YOLO v1, v2 and v3, with the gradients of Darknet's layers.

Darknet writes no losses: its layers write deltas, what to subtract from the gradient. Each function
here is the loss whose gradient with respect to `raw` is minus that delta, to the factor. So
squares are halved: delta = s (t - o) is s / 2 (t - o)^2; a delta of (t - sigmoid(o)) on the logit
itself is the cross-entropy, given less the target's own entropy, so that a perfect answer costs 0.

All return {"box", "object", "class"}: float32 [B], sums over an image; Darknet divides by the batch
(the trainer's business). Grids are read from `raw`; the image is grid * head.stride pixels. Ground
truth: boxes [B, M, 4] yxyx in pixels of the network's input, class_ids int [B, M], -1 is padding.

Axis letters: B images, M true boxes, H, W cells, A boxes a cell, N = H W A, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfvision import errors
from tfvision.losses import yolo_match
from tfvision.losses.iou_losses import BOXES
from tfvision.losses.yolo_parts import sigmoids, softmax, squares, total
from tfvision.losses.yolo_v1 import v1
from tfvision.ops import yolo_decode

__all__ = ["v1", "v2", "v3"]
PULLED = 12800  # images that v2 pulls its boxes to the anchors for (region_layer.c)
_PULL = 0.01  # and how strongly
Terms = dict[str, tf.Tensor]


def v2(
    raw: tf.Tensor,
    head: yolo_decode.Head,
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    *,
    images_seen: tf.Tensor | int | None = None,
) -> Terms:
    """YOLO v2 (Redmon & Farhadi 2017, arXiv:1612.08242; Darknet's region_layer.c).

    raw [B, H, W, A, 5 + K]. A truth falls to the anchor of its cell with the largest IoU of
    width and height. Deltas: coord_scale (2 - w h) (t - o), w h the truth's share of the image,
    o being sigmoid(x), sigmoid(y) and the bare width and height; object_scale (IoU - c) for c =
    sigmoid(objectness) (1 - c without `rescore`); noobject_scale (0 - c) for boxes without a
    truth, 0 where their best IoU is above `ignore_threshold`; class_scale (t - softmax) on the
    class logits, or (t - sigmoid) without `softmax`. x, y and objectness pass the sigmoid's own
    gradient (they are squares of sigmoids), classes do not (they are cross-entropies).
    images_seen: below 12,800 every box without a truth is pulled to its anchor in the middle of
    its cell, with 0.01 for coord_scale; None: never."""
    raw = tf.cast(raw, tf.float32)
    gt = yolo_match.place(raw, head, boxes, class_ids)
    anchor = yolo_match.best_anchor(gt, head.anchors)
    places = tf.where(gt.valid, gt.cell * head.boxes + anchor, -1)
    predicted = yolo_decode.decode(raw, head, yolo_match.image_size(raw, head))[0]
    match = yolo_match.match(predicted, gt, places)
    raw = tf.reshape(raw, [tf.shape(raw)[0], -1, 5 + head.num_classes])
    matched = tf.gather(raw, tf.maximum(places, 0), batch_dims=1)

    weight = head.coord_scale * (2.0 - gt.share)
    sides = _log_sides(gt, anchor, head.anchors)
    box = squares(gt.offset - tf.sigmoid(matched[..., :2])) + squares(sides - matched[..., 2:4])
    box = total(match.winner, weight * box)
    if images_seen is not None:
        box += _pull(raw, match.taken, images_seen)

    confidence = tf.sigmoid(raw[..., 4:5])
    target = match.overlap if head.rescore else tf.ones_like(match.overlap)
    right = head.object_scale * squares(target[..., None] - confidence)
    wrong = head.noobject_scale * squares(confidence)
    if head.softmax:
        per_class = softmax(matched[..., 5:], tf.one_hot(gt.class_ids, head.num_classes))
    else:
        target = yolo_match.several_classes(gt, places, head.num_classes)
        per_class = sigmoids(matched[..., 5:], target)
    return {
        "box": box,
        "object": _objectness(match, right, wrong, head.ignore_threshold),
        "class": total(match.winner, head.class_scale * per_class),
    }


def _pull(raw: tf.Tensor, taken: tf.Tensor, images_seen: tf.Tensor | int) -> tf.Tensor:
    """v2's early pull of the boxes that are not `taken` [B, N] to their anchors, [B]."""
    early = tf.cast(tf.cast(images_seen, tf.int64) < PULLED, tf.float32)
    pull = squares(0.5 - tf.sigmoid(raw[..., :2])) + squares(raw[..., 2:4])
    return early * total(~taken, _PULL * pull)


def v3(
    outputs: Mapping[str, tf.Tensor] | Sequence[tf.Tensor],
    heads: Sequence[yolo_decode.Head],
    boxes: tf.Tensor,
    class_ids: tf.Tensor,
    *,
    box_loss: str = "",
    label_smoothing: float = 0.0,
) -> Terms:
    """YOLO v3 (Redmon & Farhadi 2018, arXiv:1804.02767; Darknet's yolo_layer.c), all heads summed.

    outputs: {"yolo_0": raw, ...} or the raws in order, each [B, H, W, A, 5 + K]. A truth falls to
    the one anchor of all heads with the largest IoU of width and height, and trains its head
    alone. Deltas: coord_scale (2 - w h) (t - o), o being sigmoid(x), sigmoid(y) and the bare width
    and height; object_scale (1 - c), c = sigmoid(objectness); noobject_scale (0 - c) for boxes
    without a truth, 0 where their best IoU is above `ignore_threshold`; class_scale (t - sigmoid).
    All scales are 1 in Darknet. Its layer does not pass the sigmoid's gradient: x, y, objectness
    and classes are cross-entropies, width and height halved squares. Several truths of one box:
    the last one's coordinates, every one's class.
    box_loss: "" for the above, or a name of losses.BOXES instead, times coord_scale (AlexeyAB's
    iou_normalizer), without (2 - w h). label_smoothing s: class targets t (1 - s) + s / 2."""
    if isinstance(outputs, Mapping):
        outputs = [outputs[f"yolo_{i}"] for i in range(len(heads))]
    overlap = errors.choose(BOXES, box_loss, "box loss of YOLO") if box_loss else None
    parts = [
        _v3(raw, head, boxes, class_ids, overlap, label_smoothing)
        for raw, head in zip(outputs, heads, strict=True)
    ]
    return {name: tf.add_n([part[name] for part in parts]) for name in ("box", "object", "class")}


def _v3(raw, head, boxes, class_ids, overlap, label_smoothing) -> Terms:
    """One head's part."""
    raw = tf.cast(raw, tf.float32)
    gt = yolo_match.place(raw, head, boxes, class_ids)
    anchors = head.all_anchors or head.anchors
    mask = list(head.mask) or list(range(head.boxes))
    anchor = yolo_match.best_anchor(gt, anchors)
    own_place = tf.constant([mask.index(i) if i in mask else -1 for i in range(len(anchors))])
    within = tf.gather(own_place, anchor)
    here = gt.valid & (within >= 0)
    places = tf.where(here, gt.cell * head.boxes + within, -1)
    predicted = yolo_decode.decode(raw, head, yolo_match.image_size(raw, head))[0]
    match = yolo_match.match(predicted, gt, places)
    raw = tf.reshape(raw, [tf.shape(raw)[0], -1, 5 + head.num_classes])
    matched = tf.gather(raw, tf.maximum(places, 0), batch_dims=1)

    if overlap is None:
        # x = s sigmoid(o) - (s - 1) / 2, so s times the cross-entropy with this has delta t - x.
        stretch = head.scale_x_y
        offset = (gt.offset + (stretch - 1.0) / 2.0) / stretch
        sides = _log_sides(gt, anchor, anchors)
        box = stretch * sigmoids(matched[..., :2], offset) + squares(sides - matched[..., 2:4])
        box *= 2.0 - gt.share
    else:
        box = overlap(tf.gather(predicted, tf.maximum(places, 0), batch_dims=1), gt.boxes)

    right = head.object_scale * sigmoids(raw[..., 4:5], 1.0)
    wrong = head.noobject_scale * sigmoids(raw[..., 4:5], 0.0)
    target = yolo_match.several_classes(gt, places, head.num_classes)
    target = target * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return {
        "box": total(match.winner, head.coord_scale * box),
        "object": _objectness(match, right, wrong, head.ignore_threshold),
        "class": total(match.winner, head.class_scale * sigmoids(matched[..., 5:], target)),
    }


# -- parts


def _log_sides(gt: yolo_match.GroundTruth, anchor: tf.Tensor, anchors: Sequence) -> tf.Tensor:
    """Logarithms of width and height by those of the truth's anchor: [B, M, 2]."""
    sides = tf.gather(tf.constant(anchors, tf.float32)[:, ::-1], anchor)
    return tf.math.log(gt.size / sides)


def _objectness(
    match: yolo_match.Match, right: tf.Tensor, wrong: tf.Tensor, ignore_threshold: float
) -> tf.Tensor:
    """Boxes with a truth by `right`, those without by `wrong`, near misses not at all: [B]."""
    wrong = tf.where(match.best > ignore_threshold, 0.0, wrong)
    return tf.reduce_sum(tf.where(match.taken, right, wrong), axis=1)
