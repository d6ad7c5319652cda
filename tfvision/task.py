"""The contract between a problem and the Trainer, the evaluator and the exporter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tfvision.net import Net

__all__ = ["Net", "Task"]


@dataclasses.dataclass(frozen=True)
class Task:
    """All that the Trainer, the evaluator and the exporter need to know of a problem.

    fields: rows of the schema to decode.
    prepare: (example, training) -> sample of fixed shape with "image" and "frame"; an example
        that holds only an image is enough. A training example also has `seed` int64 [2] and,
        with config.inputs.turned, `portrait`, a bool scalar: is its batch's canvas turned?
    build: () -> Net.
    losses: (batch, outputs) -> {term: float32 scalar}, each divided by global counts.
    predict: (outputs, frame) -> predictions in original-image pixels, float32 or integers.
    metrics: () -> objects with reset / update(batch, predictions) / result, on host NumPy.
    examples: count -> a metric that keeps the images worth a look (metrics.examples), or None.
    mix: (training batch, seed int64 [2], step int64) -> batch, or None where batches stay as
        they are.
    serve_losses: can `losses` be taken of `net.serve`'s outputs? Where not, an evaluation has
        metrics alone."""

    name: str
    fields: tuple[str, ...]
    prepare: Callable
    build: Callable[[], Net]
    losses: Callable
    predict: Callable
    metrics: Callable[[], list]
    mix: Callable | None = None
    examples: Callable | None = None
    serve_losses: bool = True
