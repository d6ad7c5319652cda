"""Losses of region proposal networks and of the heads of Fast, Faster and Mask R-CNN, unreduced,
float32. What is padding costs 0; who sums divides by max(count, 1).

Faster R-CNN divides the sums of both terms of the proposal network by the sampled anchors, and
those of both terms of the box head by the sampled regions, background included (torchvision; Ren
et al. 2015, arXiv:1506.01497, eq. 1 with lambda such that both terms weigh alike). Mask R-CNN
divides by the positive regions whose truth has a mask.

Axis letters: B images, R sampled anchors or regions, K classes (the background comes on top, as
the last), h, w cells of a mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from tfvision import errors
from tfvision.losses.iou_losses import BOXES
from tfvision.ops import boxes as box_ops

BETA = 1.0 / 9.0  # torchvision's, of both box terms; detectron2 has 0, the plain L1


def objectness(logits: tf.Tensor, positive: tf.Tensor) -> tf.Tensor:
    """Sigmoid cross-entropy: is an anchor an object's? [...], bool [...] -> [...]."""
    logits = tf.cast(logits, tf.float32)
    targets = tf.cast(positive, tf.float32)
    return tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)


def boxes(deltas: tf.Tensor, targets: tf.Tensor, *, beta: float = BETA) -> tf.Tensor:
    """Smooth L1, summed over the four deltas: [..., 4] x2 -> [...]; both as the coder weighs them.

    (Girshick 2015, arXiv:1504.08083, eq. 3.) d^2 / (2 beta) where |d| < beta, else
    |d| - beta / 2; beta 0 is |d|. Raises UsageError for a beta below 0."""
    if beta < 0.0:
        raise errors.UsageError(f"beta is {beta}; it must be 0 (plain L1) or more")
    size = tf.abs(tf.cast(deltas, tf.float32) - tf.cast(targets, tf.float32))
    if beta > 0.0:
        size = tf.where(size < beta, tf.square(size) * (0.5 / beta), size - 0.5 * beta)
    return tf.reduce_sum(size, axis=-1)


def classes(logits: tf.Tensor, class_ids: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy of K classes and the background: [..., K + 1], int [...] -> [...].

    class_ids: K for the background, -1 for padding, whose loss is 0."""
    class_ids = tf.cast(class_ids, tf.int32)
    values = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.maximum(class_ids, 0), tf.cast(logits, tf.float32)
    )
    return tf.where(class_ids >= 0, values, 0.0)


def own_deltas(deltas: tf.Tensor, class_ids: tf.Tensor) -> tf.Tensor:
    """Of the deltas of every class those of the true one: [B, R, K + 1, 4], int [B, R] ->
    [B, R, 4]; of padding (-1) those of class 0."""
    # A sum with zeros, not a gather: its gradient is no scatter, whose order a device may choose.
    one_hot = tf.one_hot(tf.maximum(class_ids, 0), deltas.shape[2], dtype=tf.float32)
    return tf.einsum("brkd,brk->brd", tf.cast(deltas, tf.float32), one_hot)


def masks(logits: tf.Tensor, targets: tf.Tensor, class_ids: tf.Tensor) -> tf.Tensor:
    """Sigmoid cross-entropy of the true class's mask, its mean over the cells: -> [B, R].

    (He et al. 2017, arXiv:1703.06870, section 3: classes do not compete.) logits
    [B, R, h, w, K + 1]; targets [B, R, h, w] in 0..1, the truth's mask in the region; class_ids
    int [B, R]: what is not an object, the background's K or padding's -1, costs 0."""
    class_ids = tf.cast(class_ids, tf.int32)
    background = logits.shape[-1] - 1
    one_hot = tf.one_hot(tf.maximum(class_ids, 0), background + 1, dtype=tf.float32)
    logits = tf.einsum("brhwk,brk->brhw", tf.cast(logits, tf.float32), one_hot)
    values = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(targets, tf.float32), logits)
    there = (class_ids >= 0) & (class_ids < background)
    return tf.where(there, tf.reduce_mean(values, axis=[2, 3]), 0.0)


class _Boxes(NamedTuple):
    """What the box terms compare: deltas and targets [B, R, 4] from `references` [B, R, 4], yxyx
    in pixels; positive bool [B, R]; weights: of the deltas."""

    deltas: tf.Tensor
    targets: tf.Tensor
    references: tf.Tensor
    positive: tf.Tensor
    weights: tuple[float, ...]


def _box_values(part: _Boxes, box_loss: str, beta: float) -> tf.Tensor:
    """The box loss of each anchor or region, [B, R]; of those that are not positive any number."""
    if not box_loss:
        return boxes(part.deltas, part.targets, beta=beta)
    overlap = errors.choose(BOXES, box_loss, "box loss of R-CNN")
    # What is not positive gets a box with an area.
    unit = tf.constant([0.0, 0.0, 1.0, 1.0])
    references = tf.where(part.positive[..., None], tf.cast(part.references, tf.float32), unit)
    predicted, expected = (
        box_ops.decode(tf.cast(deltas, tf.float32), references, weights=part.weights)
        for deltas in (part.deltas, part.targets)
    )
    return overlap(predicted, tf.stop_gradient(expected))


def terms(
    outputs: Mapping[str, tf.Tensor], *, beta: float = BETA, box_loss: str = ""
) -> dict[str, tuple]:
    """The four terms of Faster R-CNN, each a sum and what to divide it by: two float32 [B].

    box_loss: "" for `boxes`, or a name of losses.BOXES, of the decoded boxes, for both box terms
    (detectron2's BBOX_REG_LOSS_TYPE). outputs: those of the training graph
    (`architectures.rcnn_network`). A batch's loss is the images' sums together, divided by their
    counts together or 1: the terms rpn_class, rpn_box (Fast R-CNN has neither), class, box, and
    with `mask_logits` mask."""
    values = {}
    if "rpn_logits" in outputs:
        anchors = tf.cast(outputs["rpn_valid"], tf.float32)
        positive = tf.cast(outputs["rpn_positive"], tf.float32)
        parts = (outputs[f"rpn_{key}"] for key in ("deltas", "targets", "anchors", "positive"))
        proposed = _box_values(_Boxes(*parts, (1.0,) * 4), box_loss, beta)
        objects = objectness(outputs["rpn_logits"], outputs["rpn_positive"])
        values["rpn_class"] = (objects, anchors, anchors)
        values["rpn_box"] = (proposed, positive, anchors)
    class_ids = outputs["roi_class_ids"]
    background = outputs["class_logits"].shape[-1] - 1
    regions = tf.cast(class_ids >= 0, tf.float32)
    objects = regions * tf.cast(class_ids < background, tf.float32)
    deltas = own_deltas(outputs["box_deltas"], class_ids)
    values["class"] = (classes(outputs["class_logits"], class_ids), regions, regions)
    part = _Boxes(
        deltas, outputs["roi_targets"], outputs["rois"], objects > 0, box_ops.HEAD_WEIGHTS
    )
    values["box"] = (_box_values(part, box_loss, beta), objects, regions)
    if "mask_logits" in outputs:
        first = outputs["mask_targets"].shape[1]  # only positives have a mask, and they are first
        mask = masks(outputs["mask_logits"], outputs["mask_targets"], class_ids[:, :first])
        shown = objects[:, :first] * tf.cast(outputs["mask_valid"], tf.float32)
        values["mask"] = (mask, shown, shown)
    return {
        name: (tf.reduce_sum(value * where, axis=1), tf.reduce_sum(count, axis=1))
        for name, (value, where, count) in values.items()
    }
