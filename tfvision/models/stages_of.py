"""Backbones as functional models with named stages, to hang one's own head on.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras

from tfvision import errors
from tfvision.architectures.backbones import inception, mobilenet, resnet, vgg, xception
from tfvision.architectures.backbones.backbone import Backbone

BACKBONES: dict[str, Backbone] = {
    **{f"resnet{depth}": resnet.backbone(depth) for depth in resnet.UNITS},
    "vgg16": Backbone(functools.partial(vgg.stages, depth=16), vgg.Options()),
    "vgg19": Backbone(functools.partial(vgg.stages, depth=19), vgg.Options()),
    "inception_v3": Backbone(inception.stages, inception.Options()),
    "mobilenet_v2": Backbone(mobilenet.stages, mobilenet.Options()),
    "xception65": Backbone(xception.stages, xception.Options()),
}


def backbone(
    name: str, *, image_size: Sequence[int | None] = (None, None), **options: Any
) -> keras.Model:
    """A backbone as a functional model: an image -> its stages by name.

    Args:
        name: A key of BACKBONES.
        image_size: Height and width of the image in pixels; None is any.
        **options: Of the backbone, such as width=32, output_stride=16, bn_frozen=True.

    Returns:
        A model of float32 [B, H, W, 3], RGB 0..255, whose output is a dict: "c1" of stride 2 to
        "c5" of stride 32, [B, H / stride, W / stride, C]. Its variables have the names that
        `weights.load` fills.

    Raises:
        UsageError: for an unknown name or option.
    """
    found = errors.choose(BACKBONES, name, "backbone")
    (chosen,) = errors.take(options, name, found.options)
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    return keras.Model(image, found.stages(image, chosen), name=name)
