"""Anchors for a data set: k-means of its boxes' sizes under 1 - IoU (NumPy).

Redmon & Farhadi 2017 (YOLO9000, arXiv:1612.08242, section 2, "Dimension Clusters"): with Euclidean
distance large boxes would make all the error.

Axis letters: N boxes, A anchors.
"""

from __future__ import annotations

import numpy as np

from tfvision import errors

_ITERATIONS = 300  # at most; it ends when no box changes its anchor
_STARTS = 5


def iou_matrix(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """IoU of boxes with one corner in common: (height, width) [N, 2], [A, 2] -> [N, A]."""
    common = np.minimum(sizes[:, None, 0], anchors[None, :, 0])
    common *= np.minimum(sizes[:, None, 1], anchors[None, :, 1])
    return common / (sizes.prod(axis=1)[:, None] + anchors.prod(axis=1)[None] - common)


def average_iou(sizes: np.ndarray, anchors: np.ndarray) -> float:
    """The mean over boxes [N, 2] of the IoU with their best anchor [A, 2]; the paper's measure."""
    return float(iou_matrix(sizes, anchors).max(axis=1).mean())


def kmeans(sizes: np.ndarray, count: int, *, seed: int = 0) -> tuple[np.ndarray, float]:
    """The best of several k-means: anchors (height, width) [A, 2] by area, and their average IoU.

    sizes [N, 2]: height and width of boxes above 0, in pixels of the network's input. Each
    start begins with boxes that are drawn far from those drawn before (Arthur & Vassilvitskii
    2007, "k-means++", with 1 - IoU for the squared distance). Raises DataError where there are
    fewer different sizes than anchors, UsageError for a count below 1."""
    if count < 1:
        raise errors.UsageError(f"{count} anchors: there must be at least 1")
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    sizes = sizes[(sizes > 0).all(axis=1)]
    different = len(np.unique(sizes, axis=0))
    if different < count:
        raise errors.DataError(
            f"{count} anchors need as many different boxes; there are {different} sizes"
        )
    rng = np.random.default_rng(seed)
    best, reached = None, -1.0
    for _ in range(_STARTS):
        anchors = _settled(sizes, _drawn(sizes, count, rng))
        average = average_iou(sizes, anchors)
        if average > reached:
            best, reached = anchors, average
    return best[np.argsort(best.prod(axis=1), kind="stable")], reached


def _drawn(sizes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Boxes to begin with, each drawn in proportion to its distance from the nearest before."""
    chosen = sizes[rng.integers(len(sizes))][None]
    while len(chosen) < count:
        distance = 1.0 - iou_matrix(sizes, chosen).max(axis=1)
        place = rng.choice(len(sizes), p=distance / distance.sum())
        chosen = np.concatenate([chosen, sizes[place][None]])
    return chosen


def _settled(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Anchors at the mean of the boxes that they are best for, until no box changes."""
    nearest = None
    for _ in range(_ITERATIONS):
        now = iou_matrix(sizes, anchors).argmax(axis=1)
        if nearest is not None and (now == nearest).all():
            break
        nearest = now
        members = np.bincount(now, minlength=len(anchors)).astype(np.float64)
        sums = [np.bincount(now, sizes[:, axis], len(anchors)) for axis in (0, 1)]
        means = np.stack(sums, axis=1) / np.maximum(members, 1)[:, None]
        # One that nobody is nearest to stays where it is.
        anchors = np.where(members[:, None] > 0, means, anchors)
    return anchors
