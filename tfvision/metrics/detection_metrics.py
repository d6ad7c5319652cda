"""Detection metrics of an evaluation, at the original images' size, on host NumPy.

Batches and predictions are those of `metrics.image_objects`; masks are pasted here, one image
after the other, and kept as run lengths.

Axis letters: B batch, D detections, N objects, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvision import errors
from tfvision.metrics import coco_json, coco_metrics, image_objects, voc_metrics
from tfvision.metrics.metric import Metric, Report
from tfvision.metrics.text_tables import table
from tfvision.ops import masks, run_lengths
from tfvision.ops import overlaps as box_overlaps

# COCO's names of the twelve numbers, as they are logged.
NAMES = {
    "AP": "ap",
    "AP50": "ap50",
    "AP75": "ap75",
    "APs": "ap_small",
    "APm": "ap_medium",
    "APl": "ap_large",
    "AR1": "ar1",
    "AR10": "ar10",
    "AR100": "ar100",
    "ARs": "ar_small",
    "ARm": "ar_medium",
    "ARl": "ar_large",
}
_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")  # of the table per class
# A run may measure both: what stands before the names of its numbers, and over its table.
_PREFIX = {"bbox": "", "segm": "mask_"}
_TITLE = {"bbox": "boxes", "segm": "masks"}
Curves = dict[str, dict[str, np.ndarray]]


def _undefined(values: Any) -> Any:
    """NaN where COCO says -1."""
    return np.where(np.asarray(values) < 0, np.nan, values)


class CocoDetection(Metric):
    """COCO's twelve numbers, of boxes or of masks; crowds ignored, sizes by the `area` of the data.

    kind: "bbox" or "segm". category_ids: COCO's own, in class order, for `as_coco`. An object
    that is `difficult` counts like any other, as COCO knows no such thing; of masks, an object
    without one is left out. prefix: what stands before the names of the numbers."""

    gathers = ("images",)

    def __init__(
        self,
        class_names: Sequence[str],
        kind: str = "bbox",
        category_ids: Sequence[int] | None = None,
    ):
        errors.choose(coco_metrics.KINDS, kind, "kind of COCO evaluation")
        self.class_names, self.kind = tuple(class_names), kind
        self.prefix = _PREFIX[kind]
        self.category_ids = None if category_ids is None else tuple(category_ids)
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self.images: list[coco_json.Image] = []
        self._found: coco_metrics.Evaluation | None = None

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        self._found = None
        for row, gt, detections in image_objects.rows(batch, predictions):
            name = batch["source_id"][row].decode("utf-8", "replace")
            runs, found_runs = [], []
            if self.kind == "segm":
                gt, detections = image_objects.with_masks(gt, detections, name)
                runs, found_runs = gt["masks"], detections["masks"]
            image = coco_json.Image(
                name,
                gt["size"],
                gt["boxes"],
                gt["class_ids"],
                gt["is_crowd"],
                gt["area"] if len(gt["area"]) else _areas(gt["boxes"], runs),
                *(detections[k] for k in ("boxes", "scores", "class_ids")),
                runs,
                found_runs,
                batch.get("filename", batch["source_id"])[row].decode("utf-8", "replace"),
            )
            self.images.append(image)

    def as_coco(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Ground truth and detections as COCO's json; write them with `coco_json.write`.

        Of masks, a detection has both its box and its segmentation. COCO's own tool takes the
        sizes of detections from boxes where there are some, which moves the numbers by size."""
        ids, count = self.category_ids, len(self.class_names)
        detections = coco_json.detections(self.images, count, ids)
        return coco_json.ground_truth(self.images, self.class_names, ids), detections

    def _evaluation(self) -> coco_metrics.Evaluation:
        if self._found is None:
            # In the order of the classes, which the category ids need not have.
            count = len(self.class_names)
            gt = coco_json.ground_truth(self.images, self.class_names)
            detections = coco_json.detections(self.images, count)
            if self.kind == "segm":  # a detection's size is that of its mask, not of its box
                detections = [
                    {k: v for k, v in entry.items() if k != "bbox"} for entry in detections
                ]
            self._found = coco_metrics.evaluate(gt, detections, self.kind)
        return self._found

    def result(self) -> dict[str, float]:
        """The twelve numbers as "ap", "ap50" ... "ar_large" ("mask_ap" ... of masks), in 0..1.

        NaN where there is no ground truth for a number, such as an object of that size."""
        numbers = coco_metrics.summary(self._evaluation())
        return {self.prefix + NAMES[name]: float(_undefined(v)) for name, v in numbers.items()}

    def per_class(self) -> dict[str, np.ndarray]:
        """ap, ap50, ap75, ap_small, ap_medium, ap_large, ar100 (float [K], NaN: no such object)
        and objects (int [K], crowds aside)."""
        per_category = coco_metrics.per_category(self._evaluation())
        columns = {NAMES[name]: _undefined(per_category[name]) for name in _COLUMNS}
        return {**columns, "objects": per_category["objects"]}

    def report(self) -> Report:
        """The table, its columns and the curves at IoU 0.5."""
        return _report(self, "COCO", "class and size")

    def curves(self, threshold: int = 0) -> Curves:
        """{class: recall, precision and scores [101]} at IoU 0.5 + 0.05 * threshold.

        Classes without truth are left out."""
        by_class = coco_metrics.curves(self._evaluation(), threshold)
        return {
            name: {key: by_class[key][k] for key in ("precision", "scores")}
            | {"recall": by_class["recall"]}
            for k, name in enumerate(self.class_names)
            if not np.isnan(by_class["precision"][k]).all()
        }


def writer(metrics: Sequence[Any]) -> CocoDetection | None:
    """Of the metrics, that whose `as_coco` says the most: of masks, else of boxes, else None."""
    able = [metric for metric in metrics if isinstance(metric, CocoDetection)]
    return min(able, key=lambda metric: metric.kind != "segm", default=None)


def _areas(boxes: np.ndarray, runs: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Of the masks where there are some, else of the boxes: float32 [N]."""
    if runs:
        return np.array([masks.area(masks.from_rle(rle)) for rle in runs], np.float32)
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _report(metric: CocoDetection | VocDetection, title: str, what: str) -> Report:
    """A detection metric's table, columns and curves. what: a dash says there is no such object."""
    columns = metric.per_class()
    text = (
        f"{_TITLE[metric.kind]}, {title}\n{table(metric.class_names, columns)}\n"
        f"-: undefined, the truth has no object of that {what}"
    )
    curves, prefix = metric.curves(), metric.prefix
    return Report(text, metric.class_names, columns, curves=curves, prefix=prefix)


class VocDetection(Metric):
    """Pascal VOC's average precision of each class at one IoU, and its mean over the classes.

    style: "2007" (11 points) or "2010" (all points). kind: "bbox", or "segm" for the overlap of
    masks (AP^r of Hariharan et al. 2014, arXiv:1407.1808). Difficult objects, and
    crowds, are neither found nor missed; of masks, an object without one is left out. prefix:
    what stands before the names of the numbers."""

    gathers = ("_truths", "_detections")

    def __init__(
        self,
        class_names: Sequence[str],
        iou: float = 0.5,
        style: str = "2010",
        kind: str = "bbox",
    ):
        errors.choose(voc_metrics.STYLES, style, "style of VOC's average precision")
        errors.choose(_PREFIX, kind, "kind of VOC evaluation")
        self.class_names, self.iou, self.style = tuple(class_names), iou, style
        self.kind, self.prefix = kind, _PREFIX[kind]
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._truths: list[tuple[np.ndarray, ...]] = []
        self._detections: list[tuple[np.ndarray, ...]] = []
        self._drawn: list[voc_metrics.Curve] | None = None

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        self._drawn = None
        for row, gt, detections in image_objects.rows(batch, predictions):
            shapes = "boxes"
            if self.kind == "segm":
                name = batch["source_id"][row].decode("utf-8", "replace")
                gt, detections = (
                    _array(each) for each in image_objects.with_masks(gt, detections, name)
                )
                shapes = "masks"
            ignored = (gt["difficult"] > 0) | (gt["is_crowd"] > 0)
            self._truths.append((gt["class_ids"], gt[shapes], ignored))
            self._detections.append(
                (detections["class_ids"], detections[shapes], detections["scores"])
            )

    def _curves(self) -> list[voc_metrics.Curve]:
        if self._drawn is None:
            gt_rows, detections = _joined(self._truths), _joined(self._detections)
            overlaps = run_lengths.iou_matrix if self.kind == "segm" else box_overlaps.iou_matrix
            self._drawn = []
            for k in range(len(self.class_names)):
                images, _, shapes, ignored = (part[gt_rows[1] == k] for part in gt_rows)
                found_images, _, found_shapes, scores = (
                    part[detections[1] == k] for part in detections
                )
                parts = (shapes, images, ignored, found_shapes, found_images, scores)
                self._drawn.append(voc_metrics.curve(*parts, iou=self.iou, overlaps=overlaps))
        return self._drawn

    def per_class(self) -> dict[str, np.ndarray]:
        """ap (float [K], NaN: no object), the recall and precision of all detections (NaN
        likewise; precision 0 without any) and objects (int [K], difficult ones aside)."""
        drawn = self._curves()
        last = {
            name: [getattr(c, name)[-1] if len(c.scores) else 0.0 for c in drawn]
            for name in ("recall", "precision")
        }
        objects = np.array([c.positives for c in drawn], np.int64)
        ap = np.array([voc_metrics.average_precision(c, self.style) for c in drawn])
        ends = {name: np.where(objects > 0, values, np.nan) for name, values in last.items()}
        return {"ap": ap, **ends, "objects": objects}

    def result(self) -> dict[str, float]:
        """{"map": ...} ("mask_map" of masks) in 0..1, over the classes that have an object; NaN
        without any."""
        ap = self.per_class()["ap"]
        known = ~np.isnan(ap)
        return {f"{self.prefix}map": float(ap[known].mean()) if known.any() else float("nan")}

    def report(self) -> Report:
        """The table, its columns and the curves."""
        title = f"VOC {self.style}, IoU {self.iou:g}"
        return _report(self, title, "class (difficult ones aside)")

    def curves(self) -> Curves:
        """{class: recall, precision and scores after each detection}, of classes with objects."""
        return {
            name: {"recall": c.recall, "precision": c.precision, "scores": c.scores}
            for name, c in zip(self.class_names, self._curves(), strict=True)
            if c.positives
        }


def _joined(parts: Sequence[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    """(images, class ids, boxes or masks, the rest) of all images, each in one array."""
    empty = (np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    columns = list(zip(*parts, strict=True)) or [(part,) for part in empty]
    images = np.repeat(np.arange(len(parts)), [len(class_ids) for class_ids, *_ in parts])
    return [images, *(np.concatenate(column) for column in columns)]


def _array(objects: dict[str, Any]) -> dict[str, Any]:
    """With the masks' RLE dicts in an array, which can be indexed like boxes."""
    masks = np.empty(len(objects["masks"]), object)
    masks[:] = objects["masks"]
    return {**objects, "masks": masks}
