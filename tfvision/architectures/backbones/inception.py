"""Inception V3 (Szegedy et al. 2015, arXiv:1512.00567): factorised convolutions side by side.

Layers carry the module paths of torchvision's state dict ("Mixed_5b.branch1x1.conv"), so that
its checkpoints fill them by name. Nothing pads in the stem and the reductions, so a stage is a
little smaller than the image over its stride: c1..c5 = Conv2d_2b, Conv2d_4a, Mixed_5d, Mixed_6e,
Mixed_7c with strides 2, 4, 8, 16, 32 (147, 71, 35, 17 and 8 rows at 299). Takes images of
75 x 75 and larger, 299 x 299 by design.

Pixels become [-1, 1]. That is also what torchvision's `transform_input` arrives at.

Axis letters: B batch, H, W, C channels, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import keras

from tfvision import errors, layers
from tfvision.architectures.backbones.pixels import HALF_MEAN, HALF_STD
from tfvision.layers import NormAct
from tfvision.net import Net

_SMALLEST = 75  # leaves one pixel
_STEM = 32  # channels of the first convolution
# Where the weights come from -> do averages count the padding (they do not with TensorFlow's)
VERSIONS = {"torchvision": True, "keras": False}
# The blocks between the reductions: name -> channels after the pool, channels inside the branches
BLOCKS_5 = {"Mixed_5b": 32, "Mixed_5c": 64, "Mixed_5d": 64}
BLOCKS_6 = {"Mixed_6b": 128, "Mixed_6c": 160, "Mixed_6d": 160, "Mixed_6e": 192}
BLOCKS_7 = ("Mixed_7b", "Mixed_7c")


@dataclasses.dataclass(frozen=True)
class Options:
    """version: a key of VERSIONS. width: channels of the first convolution; every other count
    scales with it. bn_epsilon is 1e-3, as the published weights want."""

    version: str = "torchvision"
    width: float = _STEM
    mean: Sequence[float] = HALF_MEAN
    std: Sequence[float] = HALF_STD
    norm_act: NormAct = NormAct(bn_epsilon=1e-3)


class _Network:
    """The parts of one network."""

    def __init__(self, options: Options):
        self.scale, self.norm_act = options.width / _STEM, options.norm_act
        self.counts_padding = errors.choose(VERSIONS, options.version, "Inception version")

    def conv(self, x, name, filters, size=1, *, strides=1, padding=0):
        """Convolution, normalisation, activation; filters of the full-width network."""
        filters = max(1, round(filters * self.scale))
        x = layers.Conv2D(filters, size, strides=strides, padding=padding, name=f"{name}.conv")(x)
        return self.norm_act(x, f"{name}.bn", f"{name}.relu")

    def chain(self, x, name, *steps):
        """Convolutions `name`_1, `name`_2 ...; a step is (filters, size) at stride 1, padded."""
        for index, (filters, size) in enumerate(steps, 1):
            edge = tuple((side - 1) // 2 for side in size)
            x = self.conv(x, f"{name}_{index}", filters, size, padding=edge)
        return x

    def pooled(self, x, name, filters):
        """Average pooling and a 1x1 convolution."""
        pool = layers.AveragePool2D(
            3, strides=1, padding=1, counts_padding=self.counts_padding, name=f"{name}.pool"
        )
        return self.conv(pool(x), f"{name}.branch_pool", filters)


def _join(name, *branches):
    return layers.Concatenate(name=name)(list(branches))


def _block_5(x, name, network, pool):
    """35 x 35 (Figure 5): 1x1, 5x5, two 3x3, pool."""
    return _join(
        name,
        network.conv(x, f"{name}.branch1x1", 64),
        network.chain(x, f"{name}.branch5x5", (48, (1, 1)), (64, (5, 5))),
        network.chain(x, f"{name}.branch3x3dbl", (64, (1, 1)), (96, (3, 3)), (96, (3, 3))),
        network.pooled(x, name, pool),
    )


def _reduction_6(x, name, network):
    """35 x 35 -> 17 x 17 (Figure 10)."""
    double = network.chain(x, f"{name}.branch3x3dbl", (64, (1, 1)), (96, (3, 3)))
    return _join(
        name,
        network.conv(x, f"{name}.branch3x3", 384, 3, strides=2),
        network.conv(double, f"{name}.branch3x3dbl_3", 96, 3, strides=2),
        layers.MaxPool2D(3, strides=2, name=f"{name}.pool")(x),
    )


def _block_6(x, name, network, narrow):
    """17 x 17 (Figure 6): 7x7 as 1x7 and 7x1. narrow: channels inside the branches."""
    row, column = (1, 7), (7, 1)
    inner = [(narrow, size) for size in ((1, 1), column, row, column)]
    return _join(
        name,
        network.conv(x, f"{name}.branch1x1", 192),
        network.chain(x, f"{name}.branch7x7", (narrow, (1, 1)), (narrow, row), (192, column)),
        network.chain(x, f"{name}.branch7x7dbl", *inner, (192, row)),
        network.pooled(x, name, 192),
    )


def _reduction_7(x, name, network):
    """17 x 17 -> 8 x 8."""
    simple = network.chain(x, f"{name}.branch3x3", (192, (1, 1)))
    seven = network.chain(x, f"{name}.branch7x7x3", (192, (1, 1)), (192, (1, 7)), (192, (7, 1)))
    return _join(
        name,
        network.conv(simple, f"{name}.branch3x3_2", 320, 3, strides=2),
        network.conv(seven, f"{name}.branch7x7x3_4", 192, 3, strides=2),
        layers.MaxPool2D(3, strides=2, name=f"{name}.pool")(x),
    )


def _block_7(x, name, network):
    """8 x 8 (Figure 7): 3x3 spread into 1x3 beside 3x1."""

    def spread(y, branch):
        return _join(
            f"{branch}.spread",
            network.conv(y, f"{branch}a", 384, (1, 3), padding=(0, 1)),
            network.conv(y, f"{branch}b", 384, (3, 1), padding=(1, 0)),
        )

    single = network.chain(x, f"{name}.branch3x3", (384, (1, 1)))
    double = network.chain(x, f"{name}.branch3x3dbl", (448, (1, 1)), (384, (3, 3)))
    return _join(
        name,
        network.conv(x, f"{name}.branch1x1", 320),
        spread(single, f"{name}.branch3x3_2"),
        spread(double, f"{name}.branch3x3dbl_3"),
        network.pooled(x, name, 192),
    )


def stages(image, options: Options) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}."""
    if min(image.shape[1:3]) < _SMALLEST:
        raise errors.UsageError(
            f"inception_v3 needs images of {_SMALLEST} x {_SMALLEST} or larger;"
            f" image_size is {image.shape[1]} x {image.shape[2]}"
        )
    network = _Network(options)
    x = layers.Normalize(options.mean, options.std, name="pixels")(image)
    x = network.conv(x, "Conv2d_1a_3x3", 32, 3, strides=2)
    x = network.conv(x, "Conv2d_2a_3x3", 32, 3)
    c1 = x = network.conv(x, "Conv2d_2b_3x3", 64, 3, padding=1)
    x = layers.MaxPool2D(3, strides=2, name="maxpool1")(x)
    x = network.conv(x, "Conv2d_3b_1x1", 80)
    c2 = x = network.conv(x, "Conv2d_4a_3x3", 192, 3)
    x = layers.MaxPool2D(3, strides=2, name="maxpool2")(x)
    for name, pool in BLOCKS_5.items():
        x = _block_5(x, name, network, pool)
    c3 = x
    x = _reduction_6(x, "Mixed_6a", network)
    for name, narrow in BLOCKS_6.items():
        x = _block_6(x, name, network, narrow)
    c4 = x
    x = _reduction_7(x, "Mixed_7a", network)
    for name in BLOCKS_7:
        x = _block_7(x, name, network)
    return {"c1": c1, "c2": c2, "c3": c3, "c4": c4, "c5": x}


def _auxiliary(x, network: _Network, dense: Callable):
    """The head on Mixed_6e (section 4) -> logits [B, K].

    Its 5x5 convolution looks at 5 x 5 averages, which 17 x 17 features (an image of 299) give;
    those of a smaller image are averaged to 5 x 5 windows that overlap."""
    if min(x.shape[1:3]) >= 17:
        x = layers.AveragePool2D(5, strides=3, name="AuxLogits.pool")(x)
    else:
        x = layers.AdaptiveAveragePool2D(5, name="AuxLogits.pool")(x)
    x = network.conv(x, "AuxLogits.conv0", 128)
    x = network.conv(x, "AuxLogits.conv1", 768, 5)
    return dense(layers.GlobalAveragePool(name="AuxLogits.avgpool")(x))


@dataclasses.dataclass(frozen=True)
class HeadOptions:
    """auxiliary: a second head on Mixed_6e, in training. dropout: before the dense layer."""

    auxiliary: bool = True
    dropout: float = 0.5


def classifier(*, num_classes: int, image_size: tuple[int, int], **options) -> Net:
    """Inception V3: image -> class_logits [B, K].

    options: those of `Options` and `HeadOptions`. With auxiliary the graph of training also gives
    aux_logits [B, K] of the head on Mixed_6e."""
    body, head = errors.take(options, "inception_v3", Options(), HeadOptions())
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    features = stages(image, body)
    x = layers.GlobalAveragePool(name="avgpool")(features["c5"])
    if head.dropout:
        x = layers.Dropout(head.dropout, name="dropout")(x)
    outputs = {"class_logits": layers.Dense(num_classes, name="fc", dtype="float32")(x)}
    serve = keras.Model({"image": image}, outputs, name="inception_v3")
    if not head.auxiliary:
        return Net(serve, serve)
    dense = layers.Dense(num_classes, std=0.001, name="AuxLogits.fc", dtype="float32")
    outputs = {**outputs, "aux_logits": _auxiliary(features["c4"], _Network(body), dense)}
    return Net(keras.Model({"image": image}, outputs, name="inception_v3"), serve)
