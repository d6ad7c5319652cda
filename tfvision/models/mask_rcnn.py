"""Mask R-CNN (He et al. 2017, arXiv:1703.06870) on a feature pyramid, with torchvision's
conventions, whose state dicts fill it by name: Faster R-CNN and a mask head.

Axis letters: B batch, H, W, R proposals, D detections, K classes (background on top, last).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from tfvision.layers import rcnn, rcnn_samples
from tfvision.models import faster_rcnn, roi_heads

MASK_WIDTHS = (256, 256, 256, 256)  # of the mask head's 3x3 convolutions (figure 4, right)


def masks(network: faster_rcnn.Parts, mask_head: Callable, detections: dict) -> dict:
    """{"masks": probabilities float32 [B, D, 28, 28]} of each detection's own class in its box.

    The mask head sees the final boxes, not the proposals (section 3, "Inference"). Padding has
    masks too; `num_detections` tells how many count."""
    logits = mask_head(network.pyramid, detections["boxes"])
    own = rcnn.OwnClass(name="own_mask_logits")([logits, detections["class_ids"]])
    return {"masks": rcnn.Sigmoid(name="masks")(own)}


def serving(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    name: str = "mask_rcnn",
    mask_widths: Sequence[int] = MASK_WIDTHS,
    pre_nms: int = 1000,
    post_nms: int = 1000,
    proposal_nms_iou: float = 0.7,
    score_threshold: float = 0.05,
    nms_iou: float = 0.5,
    max_detections: int = 100,
    pooling: str = "align",
    sampling_ratio: int = 2,
    aligned: bool = False,
    **options,
) -> keras.Model:
    """The network of serving: {"image": [B, H, W, 3] RGB 0..255, "frame": [B, 6]} -> the outputs
    of `faster_rcnn.detect` and of `masks`. options: those of `faster_rcnn.parts`."""
    align = {"pooling": pooling, "sampling_ratio": sampling_ratio, "aligned": aligned}
    network = faster_rcnn.parts(
        stages, num_classes=num_classes, image_size=image_size, **align, **options
    )
    head = roi_heads.mask_head(num_classes, widths=mask_widths, **align)
    outputs = faster_rcnn.detect(
        network,
        pre_nms=pre_nms,
        post_nms=post_nms,
        proposal_nms_iou=proposal_nms_iou,
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        max_detections=max_detections,
    )
    outputs |= masks(network, head, outputs)
    return keras.Model({"image": network.image, "frame": network.frame}, outputs, name=name)


def training(
    stages: Callable,
    *,
    num_classes: int,
    image_size: tuple[int | None, int | None],
    name: str = "mask_rcnn",
    mask_widths: Sequence[int] = MASK_WIDTHS,
    region_samples: int = 512,
    train_pre_nms: int = 2000,
    train_post_nms: int = 2000,
    proposal_nms_iou: float = 0.7,
    anchor_samples: int = 256,
    pooling: str = "align",
    sampling_ratio: int = 2,
    aligned: bool = False,
    **options,
) -> keras.Model:
    """The network of training: {"image", "frame", "boxes", "class_ids", "masks"} -> the outputs of
    `faster_rcnn.learn`, mask_logits [B, P, 28, 28, K + 1], mask_targets [B, P, 28, 28] and
    mask_valid bool [B, P].

    masks: uint8 [B, M, s, s] of 0 and 1, each truth's in the frame of its box; all 0 where it has
    none. P: the quarter of the regions that may be positive. `serving` built inside
    `layers.sharing` of it has the same weights. options: of `faster_rcnn.parts`."""
    align = {"pooling": pooling, "sampling_ratio": sampling_ratio, "aligned": aligned}
    network = faster_rcnn.parts(
        stages, num_classes=num_classes, image_size=image_size, **align, **options
    )
    truth, outputs = faster_rcnn.learn(
        network,
        num_classes,
        train_pre_nms=train_pre_nms,
        train_post_nms=train_post_nms,
        proposal_nms_iou=proposal_nms_iou,
        anchor_samples=anchor_samples,
        region_samples=region_samples,
    )
    truth["masks"] = keras.Input((None, None, None), name="masks", dtype="uint8")
    most = int(region_samples * rcnn_samples.POSITIVE_REGIONS)
    first = {
        key: rcnn_samples.FirstRegions(most, name=f"mask_{key}")(outputs[key])
        for key in ("rois", "roi_truth")
    }
    own = {key: truth[key] for key in ("boxes", "masks")}
    outputs |= rcnn_samples.MaskTargets(name="mask_targets")({**first, **own})
    head = roi_heads.mask_head(num_classes, widths=mask_widths, **align)
    outputs["mask_logits"] = head(network.pyramid, first["rois"], prefix="train_")
    inputs = {"image": network.image, "frame": network.frame, **truth}
    return keras.Model(inputs, outputs, name=name)
