"""Semantic segmentation: a class for every pixel; void pixels (255) are not counted.

Axis letters: B batch, H, W of the canvas, h, w of the original images, K classes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import tensorflow as tf

from tfvision import architectures, errors, kinds, losses, metrics, schema
from tfvision.inputs import canvas
from tfvision.ops import maps, reduce
from tfvision.task import Task
from tfvision.tasks import networks

# Options of the losses per pixel that say how much each pixel counts.
_WEIGHTING = dict.fromkeys(losses.PIXELS, ("class_weights", "hardest"))


class SegmentationTask(Task):
    """Outputs: class_logits [B, H, W, K], and aux_logits of some networks in training.

    Predictions: class_map uint8 [B, h, w] in the original images' pixels, padded with void to the
    largest of the batch; image_size int32 [B, 2]; with config.probabilities also probabilities
    float32 [B, h, w, K]. Evaluation samples carry `truth/label_map`, the PNG."""

    name = "segmentation"
    kinds = frozenset({kinds.MAPS})
    fields = ("image", "label_map")

    def __init__(self, config, class_names: Sequence[str]):
        if len(class_names) >= schema.VOID:
            raise errors.DataError(
                f"the data set has {len(class_names)} classes; a label map contains at most"
                f" {schema.VOID - 1}"
            )
        self.config, self.class_names = config, class_names
        self.size = tuple(int(side) for side in config.inputs.image_size)
        self.train_size = tuple(int(side) for side in config.inputs.train_size) or self.size
        errors.choose(canvas.RESIZES, config.inputs.resize, "resize")
        errors.choose(architectures.SEGMENTERS, config.model.name, "segmentation model")
        self._loss = losses.named.terms(
            config.loss,
            {**losses.PIXELS, **losses.SEGMENTATION},
            default="cross_entropy",
            what="segmentation loss",
            extra=_WEIGHTING,
        )
        self._make_metrics = metrics.named(self.name, config.metrics)

    def prepare_train(self, example):
        inputs = self.config.inputs
        return canvas.fit(canvas.load(example, inputs, True), self.train_size, inputs)

    def prepare_eval(self, example):
        inputs = self.config.inputs
        sample = canvas.fit(canvas.load(example, inputs, False), self.size, inputs)
        if "label_map" in example:
            sample["truth/label_map"] = example["label_map"]
        return sample

    def build(self):
        return networks.build(self.config, len(self.class_names), self.size, self.train_size)

    def losses(self, batch, outputs, step=None):
        values = functools.partial(self._values, batch)
        return networks.losses(values, outputs, self.config.aux_weight)

    def _values(self, batch, logits, prefix):
        """{name: the mean over the batch's labelled pixels or images} of the loss's terms."""
        labels, valid = batch["label_map"], batch["valid"]

        def mean(term):
            values = term(logits, labels)
            if term.name in losses.SEGMENTATION:
                labelled = tf.reduce_any(labels != schema.VOID, axis=[1, 2])
                return reduce.global_mean(values, valid & labelled)
            weights = losses.pixel_weights(values, labels, len(self.class_names), **term.extra)
            weights = tf.where(valid[:, tf.newaxis, tf.newaxis], weights, 0.0)
            return reduce.global_mean(values, weights)

        return losses.named.total(self._loss, mean, prefix)

    def predict(self, outputs, frame):
        logits = tf.cast(outputs["class_logits"], tf.float32)
        return maps.original(logits, frame, probabilities=self.config.probabilities)

    def metrics(self):
        return self._make_metrics(self.class_names)

    def examples(self, count):
        return metrics.MapExamples(self.class_names, count)
