"""Detection networks by name, and what a task must know of each family: its losses and answers.

Axis letters: B batch, H, W, N boxes, D detections at most, K classes.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from tfvision import errors, layers
from tfvision.architectures import rcnn, yolo_networks
from tfvision.darknet import cfg_file
from tfvision.losses import rcnn_losses, yolo_losses
from tfvision.losses.iou_losses import BOXES
from tfvision.net import Net
from tfvision.ops import nms, reduce
from tfvision.ops import yolo_decode as yolo_ops


@dataclasses.dataclass(frozen=True)
class Detector:
    """One network's family.

    losses: (batch, outputs, step) -> {term: float32 scalar}, each divided by global counts; step is
    the training's, or None; the batch has `boxes` [B, M, 4] in canvas pixels, `class_ids` [B, M]
    and `valid` [B]. detections: (outputs, (H, W)) -> boxes [B, D, 4] in canvas pixels, scores,
    class_ids [B, D] (-1: padding), num_detections [B] and, where the network has `masks`, masks
    [B, D, h, w], probabilities in the frame of each box. options: for the network's builder,
    beside the config's.
    proposals: does the network take `proposals` [B, R, 4] and `num_proposals` [B] too?
    serve_losses: can `losses` be taken of the serving graph's outputs?
    stride: both sides of a canvas are multiples of it, in pixels."""

    losses: Callable
    detections: Callable
    options: Mapping = dataclasses.field(default_factory=dict)
    masks: bool = False
    proposals: bool = False
    serve_losses: bool = True
    stride: int = 1


def build(
    name: str,
    *,
    num_classes: int,
    options: Mapping,
    loss: Mapping,
    score_threshold: float,
    nms_iou: float,
    soft_nms: str,
    max_detections: int,
) -> Detector:
    """The family of a network. options: the network's, loss: the loss function's.

    Raises UsageError for an unknown name or option."""
    errors.choose(DETECTORS, name, "detection model")
    if soft_nms:
        errors.choose(nms.DECAYS, soft_nms, "soft NMS")
    limits = {"score_threshold": score_threshold, "max_detections": max_detections}
    if name in rcnn.RCNN:
        if soft_nms:
            raise errors.UsageError(
                f"{name} has no soft NMS; leave config.detection.soft_nms empty"
            )
        return _rcnn(name, options=options, loss=loss, limits={**limits, "nms_iou": nms_iou})
    return _yolo(
        name,
        num_classes=num_classes,
        options=options,
        loss=loss,
        limits={**limits, "iou_threshold": nms_iou},
        soft_nms=soft_nms,
    )


def _rcnn(name: str, *, options: Mapping, loss: Mapping, limits: Mapping) -> Detector:
    for option in limits:
        if option in options:
            raise errors.UsageError(
                f"config.model.{option} is set; it belongs to config.detection.{option}"
            )

    errors.options(rcnn_losses.terms, loss, f"config.loss: the loss of {name}", 1)
    _check_box_loss(loss)
    if loss.get("box_loss") and "beta" in loss:
        raise errors.UsageError(
            f"config.loss.beta is {loss['beta']}; it is of the smooth L1, and config.loss.box_loss"
            f" is '{loss['box_loss']}'; remove one of them"
        )

    def losses(batch, outputs, step):
        terms = errors.call(rcnn_losses.terms, loss, f"the loss of {name}", outputs)
        valid = batch["valid"]
        return {term: reduce.global_ratio(*parts, valid) for term, parts in terms.items()}

    family = rcnn.ARCHITECTURES[name].family
    masks, given = family.masks is not None, family.proposals is None
    kept = ("boxes", "scores", "class_ids", "num_detections", *(("masks",) if masks else ()))

    def detections(outputs, size):
        return {key: outputs[key] for key in kept}

    return Detector(losses, detections, limits, masks, given, serve_losses=False)


def _yolo(
    name: str,
    *,
    num_classes: int,
    options: Mapping,
    loss: Mapping,
    limits: Mapping,
    soft_nms: str,
) -> Detector:
    with errors.reported(f"config.model: {name} cannot be built"):
        heads = _HEADS[name](num_classes=num_classes, **options)
    if not heads:
        raise errors.UsageError(f"model '{name}' has no layer of boxes; it detects nothing")
    kind = heads[0].kind
    _check_loss(kind, loss, f"config.loss: the loss of {name}")

    def losses(batch, outputs, step):
        raws = [outputs[f"yolo_{i}"] for i in range(len(heads))]
        ground_truth = (batch["boxes"], batch["class_ids"])
        what = f"the loss of {name}"
        if kind == "v3":
            terms = errors.call(yolo_losses.v3, loss, what, raws, heads, *ground_truth)
        elif kind == "v2":
            seen = None if step is None else step * tf.shape(batch["valid"], tf.int64)[0]
            terms = errors.call(
                yolo_losses.v2,
                {**loss, "images_seen": seen},
                what,
                raws[0],
                heads[0],
                *ground_truth,
            )
        else:
            terms = errors.call(yolo_losses.v1, loss, what, raws[0], heads[0], *ground_truth)
        return {term: reduce.global_mean(value, batch["valid"]) for term, value in terms.items()}

    def detections(outputs, size):
        boxes, objectness, probabilities = yolo_ops.decode_all(outputs, heads, size)
        scores = objectness[..., tf.newaxis] * probabilities
        if soft_nms:
            return nms.soft_per_class(boxes, scores, decay=soft_nms, **limits)
        return nms.per_class(boxes, scores, **limits)

    return Detector(losses, detections, stride=int(max(head.stride for head in heads)))


def _check_loss(kind: str, loss: Mapping, what: str) -> None:
    """Raises UsageError for an option that the loss of a version of YOLO does not have."""
    function = {"v3": yolo_losses.v3, "v1": yolo_losses.v1}.get(kind, yolo_losses.v2)
    errors.options(function, loss, what, 4)
    if "images_seen" in loss:
        raise errors.UsageError(f"{what}: images_seen is counted by the training; remove it")
    _check_box_loss(loss)


def _check_box_loss(loss: Mapping) -> None:
    if loss.get("box_loss"):
        errors.choose(BOXES, loss["box_loss"], "config.loss.box_loss")


_NETWORKS: dict[str, Callable] = {**yolo_networks.YOLO, "darknet": cfg_file.darknet}
_HEADS: dict[str, Callable] = {
    **{name: functools.partial(yolo_networks.heads, name) for name in yolo_networks.YOLO},
    "darknet": cfg_file.heads,
}


def _net(name: str) -> Callable[..., Net]:
    def build(
        *,
        num_classes: int,
        image_size: tuple[int, int],
        train_size: tuple[int | None, int | None] | None = None,
        **options,
    ) -> Net:
        """image_size: of evaluation and serving. train_size: of training, None where it changes
        from batch to batch; the same by default."""

        def model(size):
            image = keras.Input((*size, 3), name="image", dtype="float32")
            outputs = _NETWORKS[name](image, num_classes=num_classes, **options)
            return keras.Model({"image": image}, outputs, name=name)

        train = model(train_size or image_size)
        if tuple(train_size or image_size) == tuple(image_size):
            return Net(train, train)
        with layers.sharing(train):
            return Net(train, model(image_size))

    return build


DETECTORS = {**{name: _net(name) for name in _NETWORKS}, **rcnn.RCNN}
