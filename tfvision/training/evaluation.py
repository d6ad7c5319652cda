"""One pass over a split: predictions, losses and metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tfvision.net import Net
from tfvision.task import Task


class Evaluator:
    """Evaluates a net; the graph is traced once and kept."""

    def __init__(self, task: Task, net: Net):
        self.task, self.net = task, net
        self.metrics = task.metrics()
        self._forward = tf.function(self._graph, reduce_retracing=True)

    def _graph(self, batch):
        outputs = self.net.serve(Net.pick(self.net.serve, batch), training=False)
        losses = self.task.losses(batch, outputs) if self.task.serve_losses else {}
        return self.task.predict(outputs, batch["frame"]), losses

    def run(self, dataset: Iterable) -> dict[str, float]:
        """Returns the metrics and, of a task with `serve_losses`, `loss`, its mean over the valid
        images."""
        for metric in self.metrics:
            metric.reset()
        losses, images = {}, 0
        for batch in dataset:
            numeric = {k: v for k, v in batch.items() if v.dtype != tf.string}
            predictions, terms = self._forward(numeric)
            host = {k: v.numpy() for k, v in batch.items() if k != "image"}
            predictions = {k: v.numpy() for k, v in predictions.items()}
            count = int(np.sum(host["valid"]))
            images += count
            for name, value in terms.items():
                losses[name] = losses.get(name, 0.0) + float(value) * count
            for metric in self.metrics:
                metric.update(host, predictions)
        results = {}
        for metric in self.metrics:
            results |= metric.result()
        mean = {f"loss_{name}": value / max(images, 1) for name, value in losses.items()}
        whole = {"loss": sum(mean.values())} if mean else {}
        return {**results, **whole, **mean, "images": float(images)}

    def tables(self) -> list[str]:
        """The per-class tables of the metrics that have one."""
        return [metric.table() for metric in self.metrics if hasattr(metric, "table")]

    def arrays(self) -> dict[str, Any]:
        """What else the metrics counted, such as the confusion matrix, ready for JSON.

        `per_class` and `curves` are those of the first metric that has some, and `mask_per_class`
        and `mask_curves` of the first that measures masks."""
        found = {}
        for metric in self.metrics:
            prefix = getattr(metric, "prefix", "")
            if hasattr(metric, "confusion"):
                found["confusion"] = metric.confusion.tolist()
            if hasattr(metric, "per_class") and f"{prefix}per_class" not in found:
                rows = _rows(metric.per_class())
                found[f"{prefix}per_class"] = dict(zip(metric.class_names, rows, strict=True))
            if hasattr(metric, "reliability"):
                found["reliability"] = _rows(metric.reliability())
            if hasattr(metric, "curves") and f"{prefix}curves" not in found:
                drawn = metric.curves().items()
                found[f"{prefix}curves"] = {name: _sampled(curve) for name, curve in drawn}
        return found


def _rows(columns: dict[str, np.ndarray]) -> list[dict[str, float | int | None]]:
    """Columns of equal length as one dict a row; what has no value is None."""
    return [
        {k: None if np.isnan(v) else v.item() for k, v in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]


def _sampled(curve: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """A precision-recall curve at 101 recalls: the best precision at that recall or more."""
    recalls = np.linspace(0.0, 1.0, 101)
    precision, recall = (np.nan_to_num(curve[k]) for k in ("precision", "recall"))
    best = [precision[recall >= r - 1e-9].max(initial=0.0) for r in recalls]
    return {"recall": recalls.round(2).tolist(), "precision": np.round(best, 4).tolist()}
