"""Fast, Faster and Mask R-CNN by name: `Net`s of a graph of training and one of serving.

The serving graph contains proposals, suppression and, of masks, the final boxes, so it takes the
`frame` beside the image; the training graph takes the truth. Weights are shared by name
(`layers.sharing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tfvision import layers
from tfvision.architectures import rcnn_network
from tfvision.architectures.backbones import mobilenet, resnet
from tfvision.architectures.backbones.backbone import Backbone
from tfvision.architectures.rcnn_options import C4, FAST, FASTER, MASK, Family
from tfvision.net import Net


class Architecture(NamedTuple):
    """A family on a backbone."""

    family: Family
    backbone: Backbone


_RESNETS = {f"resnet{depth}": resnet.backbone(depth) for depth in (18, 50, 101)}
_BACKBONES = {**_RESNETS, "mobilenet_v2": Backbone(mobilenet.stages, mobilenet.Options())}


def _named(name: str, family: Family, backbones: dict) -> dict[str, Architecture]:
    return {name.format(key): Architecture(family, value) for key, value in backbones.items()}


ARCHITECTURES: dict[str, Architecture] = {
    **_named("fast_rcnn_{}_fpn", FAST, _BACKBONES),
    **_named("faster_rcnn_{}_fpn", FASTER, _BACKBONES),
    **_named("faster_rcnn_{}_c4", C4, _RESNETS),
    **_named("mask_rcnn_{}_fpn", MASK, _BACKBONES),
}


def _build(name: str) -> Callable[..., Net]:

    def build(
        *,
        num_classes: int,
        image_size: tuple[int, int],
        train_size: tuple[int | None, int | None] | None = None,
        **options,
    ) -> Net:
        """image_size: of evaluation's and serving's canvas. train_size: of training's, None where
        it changes from batch to batch; the same by default. options: of the family's parts
        (`rcnn_options`) and of the backbone."""
        parts, given = ARCHITECTURES[name], {"num_classes": num_classes, "name": name, **options}
        size = tuple(train_size or image_size)
        train = rcnn_network.training(*parts, image_size=size, **given)
        with layers.sharing(train):
            size = tuple(image_size)
            return Net(train, rcnn_network.serving(*parts, image_size=size, **given))

    return build


RCNN = {name: _build(name) for name in ARCHITECTURES}
