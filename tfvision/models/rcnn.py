"""Fast, Faster and Mask R-CNN by name: `Net`s of a graph of training and one of serving.

The serving graph holds proposals, suppression and, of masks, the final boxes, so it takes the
`frame` beside the image; the training graph takes the truth. Weights are shared by name
(`layers.sharing`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from tfvision import errors, layers
from tfvision.models import rcnn_network
from tfvision.models.backbones import mobilenet, resnet
from tfvision.models.rcnn_options import C4, FAST, FASTER, MASK, Family
from tfvision.net import Net


class Architecture(NamedTuple):
    """A family on a backbone."""

    family: Family
    stages: Callable


_RESNETS: dict[str, Callable] = {
    f"resnet{depth}": functools.partial(resnet.stages, depth=depth) for depth in (18, 50, 101)
}
_BACKBONES: dict[str, Callable] = {**_RESNETS, "mobilenet_v2": mobilenet.stages}


def _named(name: str, family: Family, backbones: dict) -> dict[str, Architecture]:
    return {name.format(key): Architecture(family, stages) for key, stages in backbones.items()}


ARCHITECTURES: dict[str, Architecture] = {
    **_named("fast_rcnn_{}_fpn", FAST, _BACKBONES),
    **_named("faster_rcnn_{}_fpn", FASTER, _BACKBONES),
    **_named("faster_rcnn_{}_c4", C4, _RESNETS),
    **_named("mask_rcnn_{}_fpn", MASK, _BACKBONES),
}
# What would change the strides that a network counts on.
_FIXED = ("output_stride", "dilate_first", "multi_grid", "stem", "first", "last")


def _build(name: str) -> Callable[..., Net]:
    family, stages = ARCHITECTURES[name]

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
        known = {*family.names(), *errors.keywords(stages)} - {*_FIXED}
        errors.expect(options, sorted(known), name)
        given = {"num_classes": num_classes, "name": name, **options}
        size = tuple(train_size or image_size)
        train = rcnn_network.training(family, stages, image_size=size, **given)
        with layers.sharing(train):
            size = tuple(image_size)
            return Net(train, rcnn_network.serving(family, stages, image_size=size, **given))

    return build


RCNN = {name: _build(name) for name in ARCHITECTURES}
