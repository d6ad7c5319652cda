"""Classification: one label per image (softmax) or several (sigmoid).

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import tensorflow as tf

from tfvision import architectures, errors, kinds, losses, metrics
from tfvision.inputs import augment, canvas, mixing
from tfvision.ops import images, reduce
from tfvision.task import Task
from tfvision.tasks import networks

HEADS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}
TOP = 5  # class ids and names in a reply


class ClassificationTask(Task):
    """Outputs: class_logits [B, K], and aux_logits [B, K] of some networks in training.

    Predictions: class_ids int32 and top_scores float32 [B, min(5, K)], side by side by falling
    score; scores [B, K] of all classes in id order."""

    name = "classification"
    kinds = frozenset({kinds.SCORES})
    fields = ("image", "labels")

    def __init__(self, config, class_names: Sequence[str]):
        self.config, self.class_names = config, class_names
        head = errors.choose(HEADS, config.head, "head")
        errors.choose(architectures.CLASSIFIERS, config.model.name, "classification model")
        errors.choose(canvas.RESIZES, config.inputs.resize, "resize")
        self.multi_label = config.head == "sigmoid"
        self.size = tuple(int(side) for side in config.inputs.image_size)
        terms = losses.named.terms(
            config.loss, losses.CLASSIFICATION, default=head, what="classification loss"
        )
        self._loss = tuple(map(self._on_probabilities, terms))
        metric_names = "multi_label" if self.multi_label else "classification"
        self._make_metrics = metrics.named(metric_names, config.metrics)
        self.mix = mixing.build(config.inputs.mix, len(class_names))

    def _on_probabilities(self, term):
        """Distances compare sigmoids where an image has several labels."""
        if self.multi_label and term.name in losses.ON_PROBABILITIES:
            return dataclasses.replace(term, options={"on": "sigmoid", **term.options})
        return term

    def prepare_train(self, example):
        inputs, seed = self.config.inputs, example["seed"]
        window = augment.window(inputs.crop, seed)
        if window is None:
            image, frame = canvas.resize(canvas.whole(example, inputs), self.size, inputs)
        else:
            least = (lambda part: tf.constant(self.size)) if inputs.scaled_decoding else None
            pixels, _, _ = canvas.crop(example, window, least)
            image, frame = images.stretch(pixels, self.size, antialias=inputs.antialias)
        image = augment.apply({"image": image}, seed, inputs.augment)["image"]
        return self._sample(example, image, frame)

    def prepare_eval(self, example):
        inputs = self.config.inputs
        image, frame = canvas.resize(canvas.whole(example, inputs), self.size, inputs)
        return self._sample(example, image, frame)

    def _sample(self, example, image, frame):
        sample = {"image": tf.ensure_shape(image, (*self.size, 3)), "frame": frame}
        if "labels" in example:
            sample["labels"] = self._labels(example)
        return sample

    def _labels(self, example):
        """The class id, int32; for several labels 0 and 1 for each class, float32 [K]."""
        ids = tf.cast(example["labels"], tf.int32)
        if self.multi_label:
            ids = tf.concat([ids, [-1]], axis=0)
            return tf.reduce_max(tf.one_hot(ids, len(self.class_names)), axis=0)
        tf.debugging.assert_equal(
            tf.size(ids), 1, "an image has several labels; use --config.head=sigmoid"
        )
        return ids[0]

    def build(self):
        return networks.build(self.config, len(self.class_names), self.size)

    def losses(self, batch, outputs, step=None):
        values = functools.partial(self._values, batch)
        return networks.losses(values, outputs, self.config.aux_weight)

    def _values(self, batch, logits, prefix):
        """{name: the mean over the batch} of the loss's terms."""

        def mean(term):
            targets = batch["labels"]
            if targets.dtype.is_integer and term.name != "cross_entropy":
                targets = tf.one_hot(targets, len(self.class_names))
            return reduce.global_mean(term(logits, targets), batch["valid"])

        return losses.named.total(self._loss, mean, prefix)

    def predict(self, outputs, frame):
        del frame  # labels have no place in the image
        logits = tf.cast(outputs["class_logits"], tf.float32)
        scores = tf.sigmoid(logits) if self.multi_label else tf.nn.softmax(logits)
        top = tf.math.top_k(scores, min(TOP, len(self.class_names)))
        return {"class_ids": top.indices, "top_scores": top.values, "scores": scores}

    def metrics(self):
        return self._make_metrics(self.class_names)

    def examples(self, count):
        return metrics.Examples(self.class_names, count)
