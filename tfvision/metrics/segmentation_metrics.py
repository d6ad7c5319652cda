"""Segmentation metrics on host NumPy, all from one confusion matrix of pixels.

`batch` has `truth/label_map` (an encoded PNG an image, [B]) and `valid` bool [B]; `predictions`
has `class_map` uint8 [B, h, w], padded, and `image_size` int [B, 2]. Pixels count at the
original images' size; void pixels count nowhere.

Axis letters: B batch, h, w, K classes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image as pillow

from tfvision import schema
from tfvision.metrics.examples import Example, RankedExamples
from tfvision.metrics.metric import ConfusionMetric
from tfvision.metrics.text_tables import ratio


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int, void: int) -> np.ndarray:
    """int64 [K, K]: pixels of class i that are called j; maps of one shape, any integers.

    Raises ValueError for a truth that is neither a class nor void."""
    known = labels != void
    rows, columns = labels[known].astype(np.int64), predicted[known].astype(np.int64)
    if rows.size and (rows.max() >= classes or rows.min() < 0):
        raise ValueError(f"the truth has class {rows.max()}; there are {classes} classes")
    counts = np.bincount(rows * classes + columns, minlength=classes * classes)
    return counts.reshape(classes, classes)


def pairs(batch: dict, predictions: dict):
    """(row, truth [h, w], called [h, w]) of the valid images of a batch, at original size."""
    for row in np.flatnonzero(batch["valid"]):
        with pillow.open(io.BytesIO(batch["truth/label_map"][row])) as image:
            labels = np.asarray(image)
        height, width = predictions["image_size"][row]
        predicted = predictions["class_map"][row, :height, :width]
        if labels.shape != predicted.shape:
            name = batch["source_id"][row].decode("utf-8", "replace")
            raise ValueError(f"{name}: the truth is {labels.shape}, the map {predicted.shape}")
        yield row, labels, predicted


class SegmentationReport(ConfusionMetric):
    """mIoU, pixel accuracy, mean accuracy, frequency-weighted IoU (Long et al. 2015,
    arXiv:1411.4038, section 5), precision, recall and F1, from one confusion matrix.

    A class without a pixel in truth and prediction is left out of the mean IoU and of the macro
    means; mean accuracy is over the classes in the truth; a class that is called but never true
    has IoU 0. `confusion[i, j]` counts pixels of class i called j."""

    def __init__(self, class_names: Sequence[str], *, void: int = schema.VOID):
        self.void = void
        super().__init__(class_names)

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        for _, labels, predicted in pairs(batch, predictions):
            self.add(labels, predicted)

    def add(self, labels: np.ndarray, predicted: np.ndarray) -> None:
        """Adds the maps of one image, of one shape."""
        self.confusion += confusion(labels, predicted, len(self.class_names), self.void)

    def per_class(self) -> dict[str, np.ndarray]:
        """iou, precision, recall (the class's accuracy), f1: float [K], NaN where there is
        nothing to tell; pixels int [K]: of the truth."""
        hits = np.diag(self.confusion)
        per_label, per_prediction = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return {
            "iou": ratio(hits, per_label + per_prediction - hits, np.nan),
            "precision": ratio(hits, per_prediction, np.nan),
            "recall": ratio(hits, per_label, np.nan),
            "f1": ratio(2 * hits, per_label + per_prediction, np.nan),
            "pixels": per_label,
        }

    def result(self) -> dict[str, float]:
        """All means in 0..1; NaN without a labelled pixel."""
        scores, total = self.per_class(), self.confusion.sum()
        if not total:
            names = ("miou", "pixel_accuracy", "mean_accuracy", "fwiou")
            macro = ("macro_precision", "macro_recall", "macro_f1")
            return dict.fromkeys((*names, *macro), float("nan"))
        frequency = scores["pixels"] / total
        met = ~np.isnan(scores["iou"])
        return {
            "miou": float(scores["iou"][met].mean()),
            "pixel_accuracy": float(np.diag(self.confusion).sum() / total),
            "mean_accuracy": float(np.nanmean(scores["recall"])),
            "fwiou": float((frequency * np.nan_to_num(scores["iou"])).sum()),
            # As scikit-learn: a ratio without a denominator counts as 0.
            **{
                f"macro_{name}": float(np.nan_to_num(scores[name])[met].mean())
                for name in ("precision", "recall", "f1")
            },
        }


class MapExamples(RankedExamples):
    """The images with the lowest and the highest mean IoU, `count` of each, with their maps."""

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid`, or are void alone, are left out."""
        worst, best = self._kept[False], self._kept[True]
        for row, labels, predicted in pairs(batch, predictions):
            report = SegmentationReport(self.class_names)
            report.add(labels, predicted)
            score = report.result()["miou"]
            index, self._seen = self._seen, self._seen + 1
            if np.isnan(score) or not (worst.takes(-score) or best.takes(score)):
                continue
            iou = report.per_class()["iou"]
            weakest = int(np.nanargmin(iou))
            example = Example(
                index,
                batch["source_id"][row].decode("utf-8", "replace"),
                score == 1.0,
                f"mIoU {score:.3f}",
                (f"{self.class_names[weakest]} {iou[weakest]:.3f}",),
                {"class_map": predicted.copy()},
            )
            worst.add(-score, example)
            best.add(score, example)

    def mistakes(self) -> list[Example]:
        """The images of the lowest mean IoU, the worst first."""
        return [example for example in super().mistakes() if not example.right]

    def best(self) -> list[Example]:
        """The images of the highest mean IoU that are not among the worst, the best first."""
        worst = {example.index for example in super().mistakes()}
        return [e for e in super().best() if e.index not in worst or e.right]
