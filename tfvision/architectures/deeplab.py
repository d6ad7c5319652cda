"""Every DeepLab by name: image [B, H, W, 3] RGB 0..255 -> {"class_logits": [B, H, W, K]}.

The options of a network are those of its head in `deeplab_v1` or `deeplab_v3` and those of its
backbone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

from tfvision import errors
from tfvision.architectures.backbones import mobilenet, resnet, xception
from tfvision.architectures.backbones.backbone import Backbone
from tfvision.architectures.deeplab_v1 import V1Options, V2Options, deeplab_v1, deeplab_v2
from tfvision.architectures.deeplab_v3 import V3Options, V3PlusOptions, deeplab_v3, deeplab_v3plus

# What torchvision's deeplabv3_resnet50 and 101 are: the options for their weights.
TORCHVISION_OPTIONS = {
    "output_stride": 8,
    "rates": (12, 24, 36),
    "dilate_first": False,
    "last_conv": True,
    "auxiliary": True,
    "align_corners": False,
    "dropout": 0.5,
}
# What segmentation_models_pytorch's DeepLabV3Plus is, at output stride 16 or 8: the same rates.
SMP_OPTIONS = {
    "rates": (12, 24, 36),
    "dilate_first": True,
    "separable": True,
    "separable_bn": False,
    "aspp_conv": True,
    "decoder_convs": 1,
    "align_corners": True,
    "dropout": 0.5,
}


class OnBackbone(NamedTuple):
    """A DeepLab on a backbone.

    head: (features, (H, W), num_classes, options) -> outputs; options: its defaults."""

    head: Callable
    options: V2Options | V3Options | V3PlusOptions
    backbone: Backbone


def _on_resnet(head: Callable, options, depth: int) -> OnBackbone:
    # The authors dilate the first unit of a stage like the others.
    return OnBackbone(head, options, resnet.backbone(depth, dilate_first=True))


V1 = {"deeplab_v1": V1Options(), "deeplab_v1_small": V1Options(width=16, hidden=256)}
ON_BACKBONES = {
    "deeplab_v2_resnet18": _on_resnet(deeplab_v2, V2Options(), 18),
    "deeplab_v2_resnet101": _on_resnet(deeplab_v2, V2Options(), 101),
    "deeplab_v3_resnet18": _on_resnet(deeplab_v3, V3Options(channels=128), 18),
    "deeplab_v3_resnet50": _on_resnet(deeplab_v3, V3Options(), 50),
    "deeplab_v3_resnet101": _on_resnet(deeplab_v3, V3Options(), 101),
    "deeplab_v3plus_resnet18": _on_resnet(deeplab_v3plus, V3PlusOptions(separable=True), 18),
    "deeplab_v3plus_resnet50": _on_resnet(deeplab_v3plus, V3PlusOptions(), 50),
    "deeplab_v3plus_resnet101": _on_resnet(deeplab_v3plus, V3PlusOptions(), 101),
    "deeplab_v3plus_mobilenet_v2": OnBackbone(
        deeplab_v3plus,
        V3PlusOptions(separable=True),
        Backbone(mobilenet.stages, mobilenet.Options()),
    ),
    "deeplab_v3plus_xception65": OnBackbone(
        deeplab_v3plus,
        V3PlusOptions(separable=True),
        Backbone(xception.stages, xception.Options()),
    ),
}


def network(image, /, name: str, *, num_classes: int, **options) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"class_logits": float32 [B, H, W, K]}, and of V3Options'
    auxiliary "aux_logits".

    name: a key of V1 or ON_BACKBONES. Raises UsageError for an option that the network lacks."""
    if name in V1:
        return deeplab_v1(image, num_classes, *errors.take(options, name, V1[name]))
    head, defaults, backbone = ON_BACKBONES[name]
    of_head, of_backbone = errors.take(options, name, defaults, backbone.options)
    of_backbone = dataclasses.replace(of_backbone, output_stride=of_head.output_stride)
    features = backbone.stages(image, of_backbone)
    return head(features, image.shape[1:3], num_classes, of_head)


DEEPLAB: dict[str, Callable] = {
    name: functools.partial(network, name=name) for name in (*V1, *ON_BACKBONES)
}
