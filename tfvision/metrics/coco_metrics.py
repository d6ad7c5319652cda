"""COCO's average precision and recall of boxes or masks (cocodataset.org/#detection-eval).

The matching is hotcoco's, or pycocotools' where that is what is installed; both give the same
numbers to the last bits. The means over their arrays are taken here, so nothing is printed.

Axis letters: T IoU thresholds (10), R recalls (101), K categories, A areas (all, small, medium,
large), M detections an image (1, 10, 100).
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfvision import errors
from tfvision.metrics import coco_json

KINDS = {"bbox": "bbox", "segm": "segmentation"}  # and what a detection must have for it
# The twelve numbers: array, T (None: the mean over all), A, M.
NUMBERS = {
    "AP": ("precision", None, 0, 2),
    "AP50": ("precision", 0, 0, 2),
    "AP75": ("precision", 5, 0, 2),
    "APs": ("precision", None, 1, 2),
    "APm": ("precision", None, 2, 2),
    "APl": ("precision", None, 3, 2),
    "AR1": ("recall", None, 0, 0),
    "AR10": ("recall", None, 0, 1),
    "AR100": ("recall", None, 0, 2),
    "ARs": ("recall", None, 1, 2),
    "ARm": ("recall", None, 2, 2),
    "ARl": ("recall", None, 3, 2),
}
RECALLS = np.linspace(0.0, 1.0, 101)
Json = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Evaluation(NamedTuple):
    """What COCO's evaluation counts. -1 stands where no truth is.

    precision: [T, R, K, A, M], the best at that recall or more. scores: likewise, the score
    where it is reached. recall: [T, K, A, M]. category_ids: [K]. objects: int [K], crowds
    aside."""

    category_ids: tuple[int, ...]
    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray
    objects: np.ndarray


def coco_ap(ground_truth: Json, detections: Json, kind: str = "bbox") -> dict[str, float]:
    """COCO's twelve numbers: AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl.

    ground_truth: a COCO json with images, annotations, categories; detections: a COCO results
    json; each a path or its content. kind: "bbox" or "segm". A number is -1 where there is no
    truth for it. Missing `iscrowd` are 0, missing `area` that of the box.
    Raises UsageError for another kind, DataError for files that are none or do not fit."""
    return summary(evaluate(ground_truth, detections, kind))


def evaluate(ground_truth: Json, detections: Json, kind: str = "bbox") -> Evaluation:
    """Matches detections with the truth; arguments and errors as for `coco_ap`."""
    needed = errors.choose(KINDS, kind, "kind of COCO evaluation")
    annotations = coco_json.ground_truth_of(ground_truth)
    detected = coco_json.detections_of(detections, annotations, needed)
    ids = tuple(sorted(category["id"] for category in annotations["categories"]))
    counts = dict.fromkeys(ids, 0)
    for entry in annotations["annotations"]:
        if entry["category_id"] in counts and not entry["iscrowd"]:
            counts[entry["category_id"]] += 1
    arrays = _matched(annotations, detected, kind) if annotations["images"] and ids else None
    if arrays is None:
        nothing = -np.ones((10, 101, len(ids), 4, 3))
        arrays = {"precision": nothing, "recall": nothing[:, 0], "scores": nothing}
    parts = [np.asarray(arrays[name]) for name in ("precision", "recall", "scores")]
    return Evaluation(ids, *parts, np.array([counts[i] for i in ids], np.int64))


def _matched(ground_truth: dict, detections: list, kind: str) -> Mapping[str, np.ndarray]:
    """The arrays of hotcoco or pycocotools, which both have COCO's own interface."""
    dataset, evaluator = _peer()
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells how long it takes
        gt_dataset = _dataset(dataset, ground_truth)
        results = (
            gt_dataset.loadRes(detections)
            if detections
            else _dataset(dataset, {**ground_truth, "annotations": []})
        )
        evaluation = evaluator(gt_dataset, results, kind)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval


def _peer() -> tuple[type, type]:
    try:
        from hotcoco import COCO, COCOeval
    except ImportError:
        try:
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval
        except ImportError as error:
            raise errors.UsageError(
                "COCO's metrics need hotcoco or pycocotools; pip install hotcoco"
            ) from error
    return COCO, COCOeval


def _dataset(dataset: type, content: dict) -> Any:
    made = dataset()
    made.dataset = content
    made.createIndex()
    return made


def _mean(values: np.ndarray) -> float:
    """The mean of what is defined, -1 where nothing is."""
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def summary(evaluation: Evaluation, category: int | None = None) -> dict[str, float]:
    """The twelve numbers, over all categories or of the one at that place."""
    chosen = slice(None) if category is None else slice(category, category + 1)
    numbers = {}
    for name, (array, threshold, area, most) in NUMBERS.items():
        values = getattr(evaluation, array)[..., chosen, area, most]
        numbers[name] = _mean(values if threshold is None else values[threshold])
    return numbers


def per_category(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """The twelve numbers (float [K], -1 where undefined) and `objects` (int [K])."""
    rows = [summary(evaluation, place) for place in range(len(evaluation.category_ids))]
    columns = {name: np.array([row[name] for row in rows]) for name in NUMBERS}
    return {**columns, "objects": evaluation.objects}


def curves(evaluation: Evaluation, threshold: int = 0) -> dict[str, np.ndarray]:
    """Precision and score at 101 recalls of each category: recall [R], precision, scores [K, R].

    threshold: place of the IoU among 0.5, 0.55 ... 0.95. NaN for a category without truth."""
    parts = {"precision": evaluation.precision, "scores": evaluation.scores}
    drawn = {name: values[threshold, :, :, 0, 2].T for name, values in parts.items()}
    undefined = drawn["precision"] < 0
    return {"recall": RECALLS} | {k: np.where(undefined, np.nan, v) for k, v in drawn.items()}
