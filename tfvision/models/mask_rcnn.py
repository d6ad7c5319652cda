"""Mask R-CNN (He et al. 2017, arXiv:1703.06870) on a feature pyramid, with torchvision's
conventions, whose state dicts fill it by name: Faster R-CNN and a mask head.

Axis letters: B batch, H, W, R proposals, D detections, K classes (background on top, last).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from tfvision.layers import rcnn
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
    sampling_ratio: int = 2,
    aligned: bool = False,
    **options,
) -> keras.Model:
    """The network of serving: {"image": [B, H, W, 3] RGB 0..255, "frame": [B, 6]} -> the outputs
    of `faster_rcnn.detect` and of `masks`. options: those of `faster_rcnn.parts`."""
    align = {"sampling_ratio": sampling_ratio, "aligned": aligned}
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
