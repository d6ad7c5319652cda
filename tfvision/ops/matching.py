"""Which true box an anchor or a proposal answers for, and which of them a loss looks at.

(Ren et al. 2015, arXiv:1506.01497, section 3.1.2.) Truths are padded: class id -1 is none, and a
crowd has to be left out before (`inputs.targets.for_training`) or be named in `ignored`. No
gradient here; shapes are static, randomness is that of a seed.

Axis letters: B images, N anchors or proposals, M truths (padded), S sampled.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfvision import schema
from tfvision.ops import boxes as box_ops

NEGATIVE = -1  # background: every truth is below the lower threshold
BETWEEN = -2  # neither: a loss does not look at it
_BATCH_OF_TRUTHS = 16  # truths that are met at a time: memory is that of 16 x N overlaps an image


class Sampled(NamedTuple):
    """What a loss looks at: positives first, then negatives, then padding.

    indices int32 [B, S] into N (0 for padding); positive, valid: bool [B, S]."""

    indices: tf.Tensor
    positive: tf.Tensor
    valid: tf.Tensor


def match(
    boxes: tf.Tensor,
    gt_boxes: tf.Tensor,
    class_ids: tf.Tensor,
    *,
    positive_iou: float,
    negative_iou: float,
    low_quality: bool = False,
    ignored: tf.Tensor | None = None,
    ignored_share: float = 0.5,
) -> tf.Tensor:
    """int32 [B, N]: the truth's index, or NEGATIVE, or BETWEEN.

    boxes [B, N, 4], or [N, 4] for the same in every image; truth [B, M, 4]; class_ids [B, M]
    (-1: padding). A box goes to the truth that it overlaps most (of equals the first): positive
    where IoU >= positive_iou, negative below negative_iou. low_quality: a box that no other
    overlaps a truth more than (several may tie) is positive too, for the truth that the box
    overlaps most (torchvision's rule). ignored: crowd regions [B, M', 4], empty boxes for
    padding; a negative of which `ignored_share` or more lies in one becomes BETWEEN."""
    boxes = tf.broadcast_to(boxes, [tf.shape(gt_boxes)[0], *tf.unstack(tf.shape(boxes)[-2:])])
    best, owner, restored = _best(boxes, gt_boxes, class_ids >= 0, low_quality)
    codes = tf.where(best >= positive_iou, owner, BETWEEN)
    codes = tf.where(best < negative_iou, NEGATIVE, codes)
    if low_quality:
        codes = tf.where(restored, owner, codes)
    if ignored is not None:
        inside = tf.reduce_max(box_ops.covered_matrix(boxes, ignored), axis=2)
        codes = tf.where((codes == NEGATIVE) & (inside >= ignored_share), BETWEEN, codes)
    return codes


def _best(boxes, gt_boxes, there, low_quality):
    """Each box's largest IoU and its truth [B, N], and is it a truth's best box? bool [B, N]."""
    missing = -tf.shape(gt_boxes)[1] % _BATCH_OF_TRUTHS
    gt_boxes = tf.pad(gt_boxes, [[0, 0], [0, missing], [0, 0]])
    there = tf.pad(there, [[0, 0], [0, missing]])
    length = tf.shape(gt_boxes)[1]

    def overlaps(start):
        part = slice(start, start + _BATCH_OF_TRUTHS)
        iou = box_ops.iou_matrix(boxes, gt_boxes[:, part])
        return tf.where(there[:, None, part], iou, 0.0)

    def step(start, best, owner, restored):
        iou = overlaps(start)
        here = tf.reduce_max(iou, axis=2)
        index = tf.argmax(iou, axis=2, output_type=tf.int32) + start
        if low_quality:
            top = tf.reduce_max(iou, axis=1, keepdims=True)
            # A truth that nothing overlaps has no best box.
            restored |= tf.reduce_any((iou == top) & (top > 0.0), axis=2)
        better = here > best
        best, owner = tf.where(better, here, best), tf.where(better, index, owner)
        return start + _BATCH_OF_TRUTHS, best, owner, restored

    shape = tf.shape(boxes)[:2]
    start = (0, tf.zeros(shape), tf.zeros(shape, tf.int32), tf.zeros(shape, tf.bool))
    state = tf.while_loop(lambda at, *_: at < length, step, start, parallel_iterations=1)
    return tuple(tf.stop_gradient(part) for part in state[1:])


def sample(
    codes: tf.Tensor,
    seed: tf.Tensor,
    *,
    count: int,
    positive_share: float,
    there: tf.Tensor | None = None,
) -> Sampled:
    """Draws `count` of an image's boxes: at most `positive_share` positive, the rest negative.

    codes: of `match`, [B, N]; seed: int [2], stateless. there: bool [B, N], is it a box and no
    padding? Where positives are few, negatives take their places; where both are, the rest is
    padding."""
    codes = tf.where(there, codes, BETWEEN) if there is not None else codes
    # One more than all, so that there is something to take where there are fewer than `count`.
    codes = tf.pad(codes, [[0, 0], [0, count]], constant_values=BETWEEN)
    keys = tf.random.stateless_uniform(tf.shape(codes), seed)

    def drawn(chosen, most):
        values, places = tf.math.top_k(tf.where(chosen, keys, -1.0), most)
        return values >= 0.0, places

    positive, positive_places = drawn(codes >= 0, int(count * positive_share))
    negative, negative_places = drawn(codes == NEGATIVE, count)
    # All positives come before the negatives, which fill up to `count`.
    rank = tf.concat([2 * tf.cast(positive, tf.int32), tf.cast(negative, tf.int32)], axis=1)
    places = tf.concat([positive_places, negative_places], axis=1)
    rank, order = tf.math.top_k(rank, count)  # of equals the first: the drawn order stays
    places = tf.gather(places, order, batch_dims=1)
    return Sampled(tf.where(rank > 0, places, 0), rank == 2, rank > 0)


def labels(codes: tf.Tensor, class_ids: tf.Tensor, *, background: int) -> tf.Tensor:
    """int32 of codes' shape [B, N]: the matched truth's class, `background`, or PADDING (BETWEEN).

    class_ids [B, M]; background: its id, the number of classes where it is the last."""
    matched_ids = tf.gather(tf.cast(class_ids, tf.int32), tf.maximum(codes, 0), batch_dims=1)
    matched_ids = tf.where(codes >= 0, matched_ids, background)
    return tf.where(codes == BETWEEN, schema.PADDING, matched_ids)
