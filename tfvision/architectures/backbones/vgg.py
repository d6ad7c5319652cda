"""VGG (Simonyan & Zisserman 2014, arXiv:1409.1556), configurations D (16) and E (19).

Layers carry the module paths of torchvision's state dict ("features.0", "classifier.6"), so
that its checkpoints fill them by name. Stages: c1..c5 = the outputs of the five pools, with
strides 2, 4, 8, 16, 32. Takes images of 32 x 32 and larger.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras

from tfvision import errors, layers
from tfvision.architectures.backbones.pixels import (
    CAFFE_MEAN,
    CAFFE_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
)
from tfvision.layers import NormAct
from tfvision.net import Net

CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # in each block (Table 1)
CHANNELS = (1, 2, 4, 8, 8)  # of each block, in those of the first
_SMALLEST = 32  # five halvings leave one pixel
_POOLED = 7  # rows and columns that the first dense layer looks at
# Where the weights come from -> the pixels that they want
VERSIONS = {"torchvision": (IMAGENET_MEAN, IMAGENET_STD), "keras": (CAFFE_MEAN, CAFFE_STD)}


@dataclasses.dataclass(frozen=True)
class Options:
    """batch_norm: a normalisation after each convolution (not in the paper). version: a key of
    VERSIONS; the networks are the same but for the pixels' mean and std, which `mean` and `std`
    replace. width: channels of the first convolution; every other count scales with it."""

    batch_norm: bool = False
    version: str = "torchvision"
    width: int = 64
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    norm_act: NormAct = NormAct()


@dataclasses.dataclass(frozen=True)
class HeadOptions:
    """hidden: units of the first two dense layers. dropout: after each of them."""

    hidden: int = 4096
    dropout: float = 0.5


def pixels(image, options):
    """The first layer. options: with version, mean and std."""
    mean, std = errors.choose(VERSIONS, options.version, "VGG version")
    mean = mean if options.mean is None else options.mean
    return layers.Normalize(mean, std if options.std is None else options.std, name="pixels")(image)


def block(
    x, filters: int, count: int, index: int, norm_act: NormAct, *, batch_norm=False, dilation=1
):
    """`count` 3x3 convolutions, from "features.`index`" on -> (x, the index that follows)."""
    for _ in range(count):
        name = f"features.{index}"
        x = layers.Conv2D(filters, 3, dilation=dilation, use_bias=True, name=name)(x)
        if batch_norm:
            index += 1
            x = norm_act.norm(x, f"features.{index}")
        x = norm_act.act(x, f"features.{index + 1}")
        index += 2
    return x, index


def stages(image, options: Options, *, depth: int) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}."""
    errors.choose(CONVOLUTIONS, depth, "VGG depth")
    if min(image.shape[1:3]) < _SMALLEST:
        raise errors.UsageError(
            f"vgg{depth} needs images of {_SMALLEST} x {_SMALLEST} or larger;"
            f" image_size is {image.shape[1]} x {image.shape[2]}"
        )
    x, outputs, index = pixels(image, options), {}, 0
    for number, count in enumerate(CONVOLUTIONS[depth]):
        filters, batch_norm = options.width * CHANNELS[number], options.batch_norm
        x, index = block(x, filters, count, index, options.norm_act, batch_norm=batch_norm)
        x = layers.MaxPool2D(2, strides=2, name=f"features.{index}")(x)
        index += 1
        outputs[f"c{number + 1}"] = x
    return outputs


def classifier(depth: int, /, *, num_classes: int, image_size: tuple[int, int], **options) -> Net:
    """A VGG with its three dense layers: image -> class_logits [B, K].

    options: those of `Options` and `HeadOptions`. Features of any size are averaged to 7 x 7
    before the dense layers, as in torchvision; at 224 x 224 they are 7 x 7 and stay as they are."""
    name = f"vgg{depth}_bn" if options.get("batch_norm") else f"vgg{depth}"
    body, head = errors.take(options, name, Options(), HeadOptions())
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    x = stages(image, body, depth=depth)["c5"]
    x = layers.AdaptiveAveragePool2D(_POOLED, name="avgpool")(x)
    x = layers.Flatten(name="flatten")(x)
    for index in (0, 3):
        x = layers.Dense(head.hidden, std=0.01, name=f"classifier.{index}")(x)
        x = body.norm_act.act(x, f"classifier.{index + 1}")
        if head.dropout:
            x = layers.Dropout(head.dropout, name=f"classifier.{index + 2}")(x)
    # standard deviation 0.01: section 3.1
    logits = layers.Dense(num_classes, std=0.01, name="classifier.6", dtype="float32")(x)
    model = keras.Model({"image": image}, {"class_logits": logits}, name=name)
    return Net(model, model)
