"""Classification: one label an image (softmax) or several (sigmoid).

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, losses, metrics, models
from tfvision.inputs import augment, canvas, decode, mixing, scaled
from tfvision.ops import images, reduce
from tfvision.task import Task

HEADS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}
TOP = 5  # class ids and names in a reply


def classification(config, class_names: Sequence[str]) -> Task:
    """The task of a config with a `head`, for classes in id order.

    Outputs: class_logits [B, K]. Predictions: class_ids int32 and top_scores float32
    [B, min(5, K)], side by side by falling score; scores [B, K] of all classes in id order."""
    loss_name = config.loss.name or errors.choose(HEADS, config.head, "head")
    errors.choose(models.CLASSIFIERS, config.model.name, "classification model")
    classes = len(class_names)
    several = errors.choose(HEADS, config.head, "head") == HEADS["sigmoid"]
    size = tuple(int(side) for side in config.inputs.image_size)
    errors.choose(canvas.RESIZES, config.inputs.resize, "resize")
    loss = errors.choose(losses.CLASSIFICATION, loss_name, "classification loss")
    loss_options = configs.options(config.loss, "name")
    errors.options(loss, loss_options, f"config.loss: loss '{loss_name}'", 2)
    if several and loss_name in losses.ON_PROBABILITIES:
        loss_options = {"on": "sigmoid", **loss_options}

    make_metrics = metrics.named("multi_label" if several else "classification", config.metrics)

    def labels(example):
        ids = tf.cast(example["labels"], tf.int32)
        if several:
            return tf.reduce_max(tf.one_hot(tf.concat([ids, [-1]], axis=0), classes), axis=0)
        tf.debugging.assert_equal(
            tf.size(ids), 1, "an image has several labels; use --config.head=sigmoid"
        )
        return ids[0]

    def crop(example, window):
        if config.inputs.scaled_decoding:
            return scaled.crop(example, window, lambda part: tf.constant(size))[0]
        return decode.crop(example, window)[0]

    def prepare(example, training):
        seed = example.get("seed")
        window = augment.window(config.inputs.crop, seed) if training else None
        if window is None:
            image, frame = canvas.resize(canvas.whole(example, config.inputs), size, config.inputs)
        else:
            pixels = crop(example, window)
            image, frame = images.stretch(pixels, size, antialias=config.inputs.antialias)
        if training:
            image = augment.apply({"image": image}, seed, config.inputs.augment)["image"]
        sample = {"image": tf.ensure_shape(image, (*size, 3)), "frame": frame}
        if "labels" in example:
            sample["labels"] = labels(example)
        return sample

    def build():
        options = configs.options(config.model, "name")
        return models.build(config.model.name, num_classes=classes, image_size=size, **options)

    def task_losses(batch, outputs):
        targets = batch["labels"]
        if targets.dtype.is_integer and loss_name != "cross_entropy":
            targets = tf.one_hot(targets, classes)
        what = f"loss '{loss_name}'"

        def term(logits):
            values = errors.call(loss, loss_options, what, logits, targets)
            return reduce.global_mean(values, batch["valid"])

        terms = {"class": term(outputs["class_logits"])}
        if "aux_logits" in outputs:
            terms["aux"] = config.aux_weight * term(outputs["aux_logits"])
        return terms

    def predict(outputs, frame):
        del frame  # labels have no place in the image
        logits = tf.cast(outputs["class_logits"], tf.float32)
        scores = tf.sigmoid(logits) if several else tf.nn.softmax(logits)
        top = tf.math.top_k(scores, min(TOP, classes))
        return {"class_ids": top.indices, "top_scores": top.values, "scores": scores}

    return Task(
        "classification",
        ("image", "labels"),
        prepare,
        build,
        task_losses,
        predict,
        lambda: make_metrics(class_names),
        mixing.build(config.inputs.mix, classes),
        lambda count: metrics.Examples(class_names, count),
    )
