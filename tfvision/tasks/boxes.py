"""What the tasks of boxes have in common: object detection and instance segmentation.

Axis letters: B batch, H, W of the canvas, M places for true boxes, D detections at most, K
classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, metrics, models
from tfvision.inputs import canvas, mixing, multi_scale, objects, orientation, truth
from tfvision.models import detectors, rcnn, rcnn_network
from tfvision.ops import images
from tfvision.records import dataset
from tfvision.task import Task

FIELDS = ("image", "boxes", "class_ids", "is_crowd", "difficult", "area")
PROPOSALS = objects.PROPOSALS


def build(
    config,
    class_names: Sequence[str],
    name: str,
    masks: bool = False,
) -> Task:
    """The task `name` of a config, for classes in id order, with masks or without.

    What it predicts stands in `tasks.detection` and `tasks.instance`."""
    classes = len(class_names)
    section, inputs = config.detection, config.inputs
    size = tuple(int(side) for side in inputs.image_size)
    train_size = tuple(int(side) for side in inputs.train_size) or size
    errors.choose(canvas.RESIZES, inputs.resize, "resize")
    make_metrics = metrics.named(name, config.metrics)
    options = configs.options(config.model, "name")
    family = detectors.build(
        config.model.name,
        num_classes=classes,
        options=options,
        loss=configs.options(config.loss, "name"),
        score_threshold=section.score_threshold,
        nms_iou=section.nms_iou,
        soft_nms=section.soft_nms,
        max_detections=section.max_detections,
    )
    if family.masks != masks:
        other = "instance" if family.masks else "detection"
        raise errors.UsageError(f"model '{config.model.name}' is for task '{other}', not '{name}'")
    places = max(int(section.max_boxes), 1)
    if family.proposals:
        _check_proposals(config)
    if inputs.turned:
        _check_turned(config, train_size)
    _check_sides(config, family.stride)

    def prepare(example, training):
        sample = canvas.load(truth.complete(example), inputs, training)
        if "boxes" in sample and training:
            sample = truth.for_training(sample, difficult=section.train_difficult)
            if "masks" in sample:
                sample = objects.framed(sample, section.mask_size)
        if training and inputs.turned:
            sample = orientation.fit(sample, train_size, inputs, example["portrait"])
        else:
            sample = canvas.fit(sample, train_size if training else size, inputs)
        result = {key: sample[key] for key in ("image", "frame")}
        if family.proposals:
            result |= truth.padded_proposals(sample, max(int(section.max_proposals), 1))
        if "boxes" in sample:
            if not training:
                sample = truth.for_training(sample, difficult=section.train_difficult)
                result |= truth.for_metrics(truth.complete(example))
            if training or family.serve_losses:
                result |= truth.padded(sample, places)
        return result

    def build():
        canvas_size = (None, None) if inputs.multi_scale or inputs.turned else train_size
        return models.build(
            config.model.name,
            num_classes=classes,
            image_size=size,
            **({"train_size": canvas_size} if canvas_size != size else {}),
            **family.options,
            **options,
        )

    def task_losses(batch, outputs):
        return family.losses(batch, outputs)

    def predict(outputs, frame):
        found = family.detections(outputs, size)
        boxes = images.from_frame(found["boxes"], frame)
        limits = tf.concat([frame[:, :2], frame[:, :2]], axis=1)[:, tf.newaxis]
        boxes = tf.clip_by_value(boxes, 0.0, limits)
        known = (found["class_ids"] >= 0)[..., tf.newaxis]
        found = {**found, "boxes": tf.where(known, boxes, 0.0)}
        if masks:
            found["masks"] = tf.where(known[..., tf.newaxis], found["masks"], 0.0)
            found["image_size"] = tf.cast(tf.round(frame[:, :2]), tf.int32)
        return found

    return Task(
        name,
        (*FIELDS, *(("masks",) if masks else ()), *((PROPOSALS,) if family.proposals else ())),
        prepare,
        build,
        task_losses,
        predict,
        lambda: make_metrics(class_names),
        _mix(config, classes),
        lambda count: metrics.BoxExamples(class_names, count),
        family.serve_losses,
    )


def _check_proposals(config) -> None:
    """Raises DataError where the records have no proposals, which the network looks at."""
    if config.data.path:
        data = dataset.read(config.data.path)
        if PROPOSALS not in data.groups:
            raise errors.DataError(
                f"{data.path} has no proposals, which {config.model.name} looks at; convert it with"
                " --proposals=fast (or quality)"
            )


def _check_sides(config, stride: int) -> None:
    """Raises UsageError for a canvas that the cells of a network do not cover exactly."""
    for key in ("image_size", "train_size", "multi_scale"):
        sides = tuple(config.inputs[key])
        if any(side % stride for side in sides):
            near = tuple(max(round(side / stride), 1) * stride for side in sides)
            raise errors.UsageError(
                f"config.inputs.{key} is {sides}; {config.model.name} takes multiples of {stride},"
                f" such as {near}"
            )


def _check_turned(config, train_size: canvas.Size) -> None:
    """Raises UsageError where training cannot have a canvas and a turned one."""
    name = config.model.name
    if name not in rcnn.RCNN:
        raise errors.UsageError(
            f"config.inputs.turned is for R-CNN networks and not for {name}; leave it out"
        )
    orientation.check(config.inputs, train_size)
    # The network is built for any size and would not look.
    rcnn_network.canvas(train_size, rcnn.ARCHITECTURES[name].family.stride)


def _mix(config, classes: int):
    """Mosaic and the change of the batch's size, in this order, where the config asks for them."""
    mosaic = mixing.build(config.inputs.mix, classes, mixing.BOX_MIXES)
    sizes, every = tuple(config.inputs.multi_scale), config.inputs.multi_scale_every
    if sizes:
        multi_scale.check(sizes)
    if mosaic is None and not sizes:
        return None

    def mix(batch, seed, step):
        if mosaic is not None:
            batch = mosaic(batch, seed, step)
        if sizes:
            batch = multi_scale.resize(batch, multi_scale.side(config.seed, step, sizes, every))
        return batch

    return mix
