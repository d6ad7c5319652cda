"""The images of an evaluation batch, one after the other: their true objects and what was found.

`batch` has `valid` bool [B] and `truth/*` (metrics.ground_truth); `predictions` has boxes [B, D, 4]
yxyx in pixels of the original image, scores [B, D], class_ids [B, D] (-1: padding), num_detections
[B] and, for masks, masks [B, D, m, m]: probabilities in the frame of each box.

Axis letters: B batch, D detections, N objects, m cells of a box's frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfvision import errors
from tfvision.metrics import ground_truth
from tfvision.ops import masks


def rows(batch: dict, predictions: dict) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    """(row, its truth, what was found there) of the valid images of a batch.

    Found are boxes [D, 4], scores and class_ids [D], and masks [D, m, m] where there are some."""
    for row in np.flatnonzero(batch["valid"]):
        scores, boxes = predictions["scores"][row], predictions["boxes"][row]
        there = np.arange(len(scores)) < predictions["num_detections"][row]
        there &= predictions["class_ids"][row] >= 0
        # What is not a number finds nothing, and sorts nowhere.
        there &= np.isfinite(scores) & np.isfinite(boxes).all(axis=-1)
        names = ("boxes", "scores", "class_ids", "masks")
        detections = {k: predictions[k][row][there] for k in names if k in predictions}
        yield int(row), ground_truth.read(batch, row), detections


def with_masks(gt: dict[str, Any], detections: dict[str, Any], name: str) -> tuple[dict, dict]:
    """A row's truth and what was found, with `masks` as COCO's RLE dicts of the image.

    An object without a mask is left out. name: the image's, for errors. Raises DataError where
    no object of the image has a place for a mask, ValueError for predictions without masks."""
    if "masks" not in detections:
        raise ValueError("masks are to be measured, and the predictions have none")
    count, size = len(gt["boxes"]), gt["size"]
    if len(gt["masks"]) != count:
        raise errors.DataError(
            f"{name}: {count} objects and {len(gt['masks'])} masks; masks are measured on data"
            " with masks only (`tfvision inspect` tells)"
        )
    kept = [i for i in range(count) if gt["masks"][i]]
    names = ("boxes", "class_ids", "is_crowd", "difficult", "area")
    true = {**gt, **{k: gt[k][kept] if len(gt[k]) else gt[k] for k in names}}
    true["masks"] = [ground_truth.run_lengths(gt["masks"][i], gt["boxes"][i], size) for i in kept]
    pairs = zip(detections["masks"], detections["boxes"], strict=True)
    pasted = [masks.rle_from_box_frame(mask, box, size) for mask, box in pairs]
    return true, {**detections, "masks": pasted}
