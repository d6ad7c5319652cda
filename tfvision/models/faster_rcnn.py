"""Faster R-CNN (Ren et al. 2015, arXiv:1506.01497) on a feature pyramid (Lin et al. 2017,
arXiv:1612.03144), with torchvision's conventions, whose state dicts fill it by name.

Axis letters: B batch, H, W, R proposals, D detections, K classes (background on top, last).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras

from tfvision import errors
from tfvision.layers import rcnn, rcnn_samples
from tfvision.models import fpn, roi_heads, rpn
from tfvision.ops import rpn_anchors

STRIDE = 32  # both sides of a canvas are multiples of it


class Parts(NamedTuple):
    """What the graphs of one network start from.

    pyramid: {"p2": ..., "p6": ...}, what the regions' features come from; rpn: of `rpn.head`,
    empty without one; box_head: of `roi_heads`."""

    image: Any
    frame: Any
    pyramid: dict
    rpn: dict
    box_head: Callable


def canvas(image_size: tuple[int | None, int | None], stride: int = STRIDE) -> tuple:
    """The inputs image [B, H, W, 3] and frame [B, 6] of a network.

    Raises UsageError for a side that is no multiple of `stride`."""
    if any(side and side % stride for side in image_size):
        near = " x ".join(str(-(-(side or stride) // stride) * stride) for side in image_size)
        raise errors.UsageError(
            f"image_size is {image_size[0]} x {image_size[1]}; both must be multiples of {stride},"
            f" such as {near}"
        )
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    return image, keras.Input((6,), name="frame", dtype="float32")


def parts(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int | None, int | None],
    channels: int = 256,
    hidden: int = 1024,
    anchor_sizes: Sequence[Sequence[float]] = rpn_anchors.SIZES,
    anchor_ratios: Sequence[float] = rpn_anchors.RATIOS,
    pooling: str = "align",
    sampling_ratio: int = 2,
    aligned: bool = False,
    bn_frozen: bool = True,
    **backbone,
) -> Parts:
    """The inputs, the pyramid, the proposal network's answers and the box head.

    stages: image, bn_frozen=, **backbone -> {"c2": ..., "c5": ...}. image_size: of the canvas,
    multiples of 32, or None where a batch tells. channels: of the pyramid; hidden: of the box
    head. anchor_sizes: of levels 2 to 6. pooling: "align" or "pool" (Girshick 2015's ROI Pool);
    sampling_ratio, aligned: of ROI Align (torchvision's; detectron2 has 0, True).
    bn_frozen: normalisation as the checkpoint has it, which batches of a few images need."""
    image, frame = canvas(image_size)
    pyramid = fpn.pyramid(stages(image, bn_frozen=bn_frozen, **backbone), channels=channels)
    answers = rpn.head(image, pyramid, sizes=anchor_sizes, ratios=anchor_ratios)
    box = roi_heads.box_head(
        num_classes,
        hidden=hidden,
        pooling=pooling,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
    )
    return Parts(image, frame, pyramid, answers, box)


def detect(
    network: Parts,
    *,
    pre_nms: int = 1000,
    post_nms: int = 1000,
    proposal_nms_iou: float = 0.7,
    **limits,
) -> dict:
    """The outputs of serving: proposals, the box head's answers for them, and detections.

    pre_nms: proposals of a level before NMS, post_nms: of all levels after it (torchvision's
    1000 and 1000 at test). limits: of `judge`. Returns what it does with proposals [B, R, 4] in
    canvas pixels and num_proposals [B] beside it."""
    options = {"pre_nms": pre_nms, "post_nms": post_nms, "nms_iou": proposal_nms_iou}
    frame = {"frame": network.frame}
    found = rcnn.Proposals(name="proposals", **options)({**network.rpn, **frame})
    return {**found, **judge(network, found, **limits)}


def judge(
    network: Parts,
    found: dict,
    *,
    score_threshold: float = 0.05,
    nms_iou: float = 0.5,
    max_detections: int = 100,
) -> dict:
    """The box head's answers for proposals, and the detections that they amount to.

    found: proposals [B, R, 4] in canvas pixels, num_proposals [B]. Returns class_logits
    [B, R, K + 1], box_deltas [B, R, K + 1, 4], boxes [B, D, 4] in canvas pixels, scores [B, D],
    class_ids [B, D] (-1: padding), num_detections [B]."""
    logits, deltas = network.box_head(network.pyramid, found["proposals"])
    answers = {"class_logits": logits, "box_deltas": deltas}
    detections = rcnn.Detections(
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        max_detections=max_detections,
        name="detections",
    )({**found, **answers, "frame": network.frame})
    return {**answers, **detections}


def serving(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    name: str = "faster_rcnn",
    pre_nms: int = 1000,
    post_nms: int = 1000,
    proposal_nms_iou: float = 0.7,
    score_threshold: float = 0.05,
    nms_iou: float = 0.5,
    max_detections: int = 100,
    **options,
) -> keras.Model:
    """The network of serving: {"image": [B, H, W, 3] RGB 0..255, "frame": [B, 6]} -> `detect`'s
    outputs. options: those of `parts`, the backbone's among them."""
    network = parts(stages, num_classes=num_classes, image_size=image_size, **options)
    outputs = detect(
        network,
        pre_nms=pre_nms,
        post_nms=post_nms,
        proposal_nms_iou=proposal_nms_iou,
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        max_detections=max_detections,
    )
    return keras.Model({"image": network.image, "frame": network.frame}, outputs, name=name)


def truth_inputs() -> dict:
    """Of training: boxes [B, M, 4] in canvas pixels and class_ids int32 [B, M] (-1: padding)."""
    return {
        "boxes": keras.Input((None, 4), name="boxes", dtype="float32"),
        "class_ids": keras.Input((None,), name="class_ids", dtype="int32"),
    }


def learn(
    network: Parts,
    num_classes: int,
    *,
    train_pre_nms: int = 2000,
    train_post_nms: int = 2000,
    proposal_nms_iou: float = 0.7,
    anchor_samples: int = 256,
    region_samples: int = 512,
) -> tuple[dict, dict]:
    """The graph of training: (its inputs beyond image and frame, its outputs).

    The inputs are those of `truth_inputs`. train_pre_nms, train_post_nms: proposals of a level
    before NMS, of all after it (torchvision's). anchor_samples, region_samples: of an image, of
    which at most a half and a quarter are positive. Outputs: those of `layers.rcnn_samples`, and
    `learn_regions`'; `losses.rcnn.terms` takes them."""
    truth = truth_inputs()
    anchors = rcnn_samples.AnchorSamples(count=anchor_samples, name="anchor_samples")
    outputs = anchors({**network.rpn, **truth})
    found = rcnn.Proposals(
        pre_nms=train_pre_nms,
        post_nms=train_post_nms,
        nms_iou=proposal_nms_iou,
        name="train_proposals",
    )({**network.rpn, "frame": network.frame})
    return truth, {**outputs, **learn_regions(network, num_classes, found, truth, region_samples)}


def learn_regions(
    network: Parts, num_classes: int, found: dict, truth: dict, region_samples: int
) -> dict:
    """The outputs of training behind the proposals, which are the same in Fast R-CNN.

    found, truth: see `judge`, `truth_inputs`. Returns what is sampled (`RegionSamples`) with
    class_logits [B, S, K + 1] and box_deltas [B, S, K + 1, 4]."""
    regions = rcnn_samples.RegionSamples(num_classes, count=region_samples, name="region_samples")
    outputs = regions({**found, **truth})
    logits, deltas = network.box_head(network.pyramid, outputs["rois"], prefix="train_")
    return {**outputs, "class_logits": logits, "box_deltas": deltas}


def training(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int | None, int | None],
    name: str = "faster_rcnn",
    train_pre_nms: int = 2000,
    train_post_nms: int = 2000,
    proposal_nms_iou: float = 0.7,
    anchor_samples: int = 256,
    region_samples: int = 512,
    **options,
) -> keras.Model:
    """The network of training: {"image", "frame", "boxes", "class_ids"} -> `learn`'s outputs.

    `serving` built inside `layers.sharing` of it has the same weights. options: of `parts`."""
    network = parts(stages, num_classes=num_classes, image_size=image_size, **options)
    truth, outputs = learn(
        network,
        num_classes,
        train_pre_nms=train_pre_nms,
        train_post_nms=train_post_nms,
        proposal_nms_iou=proposal_nms_iou,
        anchor_samples=anchor_samples,
        region_samples=region_samples,
    )
    inputs = {"image": network.image, "frame": network.frame, **truth}
    return keras.Model(inputs, outputs, name=name)
