"""Classification metrics on host NumPy, accumulated as counts.

`batch` has `labels` (int [B], or multi-hot [B, K]) and `valid` bool [B]; `predictions` has
`scores` float [B, K].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfvision.metrics.metric import ConfusionMetric, Metric, Report
from tfvision.metrics.text_tables import ratio, table


class TopKReport(Metric):
    """Share of images whose label is among the k best scores; ties count against the model."""

    gathers = ("hits", "count")

    def __init__(self, ks: Sequence[int] = (1, 5)):
        self.ks = tuple(ks)
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self.hits, self.count = np.zeros(len(self.ks), np.int64), 0

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        valid = batch["valid"]
        scores, labels = predictions["scores"][valid], batch["labels"][valid]
        label_scores = scores[np.arange(len(labels)), labels][:, None]
        # The rank that the label has at worst; NaN scores never count as a hit.
        rank = (~(scores < label_scores)).sum(axis=1) - 1
        self.hits += [(rank < k).sum() for k in self.ks]
        self.count += len(labels)

    def result(self) -> dict[str, float]:
        """{"top1": ..., "top5": ...} in 0..1, NaN without images."""
        return {
            f"top{k}": float(h / self.count) if self.count else float("nan")
            for k, h in zip(self.ks, self.hits, strict=True)
        }


def _scores_of(hits: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> dict:
    precision, recall = ratio(hits, predicted), ratio(hits, support)
    f1 = ratio(2 * hits, predicted + support)
    return {"precision": precision, "recall": recall, "f1": f1}


class ClassReport(ConfusionMetric):
    """Precision, recall and F1 per class and their macro mean, from one confusion matrix.

    A class without labels and without predictions is left out of the macro means, as
    scikit-learn does; `confusion[i, j]` counts images of class i called j."""

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        labels = batch["labels"][batch["valid"]]
        predicted = predictions["scores"][batch["valid"]].argmax(axis=1)
        np.add.at(self.confusion, (labels, predicted), 1)

    def per_class(self) -> dict[str, np.ndarray]:
        """precision, recall, f1 (float [K]) and support (int [K])."""
        support, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return {**_scores_of(np.diag(self.confusion), predicted, support), "support": support}

    def result(self) -> dict[str, float]:
        """Macro means of precision, recall and F1."""
        met = (self.confusion.sum(axis=0) + self.confusion.sum(axis=1)) > 0
        scores = self.per_class()
        return {
            f"macro_{name}": float(scores[name][met].mean()) if met.any() else float("nan")
            for name in ("precision", "recall", "f1")
        }


class MultiLabelReport(Metric):
    """Several labels an image: per-class precision, recall, F1 at 0.5, and average precision.

    Average precision is scikit-learn's (the step integral of the precision-recall curve);
    a class without a positive image has none and is left out of the mean."""

    gathers = ("_scores", "_labels")

    def __init__(self, class_names: Sequence[str]):
        self.class_names = tuple(class_names)
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._scores: list[np.ndarray] = []  # of each image
        self._labels: list[np.ndarray] = []

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        self._scores += list(np.array(predictions["scores"][batch["valid"]], np.float32))
        self._labels += list(batch["labels"][batch["valid"]] > 0.5)

    def _gathered(self) -> tuple[np.ndarray, np.ndarray]:
        width = len(self.class_names)
        if not self._scores:
            return np.zeros((0, width), np.float32), np.zeros((0, width), bool)
        return np.stack(self._scores), np.stack(self._labels)

    def per_class(self) -> dict[str, np.ndarray]:
        """precision, recall, f1, average_precision (float [K], NaN: none) and support."""
        from sklearn.metrics import average_precision_score

        scores, labels = self._gathered()
        predicted = scores >= 0.5
        support = labels.sum(axis=0)
        precision = [
            average_precision_score(labels[:, k], scores[:, k]) if support[k] else np.nan
            for k in range(len(self.class_names))
        ]
        return {
            **_scores_of((labels & predicted).sum(axis=0), predicted.sum(axis=0), support),
            "average_precision": np.array(precision),
            "support": support,
        }

    def result(self) -> dict[str, float]:
        """mAP, macro means, and the share of images with exactly the right set of labels."""
        scores, labels = self._gathered()
        per_class = self.per_class()
        average = per_class["average_precision"]
        known = ~np.isnan(average)
        exact = ((scores >= 0.5) == labels).all(axis=1)
        return {
            "map": float(average[known].mean()) if known.any() else float("nan"),
            "exact_match": float(exact.mean()) if len(exact) else float("nan"),
            **{
                f"macro_{name}": float(per_class[name].mean())
                for name in ("precision", "recall", "f1")
            },
        }

    def report(self) -> Report:
        """The table and its columns."""
        columns = self.per_class()
        return Report(table(self.class_names, columns), self.class_names, columns)
