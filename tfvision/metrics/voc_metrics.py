"""Pascal VOC's average precision (Everingham et al. 2010, "The PASCAL VOC Challenge"; devkits).

VOC counts pixels: boxes include their last one, so a side is max - min + 1. In our continuous
edges, where a box starts one lower, that very IoU is the plain one; no + 1 is left here.

Axis letters: N truths, D detections of one class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tfvision import errors
from tfvision.ops.overlaps import iou_matrix


class Curve(NamedTuple):
    """Precision and recall of one class after each detection by falling score.

    recall, precision, scores: float64 [D'], detections of difficult objects left out. positives:
    objects that are not difficult."""

    recall: np.ndarray
    precision: np.ndarray
    scores: np.ndarray
    positives: int


def curve(
    truth_boxes: np.ndarray,
    truth_images: np.ndarray,
    difficult: np.ndarray,
    boxes: np.ndarray,
    images: np.ndarray,
    scores: np.ndarray,
    *,
    iou: float = 0.5,
    overlaps: Callable[[Sequence, Sequence], np.ndarray] = iou_matrix,
) -> Curve:
    """The curve of one class over all images.

    truth_boxes [N, 4] yxyx in pixels, truth_images int [N], difficult bool [N]; boxes [D, 4],
    images int [D], scores [D]. overlaps: gives the IoU [D', N'] of detections and truths of one
    image; where it compares masks, the arrays hold masks in place of boxes.

    By falling score (ties in the given order) each detection goes to the object of its image that
    it overlaps most, taken or difficult ones included: at `iou` or more it is right if the object
    is free, wrong if it is taken, and out of account if it is difficult; below, it is wrong."""
    difficult = np.asarray(difficult, bool)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    target, overlap = _best(truth_boxes, truth_images, boxes, images, overlaps)
    target, overlap = target[order], overlap[order]
    met = overlap >= iou
    first = np.zeros(len(order), bool)  # the best detection of its object
    places = np.flatnonzero(met)
    first[places[np.unique(target[places], return_index=True)[1]]] = True
    counts = np.ones(len(order), bool)
    counts[places] = ~difficult[target[places]]
    right = np.cumsum((met & first)[counts])
    positives = int((~difficult).sum())
    scored = np.asarray(scores, np.float64)[order][counts]
    recall = right / positives if positives else np.full(len(right), np.nan)
    return Curve(recall, right / np.arange(1, len(right) + 1), scored, positives)


def _best(truth_boxes, truth_images, boxes, images, overlaps) -> tuple[np.ndarray, np.ndarray]:
    """For each detection its most overlapped truth (the first of equals) and the IoU, or -1."""
    target, overlap = np.zeros(len(boxes), np.int64), np.full(len(boxes), -1.0)
    truths = _by_image(truth_images)
    for image, rows in _by_image(images).items():
        if image in truths:
            ious = overlaps(boxes[rows], truth_boxes[truths[image]])
            best = ious.argmax(axis=1)
            target[rows] = truths[image][best]
            overlap[rows] = ious[np.arange(len(rows)), best]
    return target, overlap


def _by_image(images: np.ndarray) -> dict[int, np.ndarray]:
    """{image: its places, in their order}."""
    images = np.asarray(images, np.int64)
    order = np.argsort(images, kind="stable")
    names, starts = np.unique(images[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True)) if len(names) else {}


def ap_2007(curve: Curve) -> float:
    """The mean of the best precision at recall 0, 0.1 ... 1 or more; NaN without positives."""
    if not curve.positives:
        return float("nan")
    # i / 10 and not np.arange's multiples of 0.1: a recall of 3 / 10 reaches 0.3.
    best = [curve.precision[curve.recall >= i / 10].max(initial=0.0) for i in range(11)]
    return float(np.mean(best))


def ap_2010(curve: Curve) -> float:
    """The area under the curve, precision made to fall with recall; NaN without positives."""
    if not curve.positives:
        return float("nan")
    falling = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * falling))


STYLES: dict[str, Callable[[Curve], float]] = {"2007": ap_2007, "2010": ap_2010}


def average_precision(curve: Curve, style: str = "2010") -> float:
    """AP by a name of STYLES: "2007" (11 points) or "2010" (all points); NaN: no positives."""
    return errors.choose(STYLES, style, "style of VOC's average precision")(curve)
