"""Every DeepLab by name: image [B, H, W, 3] RGB 0..255 -> {"class_logits": [B, H, W, K]}.

The options of a network are those of its function in `deeplab_v1` or `deeplab_v3` and those of
its backbone's `stages`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from tfvision import errors
from tfvision.models.backbones import mobilenet, resnet, xception
from tfvision.models.deeplab_v1 import deeplab_v1, deeplab_v2
from tfvision.models.deeplab_v3 import deeplab_v3, deeplab_v3plus

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


@dataclasses.dataclass(frozen=True)
class OnBackbone:
    """A DeepLab on a backbone: image, **options -> outputs.

    function: of an image and `stages`, which are of an image. The options are those of both;
    defaults: where they are others than theirs."""

    function: Callable
    stages: Callable
    defaults: Mapping[str, Any]

    def options(self) -> set[str]:
        """The names of all options."""
        return errors.keywords(self.function) | errors.keywords(self.stages)

    def __call__(self, image, **options) -> dict:
        """Raises UsageError for an option that neither has."""
        errors.expect(options, sorted(self.options()), self.function.__name__)
        return self.function(image, self.stages, **{**self.defaults, **options})


def _on(function: Callable, stages: Callable, **defaults) -> OnBackbone:
    return OnBackbone(function, stages, defaults)


def _resnet(function: Callable, depth: int, **defaults) -> OnBackbone:
    # The authors dilate the first unit of a stage like the others.
    stages = functools.partial(resnet.stages, depth=depth)
    return OnBackbone(function, stages, {"dilate_first": True, **defaults})


DEEPLAB: dict[str, Callable] = {
    "deeplab_v1": deeplab_v1,
    "deeplab_v1_small": functools.partial(deeplab_v1, width=16, hidden=256),
    "deeplab_v2_resnet18": _resnet(deeplab_v2, 18),
    "deeplab_v2_resnet101": _resnet(deeplab_v2, 101),
    "deeplab_v3_resnet18": _resnet(deeplab_v3, 18, channels=128),
    "deeplab_v3_resnet50": _resnet(deeplab_v3, 50),
    "deeplab_v3_resnet101": _resnet(deeplab_v3, 101),
    "deeplab_v3plus_resnet18": _resnet(deeplab_v3plus, 18, separable=True),
    "deeplab_v3plus_resnet50": _resnet(deeplab_v3plus, 50),
    "deeplab_v3plus_resnet101": _resnet(deeplab_v3plus, 101),
    "deeplab_v3plus_mobilenet_v2": _on(deeplab_v3plus, mobilenet.stages, separable=True),
    "deeplab_v3plus_xception65": _on(deeplab_v3plus, xception.stages, separable=True),
}
