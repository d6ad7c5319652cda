"""Semantic segmentation: a class for every pixel; void pixels (255) count for nothing.

Axis letters: B batch, H, W of the canvas, h, w of the original images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, losses, metrics, models, schema
from tfvision.inputs import canvas
from tfvision.ops import maps, reduce
from tfvision.task import Task

# Options of a loss a pixel that say how much each pixel counts.
_WEIGHTING = ("class_weights", "hardest")


def segmentation(config, class_names: Sequence[str]) -> Task:
    """The task of a config, for classes in id order.

    Outputs: class_logits [B, H, W, K] (aux_logits too in training). Predictions: class_map
    uint8 [B, h, w] in the original images' pixels, padded with void to the largest of the
    batch; image_size int32 [B, 2]; with config.probabilities also probabilities float32
    [B, h, w, K]. Evaluation samples carry `truth/label_map`, the PNG."""
    classes = len(class_names)
    if classes >= schema.VOID:
        raise errors.DataError(
            f"the data set has {classes} classes; a label map holds at most {schema.VOID - 1}"
        )
    size = tuple(int(side) for side in config.inputs.image_size)
    train_size = tuple(int(side) for side in config.inputs.train_size) or size
    errors.choose(canvas.RESIZES, config.inputs.resize, "resize")
    errors.choose(models.SEGMENTERS, config.model.name, "segmentation model")
    name = config.loss.name or "cross_entropy"
    loss = errors.choose({**losses.PIXELS, **losses.SEGMENTATION}, name, "segmentation loss")
    loss_options = configs.options(config.loss, "name")
    weighting = {}
    if name in losses.PIXELS:
        weighting = {k: loss_options.pop(k) for k in _WEIGHTING if k in loss_options}
    errors.options(loss, loss_options, f"config.loss: loss '{name}'", 2)
    make_metrics = metrics.named("segmentation", config.metrics)

    def prepare(example, training):
        sample = canvas.load(example, config.inputs, training)
        sample = canvas.fit(sample, train_size if training else size, config.inputs)
        if not training and "label_map" in example:
            sample["truth/label_map"] = example["label_map"]
        return sample

    def build():
        options = configs.options(config.model, "name")
        if train_size != size:
            options["train_size"] = train_size
        return models.build(config.model.name, num_classes=classes, image_size=size, **options)

    def task_losses(batch, outputs):
        labels = batch["label_map"]

        def term(logits):
            values = errors.call(loss, loss_options, f"loss '{name}'", logits, labels)
            if name in losses.SEGMENTATION:
                known = tf.reduce_any(labels != schema.VOID, axis=[1, 2])
                return reduce.global_mean(values, batch["valid"] & known)
            weights = losses.pixel_weights(values, labels, classes, **weighting)
            return reduce.global_mean(
                values, tf.where(batch["valid"][:, tf.newaxis, tf.newaxis], weights, 0.0)
            )

        terms = {"class": term(outputs["class_logits"])}
        if "aux_logits" in outputs:
            terms["aux"] = config.aux_weight * term(outputs["aux_logits"])
        return terms

    def predict(outputs, frame):
        return maps.original(
            tf.cast(outputs["class_logits"], tf.float32),
            frame,
            probabilities=config.probabilities,
        )

    return Task(
        "segmentation",
        ("image", "label_map"),
        prepare,
        build,
        task_losses,
        predict,
        lambda: make_metrics(class_names),
        examples=lambda count: metrics.MapExamples(class_names, count),
    )
