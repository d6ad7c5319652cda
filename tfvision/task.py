"""The contract between a problem and the Trainer, the evaluator and the exporter."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tfvision.net import Net

__all__ = ["Net", "Task"]

Tensors = Mapping[str, tf.Tensor]


class Task(abc.ABC):
    """All that the Trainer, the evaluator and the exporter need to know of a problem.

    name: as in config.task. kinds: of its predictions, see `tfvision.kinds`. fields: rows of the
    schema to decode. mix: (training batch, seed int64 [2], step int64) -> batch, or None where
    batches stay as they are. serve_losses: can `losses` be taken of `net.serve`'s outputs? Where
    not, an evaluation has metrics alone.

    The constructor checks the config: it raises UsageError for wrong names and options, and
    DataError for data that do not fit."""

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]
    fields: tuple[str, ...]
    mix: Callable | None = None
    serve_losses: bool = True

    @abc.abstractmethod
    def prepare_train(self, example: Tensors) -> dict[str, tf.Tensor]:
        """A sample of fixed shape with "image" and "frame", cropped and augmented.

        example: the decoded fields; `seed` int64 [2]; and with config.inputs.aspect_ratio_grouping
        `portrait`, a bool scalar: is its batch's canvas turned?"""

    @abc.abstractmethod
    def prepare_eval(self, example: Tensors) -> dict[str, tf.Tensor]:
        """A sample of fixed shape with "image" and "frame", for evaluation and serving.

        An example that contains only an image is enough."""

    @abc.abstractmethod
    def build(self) -> Net:
        """The networks of training and serving."""

    @abc.abstractmethod
    def losses(
        self, batch: Tensors, outputs: Tensors, step: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """{term: float32 scalar}, each divided by global counts.

        step: int64 scalar, of the training, from 0; None in evaluation."""

    @abc.abstractmethod
    def predict(self, outputs: Tensors, frame: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predictions in original-image pixels, float32 or integers."""

    @abc.abstractmethod
    def metrics(self) -> list:
        """`metrics.Metric` objects: reset, update(batch, predictions), result; on NumPy."""

    def examples(self, count: int) -> Any | None:
        """A metric that keeps the images worth a look (metrics.examples), or None."""
        del count
