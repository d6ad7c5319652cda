"""FC-DenseNet, the "Tiramisu" (Jegou et al. 2017, arXiv:1611.09326), after the authors' code.

Down: dense blocks, each followed by a transition that halves. A dense block adds `growth` new
channels a layer to its input. Up: a transition enlarges ONLY the new channels of the last block
and puts them before the skip connection. The paper's Table 2 counts the new channels of the
bottleneck wrongly: from there on its m is 16 too small; 896, 1088, 816 ... are the widths of 103.

Layers are named by place: "down1.0.conv", "down1.transition.conv", "bottleneck.0.conv",
"up1.transition", "up1.0.conv". Takes images of any size from 2 ** pools on, odd ones too.

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras

from tfvision import errors, layers
from tfvision.models.backbones.pixels import IMAGENET_MEAN, IMAGENET_STD


class _Parts(NamedTuple):
    """The layers of one network, with its options in them."""

    conv: Callable  # x, filters, size, name
    unit: Callable  # x, filters, size, name: normalisation, activation, convolution, dropout
    enlarge: Callable  # x, filters, (rows, columns), name


def _parts(activation, activation_options, dropout, bn) -> _Parts:
    def conv(x, filters, size, name, **options):
        return layers.Conv2D(
            filters,
            size,
            use_bias=True,
            initializer=keras.initializers.HeUniform(),
            name=name,
            **options,
        )(x)

    def unit(x, filters, size, name):
        x = layers.BatchNormalization(**bn, name=f"{name}.bn")(x)
        x = layers.Activation(activation, options=activation_options, name=f"{name}.relu")(x)
        x = conv(x, filters, size, f"{name}.conv")
        return layers.Dropout(dropout, name=f"{name}.dropout")(x) if dropout else x

    def enlarge(x, filters, size, name):
        return layers.Conv2DTranspose(
            filters,
            size=size,
            use_bias=True,
            initializer=keras.initializers.HeUniform(),
            name=name,
        )(x)

    return _Parts(conv, unit, enlarge)


def _block(x, count: int, growth: int, name: str, parts: _Parts):
    """`count` layers, each on all that came before it -> (everything, what is new)."""
    new = []
    for index in range(count):
        new.append(parts.unit(x, growth, 3, f"{name}.{index}"))
        x = layers.Concatenate(name=f"{name}.{index}.out")([x, new[-1]])
    if len(new) == 1:
        return x, new[0]
    return x, layers.Concatenate(name=f"{name}.new")(new)


def fc_densenet(
    image,
    *,
    num_classes: int,
    blocks: Sequence[int] = (4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4),
    growth: int = 16,
    width: int = 48,
    dropout: float = 0.2,
    activation: str = "relu",
    activation_options: dict | None = None,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-4,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    bn_image_statistics: bool = False,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"class_logits": float32 [B, H, W, K]}.

    blocks: layers of each dense block, an odd number of blocks, the middle one the bottleneck
    (Table 2). growth: new channels a layer. width: channels of the first convolution.
    bn_epsilon: Lasagne's. bn_image_statistics: normalises each image with its own statistics
    at test time, as the authors do (with those of the batch)."""
    blocks = [int(count) for count in blocks]
    pools = len(blocks) // 2
    if len(blocks) % 2 == 0 or min(blocks) < 1:
        raise errors.UsageError(
            f"blocks are {tuple(blocks)}; FC-DenseNet needs an odd number of them, of 1 or more"
        )
    if min(image.shape[1:3]) < 2**pools:
        raise errors.UsageError(
            f"FC-DenseNet of {pools} poolings needs images of {2**pools} x {2**pools} or larger;"
            f" image_size is {image.shape[1]} x {image.shape[2]}"
        )
    bn = {
        "momentum": bn_momentum,
        "epsilon": bn_epsilon,
        "synchronized": bn_synchronized,
        "frozen": bn_frozen,
        "image_statistics": bn_image_statistics,
    }
    parts = _parts(activation, activation_options, float(dropout), bn)
    x = layers.Normalize(mean, std, name="pixels")(image)
    x = parts.conv(x, width, 3, "conv0")
    skips = []
    for index in range(pools):
        x, _ = _block(x, blocks[index], growth, f"down{index + 1}", parts)
        skips.append(x)
        name = f"down{index + 1}.transition"
        x = parts.unit(x, x.shape[-1], 1, name)
        x = layers.MaxPool2D(2, strides=2, name=f"{name}.pool")(x)
    x, new = _block(x, blocks[pools], growth, "bottleneck", parts)
    for index, skip in enumerate(reversed(skips)):
        name = f"up{index + 1}"
        # as many channels as it is given: "n_filters_keep" of the authors
        new = parts.enlarge(new, new.shape[-1], skip.shape[1:3], f"{name}.transition")
        x = layers.Concatenate(name=f"{name}.in")([new, skip])
        x, new = _block(x, blocks[pools + 1 + index], growth, name, parts)
    return {"class_logits": parts.conv(x, num_classes, 1, "logits", dtype="float32")}


TIRAMISU: dict[str, Callable] = {
    "fc_densenet56": functools.partial(fc_densenet, blocks=(4,) * 11, growth=12),
    "fc_densenet67": functools.partial(fc_densenet, blocks=(5,) * 11, growth=16),
    "fc_densenet103": fc_densenet,
    # ours, for CPU work: three poolings
    "fc_densenet_small": functools.partial(
        fc_densenet, blocks=(2, 3, 4, 5, 4, 3, 2), growth=12, width=24
    ),
}
