"""Non-maximum suppression in the graph: greedy, per class or per group, exact, static shapes.

A candidate survives where its IoU with every better one kept of its group is <= the threshold;
of equal scores the lower index is the better. Groups are compared, never distinguished by shifting
boxes: that would merge them, or cost small boxes their precision.

The candidates go by falling score in tiles. A tile meets the boxes kept so far, then itself: the
kept set is the fixed point of "no kept better box overlaps me", reached in as many rounds as the
longest chain. It ends when every image has its boxes, so memory is that of a tile, not of all
pairs.

Axis letters: B images, N boxes, K classes, P candidates, D kept at most, T a tile.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfvision import errors
from tfvision.ops import boxes as box_ops
from tfvision.schema import PADDING

_TILE = 256
_NOTHING = float("-inf")  # the score of what is not a candidate


def per_class(
    boxes: tf.Tensor,
    scores: tf.Tensor,
    *,
    iou_threshold: float,
    score_threshold: float,
    max_detections: int,
    pre_nms: int = 4096,
) -> dict[str, tf.Tensor]:
    """The best `max_detections` of an image after suppression inside each class.

    boxes [B, N, 4], or [B, N, K, 4] where each class has its own; scores [B, N, K], of which
    those above `score_threshold` count. pre_nms: (box, class) pairs of an image that are looked
    at, by score. Returns boxes [B, D, 4], scores [B, D], class_ids int32 [B, D] (-1: padding,
    with zeros beside it) and num_detections int32 [B], by falling score."""
    candidates = _candidates(boxes, scores, score_threshold, pre_nms)
    kept = _greedy(*candidates, iou_threshold, max_detections)
    return _detections(*candidates, kept)


def batched(
    boxes: tf.Tensor,
    scores: tf.Tensor,
    groups: tf.Tensor,
    *,
    iou_threshold: float,
    max_detections: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Suppression inside each group, such as a pyramid level: indices of the boxes that stay.

    boxes [B, N, 4]; scores [B, N] of any sign (-inf or NaN: not a candidate); groups int [B, N].
    Returns indices int32 [B, D] by falling score, 0 where there are no more, and their number
    int32 [B]."""
    boxes, groups = _one_more(boxes, 0.0), _one_more(groups, 0)
    scores = _one_more(tf.where(tf.math.is_nan(scores), _NOTHING, scores), _NOTHING)
    values, order = tf.math.top_k(scores, tf.shape(scores)[1])
    kept = _greedy(
        tf.gather(boxes, order, batch_dims=1),
        values,
        tf.gather(groups, order, batch_dims=1),
        iou_threshold,
        max_detections,
    )
    indices = tf.gather(order, tf.maximum(kept, 0), batch_dims=1)
    return tf.where(kept >= 0, indices, 0), _count(kept)


def gaussian(overlap: tf.Tensor, sigma: float, iou_threshold: float) -> tf.Tensor:
    """exp(-IoU^2 / sigma) (Bodla et al. 2017, arXiv:1704.04503, eq. 3)."""
    del iou_threshold
    return tf.exp(-tf.square(overlap) / sigma)


def linear(overlap: tf.Tensor, sigma: float, iou_threshold: float) -> tf.Tensor:
    """1 - IoU where it is at least the threshold (Bodla et al. 2017, the linear form)."""
    del sigma
    return tf.where(overlap >= iou_threshold, 1.0 - overlap, 1.0)


DECAYS: dict[str, Callable] = {"gaussian": gaussian, "linear": linear}


def soft_per_class(
    boxes: tf.Tensor,
    scores: tf.Tensor,
    *,
    decay: str = "gaussian",
    sigma: float = 0.5,
    iou_threshold: float = 0.3,
    score_threshold: float = 0.001,
    max_detections: int = 100,
    pre_nms: int = 1024,
) -> dict[str, tf.Tensor]:
    """Soft-NMS (Bodla et al. 2017, arXiv:1704.04503, fig. 2): overlaps lower scores.

    Takes the best candidate, multiplies those of its class that are left by `decay` of their
    IoU with it, and so on, `max_detections` times; what falls to `score_threshold` is out.
    decay: a name of DECAYS. Arguments otherwise and results as for `per_class`."""
    function = errors.choose(DECAYS, decay, "decay of soft NMS")
    candidates, values, class_ids = _candidates(boxes, scores, score_threshold, pre_nms)

    def step(number, left, chosen, chosen_scores):
        best = tf.argmax(left, axis=1, output_type=tf.int32)[:, None]
        score = tf.gather(left, best, batch_dims=1)
        box = tf.gather(candidates, best, batch_dims=1)
        same = class_ids == tf.gather(class_ids, best, batch_dims=1)
        factor = function(box_ops.iou(box, candidates), sigma, iou_threshold)
        # -inf stays -inf: it is never multiplied by 0.
        left = tf.where(same & (left > _NOTHING), left * factor, left)
        left = tf.where(left > score_threshold, left, _NOTHING)
        # Places are selected by comparison: one row has one best.
        place = tf.range(tf.shape(left)[1])[None] == best
        left = tf.where(place, _NOTHING, left)
        here = (tf.range(max_detections) == number)[None]
        chosen = tf.where(here & (score > _NOTHING), best, chosen)
        return number + 1, left, chosen, tf.where(here, score, chosen_scores)

    batch = tf.shape(values)[0]
    start = (
        0,
        values,
        tf.fill([batch, max_detections], PADDING),
        tf.fill([batch, max_detections], _NOTHING),
    )
    going = lambda number, left, *_: tf.reduce_any(left > _NOTHING)  # noqa: E731
    _, _, kept, kept_scores = tf.while_loop(going, step, start, maximum_iterations=max_detections)
    detections = _detections(candidates, values, class_ids, kept)
    detections["scores"] = tf.where(kept >= 0, kept_scores, 0.0)
    return detections


# -- parts


def _candidates(
    boxes: tf.Tensor, scores: tf.Tensor, score_threshold: float, pre_nms: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The best (box, class) pairs: boxes [B, P, 4], scores [B, P] (-inf: none), class ids.

    The best `pre_nms` pairs lie in the best `pre_nms` boxes by their best class, so only those
    boxes' classes are sorted."""
    classes = scores.shape[-1]
    scores = tf.cast(scores, tf.float32)
    scores = _one_more(tf.where(scores > score_threshold, scores, _NOTHING), _NOTHING)
    boxes = _one_more(tf.cast(boxes, tf.float32), 0.0)
    rows = tf.minimum(tf.shape(scores)[1], pre_nms)
    _, chosen = tf.math.top_k(tf.reduce_max(scores, axis=-1), rows)
    chosen = tf.sort(chosen, axis=-1)  # equal scores stay in the order of the boxes
    scores = tf.gather(scores, chosen, batch_dims=1)
    boxes = tf.gather(boxes, chosen, batch_dims=1)
    flat = tf.reshape(scores, [tf.shape(scores)[0], -1])
    values, pairs = tf.math.top_k(flat, tf.minimum(tf.shape(flat)[1], pre_nms))
    if boxes.shape.rank == 4:
        boxes = tf.gather(tf.reshape(boxes, [tf.shape(boxes)[0], -1, 4]), pairs, batch_dims=1)
    else:
        boxes = tf.gather(boxes, pairs // classes, batch_dims=1)
    return boxes, values, pairs % classes


def _one_more(values: tf.Tensor, fill: float | int) -> tf.Tensor:
    """[B, P, ...] -> [B, P + 1, ...]: what is never kept, so that there is something to gather."""
    pads = [[0, 0], [0, 1], *[[0, 0]] * (values.shape.rank - 2)]
    return tf.pad(values, pads, constant_values=fill)


def _tiles(values: tf.Tensor, fill: float | int) -> tf.Tensor:
    """[B, P, ...] -> [tiles, B, T, ...], the rest of the last tile filled."""
    size = tf.shape(values)[1]
    missing = -size % _TILE
    pads = [[0, 0], [0, missing], *[[0, 0]] * (values.shape.rank - 2)]
    values = tf.pad(values, pads, constant_values=fill)
    shape = tf.concat([tf.shape(values)[:1], [-1, _TILE], tf.shape(values)[2:]], axis=0)
    order = [1, 0, *range(2, values.shape.rank + 1)]
    return tf.transpose(tf.reshape(values, shape), order)


def _survivors(better: tf.Tensor, alive: tf.Tensor) -> tf.Tensor:
    """The greedy choice inside a tile: bool [B, T].

    better [B, T, T]: does j (axis 1) stand before i (axis 2) and overlap it? alive bool [B, T]:
    still in question. An answer that reproduces itself is the greedy one: the first candidate's
    is final after one round, and each one's is once those of all before it are."""
    weights = tf.cast(better, tf.float32)

    def step(kept, _):
        hit = tf.einsum("bj,bji->bi", tf.cast(kept, tf.float32), weights) > 0.0
        now = alive & ~hit
        return now, tf.reduce_any(now != kept)

    kept, _ = tf.while_loop(lambda _, changed: changed, step, (alive, tf.constant(True)))
    return kept


def _greedy(
    boxes: tf.Tensor,
    scores: tf.Tensor,
    groups: tf.Tensor,
    iou_threshold: float,
    max_detections: int,
) -> tf.Tensor:
    """Places int32 [B, D] (-1: none) of those kept among candidates by falling score."""
    tiles = (_tiles(boxes, 0.0), _tiles(scores, _NOTHING), _tiles(groups, 0))
    count, batch = tf.shape(tiles[0])[0], tf.shape(boxes)[0]
    before = tf.range(_TILE)[:, None] < tf.range(_TILE)[None, :]

    def overlapping(a, a_groups, b, b_groups):
        same = a_groups[:, :, None] == b_groups[:, None, :]
        return same & (box_ops.iou_matrix(a, b) > iou_threshold)

    def going(number, places, *_):
        full = tf.reduce_all(places >= 0, axis=1)
        some = tiles[1][tf.minimum(number, count - 1), :, 0] > _NOTHING
        return (number < count) & tf.reduce_any(some & ~full)

    def step(number, places, kept_boxes, kept_groups):
        box, score, group = (part[number] for part in tiles)
        old = overlapping(kept_boxes, kept_groups, box, group) & (places >= 0)[:, :, None]
        alive = (score > _NOTHING) & ~tf.reduce_any(old, axis=1)
        kept = _survivors(overlapping(box, group, box, group) & before, alive)
        rows_kept = tf.where(kept, number * _TILE + tf.range(_TILE)[None], -1)
        # Kept ones move to the front in their order: top_k of equals takes the first.
        places = tf.concat([places, rows_kept], axis=1)
        _, front = tf.math.top_k(tf.cast(places >= 0, tf.int32), max_detections)
        chosen = [
            tf.gather(tf.concat(pair, axis=1), front, batch_dims=1)
            for pair in ((kept_boxes, box), (kept_groups, group))
        ]
        return number + 1, tf.gather(places, front, batch_dims=1), *chosen

    start = (
        0,
        tf.fill([batch, max_detections], PADDING),
        tf.zeros([batch, max_detections, 4]),
        tf.zeros([batch, max_detections], groups.dtype),
    )
    return tf.while_loop(going, step, start)[1]


def _count(kept: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(kept >= 0, tf.int32), axis=1)


def _detections(
    boxes: tf.Tensor, scores: tf.Tensor, class_ids: tf.Tensor, kept: tf.Tensor
) -> dict[str, tf.Tensor]:
    """The candidates at places int32 [B, D], as detections."""
    there, place = kept >= 0, tf.maximum(kept, 0)
    taken = [tf.gather(part, place, batch_dims=1) for part in (boxes, scores, class_ids)]
    return {
        "boxes": tf.where(there[:, :, None], taken[0], 0.0),
        "scores": tf.where(there, taken[1], 0.0),
        "class_ids": tf.where(there, taken[2], PADDING),
        "num_detections": _count(kept),
    }
