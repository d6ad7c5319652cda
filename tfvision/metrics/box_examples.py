"""The images of a detection's evaluation that are worth a look, with their boxes.

Axis letters: B batch, D detections, N objects.
"""

from __future__ import annotations

import numpy as np

from tfvision.metrics import ground_truth
from tfvision.metrics.examples import Example, RankedExamples
from tfvision.ops import draw, overlaps

IOU = 0.5  # from here on a detection has found an object of its class


def matched(
    boxes: np.ndarray, ids: np.ndarray, true_boxes: np.ndarray, true_ids: np.ndarray
) -> np.ndarray:
    """bool [D]: which detections find a true object, each object once, in their order.

    boxes [D, 4] and true_boxes [N, 4], y x y x."""
    overlap = overlaps.iou_matrix(boxes, true_boxes)
    overlap[ids[:, None] != true_ids[None]] = 0.0
    hits = np.zeros(len(boxes), bool)
    for row in range(len(boxes) if len(true_boxes) else 0):
        best = int(overlap[row].argmax())
        if overlap[row, best] >= IOU:
            hits[row] = True
            overlap[:, best] = 0.0
    return hits


class BoxExamples(RankedExamples):
    """The images with the most false negatives and false positives at the score that is drawn
    (draw.THRESHOLD), and those with the most true positives and no error, `count` of each.

    Crowds and difficult objects are neither missed nor found. Found is who has the box; masks
    are kept in their boxes' frames, to be drawn."""

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        for row in np.flatnonzero(batch["valid"]):
            ground_truths = ground_truth.read(batch, row)
            scores, ids = predictions["scores"][row], predictions["class_ids"][row]
            drawn = np.flatnonzero((scores > draw.THRESHOLD) & (ids >= 0))
            boxes, ids, scores = predictions["boxes"][row][drawn], ids[drawn], scores[drawn]
            plain = (ground_truths["is_crowd"] == 0) & (ground_truths["difficult"] == 0)
            hits = matched(
                boxes, ids, ground_truths["boxes"][plain], ground_truths["class_ids"][plain]
            )
            others = (ground_truths["boxes"][~plain], ground_truths["class_ids"][~plain])
            excused = matched(boxes[~hits], ids[~hits], *others)
            num_hits = int(hits.sum())
            missed = int(plain.sum()) - num_hits
            invented = len(boxes) - num_hits - int(excused.sum())
            right = not missed and not invented
            masks = {"masks": predictions["masks"][row][drawn]} if "masks" in predictions else {}
            example = Example(
                self._seen,
                batch["source_id"][row].decode("utf-8", "replace"),
                right,
                f"{num_hits} found",
                (f"{missed} missed, {invented} invented",),
                {
                    "boxes": boxes,
                    "scores": scores,
                    "class_ids": ids,
                    **masks,
                },
            )
            self._kept[right].add(num_hits if right else missed + invented, example)
            self._seen += 1
