"""Fast R-CNN (Girshick 2015, arXiv:1504.08083) on a feature pyramid: the box head of Faster R-CNN
on proposals that come with the image, such as Selective Search's. There is no proposal network.

Layers carry the module paths of torchvision's state dict.

Axis letters: B batch, H, W, R proposals, K classes (background on top, last).
"""

from __future__ import annotations

from collections.abc import Callable

import keras

from tfvision.models import faster_rcnn, fpn, roi_heads


def parts(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int | None, int | None],
    channels: int = 256,
    hidden: int = 1024,
    pooling: str = "align",
    sampling_ratio: int = 2,
    aligned: bool = False,
    bn_frozen: bool = True,
    **backbone,
) -> faster_rcnn.Parts:
    """The inputs image and frame, the pyramid and the box head; see `faster_rcnn.parts`."""
    image, frame = faster_rcnn.canvas(image_size)
    pyramid = fpn.pyramid(stages(image, bn_frozen=bn_frozen, **backbone), channels=channels)
    del pyramid["p6"]  # only a proposal network looks at it
    box = roi_heads.box_head(
        num_classes,
        hidden=hidden,
        pooling=pooling,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
    )
    return faster_rcnn.Parts(image, frame, pyramid, {}, box)


def proposal_inputs() -> dict:
    """proposals [B, R, 4] in canvas pixels and num_proposals int32 [B], the others are padding."""
    return {
        "proposals": keras.Input((None, 4), name="proposals", dtype="float32"),
        "num_proposals": keras.Input((), name="num_proposals", dtype="int32"),
    }


def serving(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    name: str = "fast_rcnn",
    score_threshold: float = 0.05,
    nms_iou: float = 0.5,
    max_detections: int = 100,
    **options,
) -> keras.Model:
    """The network of serving: {"image": [B, H, W, 3] RGB 0..255, "frame": [B, 6], "proposals",
    "num_proposals"} -> `faster_rcnn.judge`'s outputs. options: of `parts`, the backbone's among
    them."""
    network = parts(stages, num_classes=num_classes, image_size=image_size, **options)
    found = proposal_inputs()
    outputs = faster_rcnn.judge(
        network,
        found,
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        max_detections=max_detections,
    )
    inputs = {"image": network.image, "frame": network.frame, **found}
    return keras.Model(inputs, outputs, name=name)


def training(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int | None, int | None],
    name: str = "fast_rcnn",
    region_samples: int = 512,
    **options,
) -> keras.Model:
    """The network of training: {"image", "frame", "proposals", "num_proposals", "boxes",
    "class_ids"} -> `faster_rcnn.learn_regions`' outputs; the truths are proposals too.

    Of the losses there are class and box. region_samples: of an image, of which at most a quarter
    are positive. `serving` built inside `layers.sharing` of it has the same weights. options: of
    `parts`."""
    network = parts(stages, num_classes=num_classes, image_size=image_size, **options)
    found, truth = proposal_inputs(), faster_rcnn.truth_inputs()
    outputs = faster_rcnn.learn_regions(network, num_classes, found, truth, region_samples)
    inputs = {"image": network.image, "frame": network.frame, **found, **truth}
    return keras.Model(inputs, outputs, name=name)
