"""DeepLab v1, LargeFOV (Chen et al. 2014, arXiv:1412.7062), and v2 (2016, arXiv:1606.00915),
after the authors' Caffe networks.

v1 is VGG16 whose last two pools do not halve: conv5 has rate 2, fc6 is a 3x3 of rate 12, the
stride is 8. v2 adds up four atrous 3x3 convolutions to the classes on a ResNet (ASPP-L). The
fully connected CRF that the papers run on the scores, and v2's training at three scales, are not
here.

Layers of the backbones carry torchvision's names ("features.0", "layer1.0.conv1"), so that its
ImageNet checkpoints fill them; the rest is named as in Caffe (fc6, fc7, fc8).

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tfvision import layers
from tfvision.architectures import aspp
from tfvision.architectures.backbones import vgg
from tfvision.layers import NormAct

_RATES = (6, 12, 18, 24)  # of v2 at output stride 8 (section 3.2 there, ASPP-L)
_POOL_STRIDES = (2, 2, 2, 1, 1)  # of v1


@dataclasses.dataclass(frozen=True)
class V1Options:
    """rate: of fc6 (12: LargeFOV). width: channels of the first convolution; every other of VGG's
    scales with it. hidden: channels of fc6 and fc7. version: a key of `vgg.VERSIONS`, the pixels
    that the weights want."""

    rate: int = 12
    width: int = 64
    hidden: int = 1024
    dropout: float = 0.5
    align_corners: bool = True
    version: str = "torchvision"
    activation: str = "relu"
    activation_options: Mapping | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None


def deeplab_v1(image, num_classes: int, options: V1Options) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"class_logits": float32 [B, H, W, K]}."""
    norm_act = NormAct(options.activation, options.activation_options)
    x, index = vgg.pixels(image, options), 0
    for number, count in enumerate(vgg.CONVOLUTIONS[16]):
        filters, dilation = options.width * vgg.CHANNELS[number], 2 if number == 4 else 1
        x, index = vgg.block(x, filters, count, index, norm_act, dilation=dilation)
        # 3x3, not VGG's 2x2: the authors' network
        strides = _POOL_STRIDES[number]
        x = layers.MaxPool2D(3, strides=strides, padding=1, name=f"features.{index}")(x)
        index += 1
    x = layers.AveragePool2D(3, strides=1, padding=1, name="pool5a")(x)
    for name, size, dilation in (("fc6", 3, options.rate), ("fc7", 1, 1)):
        x = layers.Conv2D(options.hidden, size, dilation=dilation, use_bias=True, name=name)(x)
        x = norm_act.act(x, f"{name}.relu")
        if options.dropout:
            x = layers.Dropout(options.dropout, name=f"{name}.dropout")(x)
    end = {"size": image.shape[1:3], "align_corners": options.align_corners}
    return {"class_logits": aspp.logits(x, num_classes, name="fc8", out="logits", **end)}


@dataclasses.dataclass(frozen=True)
class V2Options:
    """output_stride: 8, or 16 with half the rates. rates: of the summed convolutions; None takes
    6, 12, 18, 24 at output stride 8. The authors' ResNet-101 is version "1" of `resnet.VERSIONS`;
    the default, "1.5", is what torchvision's ImageNet weights want."""

    output_stride: int = 8
    rates: Sequence[int] | None = None
    align_corners: bool = True


def deeplab_v2(
    features: Mapping, size: Sequence[int], num_classes: int, options: V2Options
) -> dict:
    """features: {"c5": [B, h, w, C]}, size: (H, W) -> {"class_logits": float32 [B, H, W, K]}."""
    total = None
    for index, rate in enumerate(aspp.scaled(options.rates, options.output_stride, _RATES, 8)):
        x = layers.Conv2D(
            num_classes,
            3,
            dilation=rate,
            use_bias=True,
            std=0.01,  # the authors' code
            name=f"fc1_c{index}",
            dtype="float32",
        )(features["c5"])
        add = layers.Add(name=f"fc1_sum{index}", dtype="float32")
        total = x if total is None else add([total, x])
    corners = options.align_corners
    resize = layers.Resize(size, align_corners=corners, name="logits", dtype="float32")
    return {"class_logits": resize(total)}
