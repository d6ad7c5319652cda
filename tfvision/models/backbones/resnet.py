"""ResNet (He et al. 2015, arXiv:1512.03385); by default version 1.5: the stride is in the 3x3.

Layers carry the module paths of torchvision's state dict ("layer1.0.conv1"), so that its
checkpoints fill them by name. Stages: c1 = the stem's output, c2..c5 with strides 4, 8, 16, 32.
Takes images of any size.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras

from tfvision import errors, layers
from tfvision.models.backbones.pixels import CAFFE_MEAN, CAFFE_STD, IMAGENET_MEAN, IMAGENET_STD

# Units in each of the four stages (Table 1).
UNITS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
DILATED = {32: 0, 16: 1, 8: 2}  # output stride -> stages that dilate instead of striding


class Version(NamedTuple):
    """What differs between the published networks of one depth; weights fit one of them only."""

    stride_in_1x1: bool  # of a bottleneck: in its first 1x1, else in its 3x3
    conv_bias: bool
    epsilon: float
    mean: tuple
    std: tuple


VERSIONS = {
    "1.5": Version(False, False, 1e-5, IMAGENET_MEAN, IMAGENET_STD),  # torchvision
    "1": Version(True, False, 1e-5, IMAGENET_MEAN, IMAGENET_STD),  # the paper
    "keras": Version(True, True, 1.001e-5, CAFFE_MEAN, CAFFE_STD),  # keras.applications.ResNet*
}


class _Parts(NamedTuple):
    """The layers of one network, with its options in them."""

    conv: Callable
    normalize: Callable
    activate: Callable
    stride_in_1x1: bool


def stages(
    image,
    depth: int,
    first: int = 1,
    last: int = 5,
    *,
    version: str = "1.5",
    output_stride: int = 32,
    dilate_first: bool = False,
    multi_grid: Sequence[int] | None = None,
    width: int = 64,
    stem: str = "imagenet",
    activation: str = "relu",
    activation_options: dict | None = None,
    stochastic_depth: float = 0.0,
    zero_init_last: bool = True,
    bn_momentum: float = 0.9,
    bn_epsilon: float | None = None,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    mean=None,
    std=None,
) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}.

    first, last: the stages that are made; where first is 3 or more, `image` is the output of the
    stage before, [B, H, W, C] (R-CNN on c4 has the last stage in its box head).
    version: a key of VERSIONS. output_stride: 32, or 16 or 8, where the 3x3 of the last one or
    two stages are dilated instead (DeepLabv3, arXiv:1706.05587, section 3.1). dilate_first: the
    first unit of such a stage is dilated like the others; without, like the stage before
    (torchvision's weights want that, segmentation_models_pytorch's the former). multi_grid: what
    the rates of the last stage's units are multiplied by, such as (1, 2, 4) (section 3.2.1 there);
    None is 1, as in the published weights. width: channels
    of the first convolution; every other count scales with it. stem: "imagenet" (7x7 stride 2
    and pooling, Table 1) or "small" (one 3x3 at stride 1, for pictures of a few dozen pixels;
    section 4.2: all strides are a quarter). stochastic_depth: drop rate of the last unit,
    growing linearly from 0. zero_init_last: the last normalisation of each unit starts at 0
    (Goyal et al. 2017). bn_epsilon, mean, std: None takes the version's."""
    errors.choose(UNITS, depth, "ResNet depth")
    errors.choose(dict.fromkeys(("imagenet", "small")), stem, "ResNet stem")
    dilated = errors.choose(DILATED, output_stride, "output_stride")
    if first not in (1, 3, 4, 5) or not first <= last <= 5:
        raise errors.UsageError(
            f"stages {first} to {last} of a ResNet: they begin at 1, 3, 4 or 5 and end at 5 at most"
        )
    kind = errors.choose(VERSIONS, str(version), "ResNet version")
    grid = [1] * UNITS[depth][-1] if multi_grid is None else [int(rate) for rate in multi_grid]
    if len(grid) != UNITS[depth][-1] or min(grid) < 1:
        raise errors.UsageError(
            f"multi_grid is {multi_grid}; the last stage of ResNet-{depth} has"
            f" {UNITS[depth][-1]} units, with a rate of 1 or more each"
        )

    def conv(x, filters, size, name, **options):
        return layers.Conv2D(filters, size, use_bias=kind.conv_bias, name=name, **options)(x)

    def normalize(x, name, last=False):
        return layers.BatchNormalization(
            momentum=bn_momentum,
            epsilon=kind.epsilon if bn_epsilon is None else bn_epsilon,
            synchronized=bn_synchronized,
            frozen=bn_frozen,
            gamma_zero=last and zero_init_last,
            name=name,
        )(x)

    def activate(x, name):
        return layers.Activation(activation, options=activation_options, name=name)(x)

    mean, std = kind.mean if mean is None else mean, kind.std if std is None else std
    x, outputs = image, {}
    if first == 1:
        size, stride = (7, 2) if stem == "imagenet" else (3, 1)
        x = layers.Normalize(mean, std, name="pixels")(x)
        x = conv(x, width, size, "conv1", strides=stride)
        outputs["c1"] = x = activate(normalize(x, "bn1"), "relu")
        if stem == "imagenet" and last > 1:
            x = layers.MaxPool2D(3, strides=2, padding=1, name="maxpool")(x)
    parts = _Parts(conv, normalize, activate, kind.stride_in_1x1)
    unit = _bottleneck if depth >= 50 else _basic
    total, done, dilation = sum(UNITS[depth]), 0, 1
    for stage, count in enumerate(UNITS[depth]):
        before, stride = dilation, 2 if stage else 1
        if stage >= 4 - dilated:
            dilation, stride = dilation * 2, 1
        if not first <= stage + 2 <= last:
            done += count
            continue
        for index in range(count):
            done += 1
            rate = dilation if index or dilate_first else before
            x = unit(
                x,
                width * 2**stage,
                stride=1 if index else stride,
                dilation=rate * grid[index] if stage == 3 else rate,
                name=f"layer{stage + 1}.{index}",
                parts=parts,
                drop=stochastic_depth * done / total,
            )
        outputs[f"c{stage + 2}"] = x
    return outputs


def _join(x, branch, channels, stride, name, parts, drop):
    """The residual sum, its shortcut projected where the shape changes (option B)."""
    if stride > 1 or x.shape[-1] != channels:
        x = parts.conv(x, channels, 1, f"{name}.downsample.0", strides=stride)
        x = parts.normalize(x, f"{name}.downsample.1")
    if drop:
        branch = layers.StochasticDepth(drop, name=f"{name}.drop")(branch)
    return parts.activate(layers.Add(name=f"{name}.add")([branch, x]), f"{name}.out")


def _basic(x, channels, *, stride, dilation, name, parts, drop):
    """Two 3x3 convolutions (Figure 5, left)."""
    y = parts.conv(x, channels, 3, f"{name}.conv1", strides=stride, dilation=dilation)
    y = parts.activate(parts.normalize(y, f"{name}.bn1"), f"{name}.relu1")
    y = parts.conv(y, channels, 3, f"{name}.conv2", dilation=dilation)
    y = parts.normalize(y, f"{name}.bn2", last=True)
    return _join(x, y, channels, stride, name, parts, drop)


def _bottleneck(x, channels, *, stride, dilation, name, parts, drop):
    """1x1, 3x3 and 1x1 to four times the channels (Figure 5, right)."""
    first, second = (stride, 1) if parts.stride_in_1x1 else (1, stride)
    y = parts.conv(x, channels, 1, f"{name}.conv1", strides=first)
    y = parts.activate(parts.normalize(y, f"{name}.bn1"), f"{name}.relu1")
    y = parts.conv(y, channels, 3, f"{name}.conv2", strides=second, dilation=dilation)
    y = parts.activate(parts.normalize(y, f"{name}.bn2"), f"{name}.relu2")
    y = parts.conv(y, channels * 4, 1, f"{name}.conv3")
    y = parts.normalize(y, f"{name}.bn3", last=True)
    return _join(x, y, channels * 4, stride, name, parts, drop)


def classifier(
    depth: int,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    dropout: float = 0.0,
    **options,
) -> keras.Model:
    """A ResNet with global average pooling and one dense layer: image -> class_logits [B, K]."""
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    x = errors.call(stages, options, f"resnet{depth}", image, depth, 1, 5)["c5"]
    x = layers.GlobalAveragePool(name="avgpool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, name="fc", dtype="float32")(x)
    return keras.Model({"image": image}, {"class_logits": logits}, name=f"resnet{depth}")
