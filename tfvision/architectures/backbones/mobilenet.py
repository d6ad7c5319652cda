"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381): inverted residuals.

Layers carry the module paths of torchvision's state dict ("features.2.conv.0.0"), so that its
checkpoints fill them by name. Stages: c1..c5 = the outputs of features.1, 3, 6, 13 and 17, with
strides 2, 4, 8, 16, 32. Takes images of any size.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras

from tfvision import errors, layers
from tfvision.architectures.backbones.pixels import IMAGENET_MEAN, IMAGENET_STD
from tfvision.layers import NormAct
from tfvision.net import Net

# Table 2: expansion, channels, units, stride of the first unit
_ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_STAGE_ENDS = {1: "c1", 3: "c2", 6: "c3", 13: "c4", 17: "c5"}
_STEM, _LAST = 32, 1280
OUTPUT_STRIDES = (32, 16, 8)


def _divisible(channels: float) -> int:
    """The nearest multiple of 8, not below 8 nor below 0.9 of `channels` (the authors' rule)."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


@dataclasses.dataclass(frozen=True)
class Options:
    """output_stride: 32, or 16 or 8, where later units are dilated instead of strided (section
    6.3). width: channels of the first convolution, 32 times the paper's width multiplier; all
    counts are rounded to multiples of 8."""

    output_stride: int = 32
    width: float = _STEM
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    norm_act: NormAct = NormAct("relu6")


def stages(image, options: Options) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}."""
    errors.choose(dict.fromkeys(OUTPUT_STRIDES), options.output_stride, "output_stride")
    scale, norm_act = float(options.width) / _STEM, options.norm_act
    x = layers.Normalize(options.mean, options.std, name="pixels")(image)
    x = _conv(x, _divisible(_STEM * scale), 3, "features.0", norm_act, strides=2)
    outputs, index, reached, dilation = {}, 0, 2, 1
    for expansion, channels, count, stride in _ROWS:
        before = dilation
        if reached * stride > options.output_stride:
            dilation, stride = dilation * stride, 1
        reached *= stride
        for unit in range(count):
            index += 1
            x = _inverted_residual(
                x,
                _divisible(channels * scale),
                expansion=expansion,
                strides=1 if unit else stride,
                dilation=dilation if unit else before,
                name=f"features.{index}",
                norm_act=norm_act,
            )
            if index in _STAGE_ENDS:
                outputs[_STAGE_ENDS[index]] = x
    return outputs


def _conv(x, channels, size, name, norm_act: NormAct, strides=1):
    x = layers.Conv2D(channels, size, strides=strides, name=f"{name}.0")(x)
    return norm_act(x, f"{name}.1", f"{name}.2")


def _inverted_residual(x, channels, *, expansion, strides, dilation, name, norm_act: NormAct):
    """Expand, filter each channel, project linearly (Figure 4 d; section 3.3)."""
    y, at = x, 0
    if expansion > 1:
        y = _conv(y, x.shape[-1] * expansion, 1, f"{name}.conv.0", norm_act)
        at = 1
    filtered = f"{name}.conv.{at}"
    y = layers.DepthwiseConv2D(3, strides=strides, dilation=dilation, name=f"{filtered}.0")(y)
    y = norm_act(y, f"{filtered}.1", f"{filtered}.2")
    y = layers.Conv2D(channels, 1, name=f"{name}.conv.{at + 1}")(y)
    y = norm_act.norm(y, f"{name}.conv.{at + 2}")
    if strides > 1 or x.shape[-1] != channels:
        return y
    return layers.Add(name=f"{name}.add")([y, x])


@dataclasses.dataclass(frozen=True)
class HeadOptions:
    """dropout: before the dense layer."""

    dropout: float = 0.2


def classifier(*, num_classes: int, image_size: tuple[int, int], **options) -> Net:
    """MobileNetV2 with its last 1x1 convolution: image -> class_logits [B, K].

    options: those of `Options` and `HeadOptions`. Multipliers below 1 leave that convolution's
    1280 channels as they are (section 4)."""
    body, head = errors.take(options, "mobilenet_v2", Options(), HeadOptions())
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    last = _divisible(_LAST * max(1.0, float(body.width) / _STEM))
    x = _conv(stages(image, body)["c5"], last, 1, "features.18", body.norm_act)
    x = layers.GlobalAveragePool(name="avgpool")(x)
    if head.dropout:
        x = layers.Dropout(head.dropout, name="classifier.0")(x)
    logits = layers.Dense(num_classes, std=0.01, name="classifier.1", dtype="float32")(x)
    model = keras.Model({"image": image}, {"class_logits": logits}, name="mobilenet_v2")
    return Net(model, model)
