"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381): inverted residuals.

Layers carry the module paths of torchvision's state dict ("features.2.conv.0.0"), so that its
checkpoints fill them by name. Stages: c1..c5 = the outputs of features.1, 3, 6, 13 and 17, with
strides 2, 4, 8, 16, 32. Takes images of any size.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import keras

from tfvision import errors, layers
from tfvision.models.backbones.pixels import IMAGENET_MEAN, IMAGENET_STD

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


class _Parts:
    """Convolution, normalisation and activation, with the options of one network in them."""

    def __init__(self, activation, options, bn):
        self.activation, self.options, self.bn = activation, options, bn

    def finish(self, x, name, activation=""):
        x = layers.BatchNormalization(**self.bn, name=name)(x)
        if activation:
            x = layers.Activation(self.activation, options=self.options, name=activation)(x)
        return x

    def conv(self, x, channels, size, name, strides=1):
        x = layers.Conv2D(channels, size, strides=strides, name=f"{name}.0")(x)
        return self.finish(x, f"{name}.1", f"{name}.2")

    def depthwise(self, x, name, **options):
        x = layers.DepthwiseConv2D(3, name=f"{name}.0", **options)(x)
        return self.finish(x, f"{name}.1", f"{name}.2")


def stages(
    image,
    *,
    output_stride: int = 32,
    width: float = _STEM,
    activation: str = "relu6",
    activation_options: dict | None = None,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}.

    output_stride: 32, or 16 or 8, where later units are dilated instead of strided (section
    6.3). width: channels of the first convolution, 32 times the paper's width multiplier; all
    counts are rounded to multiples of 8."""
    errors.choose(dict.fromkeys(OUTPUT_STRIDES), output_stride, "output_stride")
    scale = float(width) / _STEM
    bn = {
        "momentum": bn_momentum,
        "epsilon": bn_epsilon,
        "synchronized": bn_synchronized,
        "frozen": bn_frozen,
    }
    parts = _Parts(activation, activation_options, bn)
    x = layers.Normalize(mean, std, name="pixels")(image)
    x = parts.conv(x, _divisible(_STEM * scale), 3, "features.0", strides=2)
    outputs, index, reached, dilation = {}, 0, 2, 1
    for expansion, channels, count, stride in _ROWS:
        before = dilation
        if reached * stride > output_stride:
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
                parts=parts,
            )
            if index in _STAGE_ENDS:
                outputs[_STAGE_ENDS[index]] = x
    return outputs


def _inverted_residual(x, channels, *, expansion, strides, dilation, name, parts):
    """Expand, filter each channel, project linearly (Figure 4 d; section 3.3)."""
    y, at = x, 0
    if expansion > 1:
        y = parts.conv(y, x.shape[-1] * expansion, 1, f"{name}.conv.0")
        at = 1
    y = parts.depthwise(y, f"{name}.conv.{at}", strides=strides, dilation=dilation)
    y = layers.Conv2D(channels, 1, name=f"{name}.conv.{at + 1}")(y)
    y = parts.finish(y, f"{name}.conv.{at + 2}")
    if strides > 1 or x.shape[-1] != channels:
        return y
    return layers.Add(name=f"{name}.add")([y, x])


def classifier(
    *,
    num_classes: int,
    image_size: tuple[int, int],
    dropout: float = 0.2,
    width: float = _STEM,
    activation: str = "relu6",
    activation_options: dict | None = None,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    **options,
) -> keras.Model:
    """MobileNetV2 with its last 1x1 convolution: image -> class_logits [B, K].

    Multipliers below 1 leave that convolution's 1280 channels as they are (section 4)."""
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    bn = {
        "momentum": bn_momentum,
        "epsilon": bn_epsilon,
        "synchronized": bn_synchronized,
        "frozen": bn_frozen,
    }
    shared = {
        "width": width,
        "activation": activation,
        "activation_options": activation_options,
        **{f"bn_{key}": value for key, value in bn.items()},
    }
    x = errors.call(stages, {**options, **shared}, "mobilenet_v2", image)["c5"]
    last = _divisible(_LAST * max(1.0, float(width) / _STEM))
    x = _Parts(activation, activation_options, bn).conv(x, last, 1, "features.18")
    x = layers.GlobalAveragePool(name="avgpool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="classifier.0")(x)
    logits = layers.Dense(num_classes, std=0.01, name="classifier.1", dtype="float32")(x)
    return keras.Model({"image": image}, {"class_logits": logits}, name="mobilenet_v2")
