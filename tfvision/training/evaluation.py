"""One pass over a split: predictions, losses and metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tfvision.metrics.metric import Columns, Report, in_turn
from tfvision.net import Net
from tfvision.task import Task
from tfvision.training.distributed import Workers


class Evaluator:
    """Evaluates a net; the graph is traced once and kept.

    workers: share the batches out, and have the same results afterwards."""

    def __init__(self, task: Task, net: Net, workers: Workers | None = None):
        self.task, self.net, self._workers = task, net, workers
        self.metrics = task.metrics()
        self._reports: list[Report] | None = None
        self._forward = tf.function(self._graph, reduce_retracing=True, autograph=False)

    def _graph(self, batch):
        outputs = self.net.serve(Net.pick(self.net.serve, batch), training=False)
        losses = self.task.losses(batch, outputs) if self.task.serve_losses else {}
        return self.task.predict(outputs, batch["frame"]), losses

    def run(self, dataset: Iterable) -> dict[str, float]:
        """Returns the metrics and, of a task with `serve_losses`, `loss`, its mean over the valid
        images."""
        self._reports = None
        for metric in self.metrics:
            metric.reset()
        terms_of, size = [], 1  # of each batch, its images and the means of its loss terms
        for batch in dataset:
            numeric = {k: v for k, v in batch.items() if v.dtype != tf.string}
            predictions, terms = self._forward(numeric)
            host = {k: v.numpy() for k, v in batch.items() if k != "image"}
            predictions = {k: v.numpy() for k, v in predictions.items()}
            size = len(host["valid"])
            means = {name: float(value) for name, value in terms.items()}
            terms_of.append((int(np.sum(host["valid"])), means))
            for metric in self.metrics:
                metric.update(host, predictions)
        if self._workers is not None and self._workers.count > 1:
            terms_of = self._of_all(terms_of, size)
        results = {}
        for metric in self.metrics:
            results |= metric.result()
        return {**results, **_losses(terms_of)}

    def _of_all(self, terms_of: list, batch_size: int) -> list:
        """Brings the metrics to what all workers have measured; returns the terms of all."""
        gathered = [metric.gathered() for metric in self.metrics]
        parts = self._workers.share((batch_size, terms_of, gathered))
        batch_size = max(size for size, *_ in parts)  # a worker without a batch knows none
        for metric, *of_metric in zip(self.metrics, *(part[2] for part in parts), strict=True):
            metric.combine(of_metric, batch_size)
        return in_turn([part[1] for part in parts], 1)

    def lower_is_better(self, results: Iterable[str]) -> list[str]:
        """Which of these results are the better the lower: losses, and what metrics say."""
        lower = {k for m in self.metrics if not m.higher_is_better for k in m.result()}
        return [k for k in results if k in lower or k == "loss" or k.startswith("loss_")]

    def reports(self) -> list[Report]:
        """What the metrics have to show of the last run."""
        if self._reports is None:
            self._reports = [metric.report() for metric in self.metrics]
        return self._reports

    def tables(self) -> list[str]:
        """The per-class tables of the metrics that have one."""
        return [report.table for report in self.reports() if report.table]

    def arrays(self) -> dict[str, Any]:
        """What else the metrics counted, such as the confusion matrix, ready for JSON.

        `per_class` and `curves` are those of the first metric that has some, and `mask_per_class`
        and `mask_curves` of the first that measures masks."""
        collected: dict[str, Any] = {}
        for report in self.reports():
            if report.confusion is not None:
                collected["confusion"] = report.confusion.tolist()
            if report.per_class:
                rows = zip(report.class_names, _rows(report.per_class), strict=True)
                collected.setdefault(f"{report.prefix}per_class", dict(rows))
            if report.reliability:
                collected["reliability"] = _rows(report.reliability)
            if report.curves:
                drawn = {name: _sampled(curve) for name, curve in report.curves.items()}
                collected.setdefault(f"{report.prefix}curves", drawn)
        return collected


def _losses(terms_of: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """The means over all images from those of batches, their sum `loss`, and `images`."""
    sums: dict[str, float] = {}
    for count, terms in terms_of:
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + value * count
    images = sum(count for count, _ in terms_of)
    mean = {f"loss_{name}": value / max(images, 1) for name, value in sums.items()}
    whole = {"loss": sum(mean.values())} if mean else {}
    return {**whole, **mean, "images": float(images)}


def _rows(columns: Columns) -> list[dict[str, float | int | None]]:
    """Columns of equal length as one dict a row; what has no value is None."""
    return [
        {k: None if np.isnan(v) else v.item() for k, v in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]


def _sampled(curve: Columns) -> dict[str, list[float]]:
    """A precision-recall curve at 101 recalls: the best precision at that recall or more."""
    recalls = np.linspace(0.0, 1.0, 101)
    precision, recall = (np.nan_to_num(curve[k]) for k in ("precision", "recall"))
    best = [precision[recall >= r - 1e-9].max(initial=0.0) for r in recalls]
    return {"recall": recalls.round(2).tolist(), "precision": np.round(best, 4).tolist()}
