"""Faster R-CNN on one map (Ren et al. 2015, arXiv:1506.01497) with a ResNet cut in two (He et al.
2015, arXiv:1512.03385, appendix A): proposals and regions on c4, the last stage as the box head.

The numbers are those of detectron2's R50-C4. Layers carry the module paths of torchvision's state
dicts: a classifier's weights fill the map's stages and the head's.

Axis letters: B batch, H, W, R proposals, K classes (background on top, last).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from tfvision import layers
from tfvision.layers import rcnn
from tfvision.models import faster_rcnn, roi_heads, rpn
from tfvision.ops import rpn_anchors

STRIDE = 16  # both sides of a canvas are multiples of it
SIZES = ((32, 64, 128, 256, 512),)  # of the anchors of a place; with the ratios there are 15
_LEVEL, _REGION = 4, 14  # the last stage halves the 14 x 14 of a region


def box_head(stages: Callable, num_classes: int, *, backbone: dict, **pooling) -> Callable:
    """(features {"c4": [B, H, W, C]}, boxes [B, R, 4], prefix) -> class_logits, box_deltas.

    14x14 features of each region, the last stage, its mean, and `roi_heads.box_predictor`.
    backbone: the options of `stages`; pooling: of `roi_heads.regions`. Called once a network, as
    the stage's layers are made then."""
    predict = roi_heads.box_predictor(num_classes)

    def call(features, boxes, prefix=""):
        region = roi_heads.regions(_REGION, name=f"{prefix}box_features", lowest=_LEVEL, **pooling)
        x = region({"levels": [features["c4"]], "boxes": boxes})
        x = rcnn.FoldRegions(name=f"{prefix}box_head.fold")(x)
        x = stages(x, first=5, last=5, **backbone)["c5"]
        x = layers.GlobalAveragePool(name=f"{prefix}box_head.mean")(x)
        return predict(x, boxes, prefix)

    return call


def parts(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int | None, int | None],
    anchor_sizes: Sequence[Sequence[float]] = SIZES,
    anchor_ratios: Sequence[float] = rpn_anchors.RATIOS,
    pooling: str = "align",
    sampling_ratio: int = 0,
    aligned: bool = True,
    bn_frozen: bool = True,
    **backbone,
) -> faster_rcnn.Parts:
    """The inputs, c4, the proposal network's answers and the box head.

    stages: `resnet.stages` of a depth. image_size: of the canvas, multiples of 16, or None where a
    batch tells. anchor_sizes: one row. Others as in `faster_rcnn.parts`, with detectron2's ROI
    Align."""
    image, frame = faster_rcnn.canvas(image_size, STRIDE)
    backbone = {**backbone, "bn_frozen": bn_frozen}
    features = {"c4": stages(image, last=_LEVEL, **backbone)["c4"]}
    answers = rpn.head(image, features, sizes=anchor_sizes, ratios=anchor_ratios)
    box = box_head(
        stages,
        num_classes,
        backbone=backbone,
        pooling=pooling,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
    )
    return faster_rcnn.Parts(image, frame, features, answers, box)


def serving(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    name: str = "faster_rcnn_c4",
    pre_nms: int = 6000,
    post_nms: int = 1000,
    proposal_nms_iou: float = 0.7,
    score_threshold: float = 0.05,
    nms_iou: float = 0.5,
    max_detections: int = 100,
    **options,
) -> keras.Model:
    """The network of serving: {"image": [B, H, W, 3] RGB 0..255, "frame": [B, 6]} ->
    `faster_rcnn.detect`'s outputs. options: those of `parts`, the backbone's among them."""
    network = parts(stages, num_classes=num_classes, image_size=image_size, **options)
    outputs = faster_rcnn.detect(
        network,
        pre_nms=pre_nms,
        post_nms=post_nms,
        proposal_nms_iou=proposal_nms_iou,
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        max_detections=max_detections,
    )
    return keras.Model({"image": network.image, "frame": network.frame}, outputs, name=name)


def training(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int | None, int | None],
    name: str = "faster_rcnn_c4",
    train_pre_nms: int = 12000,
    train_post_nms: int = 2000,
    proposal_nms_iou: float = 0.7,
    anchor_samples: int = 256,
    region_samples: int = 512,
    **options,
) -> keras.Model:
    """The network of training: {"image", "frame", "boxes", "class_ids"} -> `faster_rcnn.learn`'s
    outputs.

    `serving` built inside `layers.sharing` of it has the same weights. options: of `parts`."""
    network = parts(stages, num_classes=num_classes, image_size=image_size, **options)
    truth, outputs = faster_rcnn.learn(
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
