"""Object detection and instance segmentation: boxes with a class and a score, and their masks.

Axis letters: B batch, H, W of the canvas, M places for true boxes, D detections at most, K
classes, h, w cells of a mask in the frame of its box.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, kinds, metrics
from tfvision.architectures import detectors, rcnn, rcnn_network
from tfvision.inputs import canvas, mixing, multi_scale, object_tensors, orientation, targets
from tfvision.ops import images
from tfvision.records import dataset
from tfvision.task import Task
from tfvision.tasks import networks

PROPOSALS = object_tensors.PROPOSALS
_FIELDS = ("image", "boxes", "class_ids", "is_crowd", "difficult", "area")
# These keep the whole image on the canvas, so that a mask stays that of its whole box.
_WHOLE_IMAGE = ("stretch", "letterbox", "short_side")


class DetectionTask(Task):
    """Outputs: those of the model's family (`architectures.detectors`).

    Predictions: boxes float32 [B, D, 4] in the original images' pixels, scores [B, D], class_ids
    int32 [B, D] (-1: padding) by falling score, num_detections int32 [B]. Evaluation samples
    carry `truth/*`."""

    name = "detection"
    kinds = frozenset({kinds.BOXES})

    def __init__(self, config, class_names: Sequence[str]):
        self.config, self.class_names = config, class_names
        self.size = tuple(int(side) for side in config.inputs.image_size)
        self.train_size = tuple(int(side) for side in config.inputs.train_size) or self.size
        errors.choose(canvas.RESIZES, config.inputs.resize, "resize")
        self._make_metrics = metrics.named(self.name, config.metrics)
        self._detector = self._build_detector()
        self._places = max(int(config.detection.max_boxes), 1)
        self.serve_losses = self._detector.serve_losses
        self.fields = (
            *_FIELDS,
            *(("masks",) if self._detector.masks else ()),
            *((PROPOSALS,) if self._detector.proposals else ()),
        )
        if self._detector.proposals:
            _check_proposals(config)
        if config.inputs.aspect_ratio_grouping:
            _check_turned(config, self.train_size)
        _check_sides(config, self._detector.stride)
        self.mix = _mix(config, len(class_names))

    def _build_detector(self):
        name, section = self.config.model.name, self.config.detection
        detector = detectors.build(
            name,
            num_classes=len(self.class_names),
            options=configs.options(self.config.model, "name"),
            loss=configs.options(self.config.loss, "name"),
            score_threshold=section.score_threshold,
            nms_iou=section.nms_iou,
            soft_nms=section.soft_nms,
            max_detections=section.max_detections,
        )
        if detector.masks != (kinds.MASKS in self.kinds):
            task = "instance" if detector.masks else "detection"
            raise errors.UsageError(f"model '{name}' is for task '{task}', not '{self.name}'")
        return detector

    def prepare_train(self, example):
        inputs, section = self.config.inputs, self.config.detection
        sample = canvas.load(targets.complete(example), inputs, True)
        sample = targets.for_training(sample, difficult=section.train_difficult)
        if "masks" in sample:
            sample = object_tensors.framed(sample, section.mask_size)
        if inputs.aspect_ratio_grouping:
            sample = orientation.fit(sample, self.train_size, inputs, example["portrait"])
        else:
            sample = canvas.fit(sample, self.train_size, inputs)
        return {**self._inputs(sample), **targets.padded(sample, self._places)}

    def prepare_eval(self, example):
        inputs = self.config.inputs
        example = targets.complete(example)
        sample = canvas.fit(canvas.load(example, inputs, False), self.size, inputs)
        result = self._inputs(sample)
        if "boxes" in sample:
            difficult = self.config.detection.train_difficult
            sample = targets.for_training(sample, difficult=difficult)
            result |= targets.for_metrics(example)
            if self.serve_losses:
                result |= targets.padded(sample, self._places)
        return result

    def _inputs(self, sample):
        """The tensors that the network takes."""
        result = {key: sample[key] for key in ("image", "frame")}
        if self._detector.proposals:
            count = max(int(self.config.detection.max_proposals), 1)
            result |= targets.padded_proposals(sample, count)
        return result

    def build(self):
        inputs = self.config.inputs
        changes = inputs.multi_scale or inputs.aspect_ratio_grouping
        train_size = (None, None) if changes else self.train_size
        count, options = len(self.class_names), self._detector.options
        return networks.build(self.config, count, self.size, train_size, **options)

    def losses(self, batch, outputs, step=None):
        return self._detector.losses(batch, outputs, step)

    def predict(self, outputs, frame):
        detections = self._detector.detections(outputs, self.size)
        boxes = images.from_frame(detections["boxes"], frame)
        limits = tf.concat([frame[:, :2], frame[:, :2]], axis=1)[:, tf.newaxis]
        boxes = tf.clip_by_value(boxes, 0.0, limits)
        valid = (detections["class_ids"] >= 0)[..., tf.newaxis]
        return {**detections, "boxes": tf.where(valid, boxes, 0.0)}

    def metrics(self):
        return self._make_metrics(self.class_names)

    def examples(self, count):
        return metrics.BoxExamples(self.class_names, count)


class InstanceTask(DetectionTask):
    """Detection with masks.

    Predictions: those of `DetectionTask` and masks float32 [B, D, h, w], probabilities in the
    frame of each box (0 of padding), and image_size int32 [B, 2], height and width of the
    original. `ops.masks.from_box_frame` puts a mask onto its image."""

    name = "instance"
    kinds = frozenset({kinds.BOXES, kinds.MASKS})

    def __init__(self, config, class_names: Sequence[str]):
        if config.inputs.resize not in _WHOLE_IMAGE:
            raise errors.UsageError(
                f"config.inputs.resize is '{config.inputs.resize}'; task 'instance' takes one of:"
                f" {', '.join(_WHOLE_IMAGE)}"
            )
        if config.inputs.mix.name or config.inputs.multi_scale:
            raise errors.UsageError(
                "config.inputs.mix and multi_scale are for task 'detection'; they are not supported"
                " for 'instance'"
            )
        super().__init__(config, class_names)

    def predict(self, outputs, frame):
        predictions = super().predict(outputs, frame)
        valid = (predictions["class_ids"] >= 0)[..., tf.newaxis, tf.newaxis]
        predictions["masks"] = tf.where(valid, predictions["masks"], 0.0)
        predictions["image_size"] = tf.cast(tf.round(frame[:, :2]), tf.int32)
        return predictions


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
            "config.inputs.aspect_ratio_grouping is for R-CNN networks and not for"
            f" {name}; remove it"
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
