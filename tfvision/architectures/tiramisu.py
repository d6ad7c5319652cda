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

import dataclasses
import functools
from collections.abc import Callable, Sequence

import keras

from tfvision import errors, layers
from tfvision.architectures.backbones.pixels import IMAGENET_MEAN, IMAGENET_STD
from tfvision.layers import NormAct


@dataclasses.dataclass(frozen=True)
class Options:
    """blocks: layers of each dense block, an odd number of blocks, the middle one the bottleneck
    (Table 2). growth: new channels a layer. width: channels of the first convolution.
    bn_epsilon is Lasagne's. bn_image_statistics: normalises each image with its own statistics
    at test time, as the authors do (with those of the batch)."""

    blocks: Sequence[int] = (4, 5, 7, 10, 12, 15, 12, 10, 7, 5, 4)
    growth: int = 16
    width: int = 48
    dropout: float = 0.2
    bn_image_statistics: bool = False
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    norm_act: NormAct = NormAct(bn_epsilon=1e-4)


NETWORKS = {
    "fc_densenet56": Options(blocks=(4,) * 11, growth=12),
    "fc_densenet67": Options(blocks=(5,) * 11),
    "fc_densenet103": Options(),
    # ours, for CPU work: three poolings
    "fc_densenet_small": Options(blocks=(2, 3, 4, 5, 4, 3, 2), growth=12, width=24),
}


def network(image, /, name: str, *, num_classes: int, **options) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"class_logits": float32 [B, H, W, K]}.

    name: a key of NETWORKS. options: those of `Options`."""
    return fc_densenet(image, num_classes, *errors.take(options, name, NETWORKS[name]))


def fc_densenet(image, num_classes: int, options: Options) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"class_logits": float32 [B, H, W, K]}."""
    blocks = [int(count) for count in options.blocks]
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
    x = layers.Normalize(options.mean, options.std, name="pixels")(image)
    x = _conv(x, options.width, 3, "conv0")
    skips = []
    for index in range(pools):
        x, _ = _block(x, blocks[index], f"down{index + 1}", options)
        skips.append(x)
        name = f"down{index + 1}.transition"
        x = _unit(x, x.shape[-1], 1, name, options)
        x = layers.MaxPool2D(2, strides=2, name=f"{name}.pool")(x)
    x, new = _block(x, blocks[pools], "bottleneck", options)
    for index, skip in enumerate(reversed(skips)):
        name = f"up{index + 1}"
        # as many channels as it is given: "n_filters_keep" of the authors
        enlarge = layers.Conv2DTranspose(
            new.shape[-1],
            size=skip.shape[1:3],
            use_bias=True,
            initializer=keras.initializers.HeUniform(),
            name=f"{name}.transition",
        )
        x = layers.Concatenate(name=f"{name}.in")([enlarge(new), skip])
        x, new = _block(x, blocks[pools + 1 + index], name, options)
    return {"class_logits": _conv(x, num_classes, 1, "logits", dtype="float32")}


def _block(x, count: int, name: str, options: Options):
    """`count` layers, each on all that came before it -> (everything, what is new)."""
    new = []
    for index in range(count):
        new.append(_unit(x, options.growth, 3, f"{name}.{index}", options))
        x = layers.Concatenate(name=f"{name}.{index}.out")([x, new[-1]])
    if len(new) == 1:
        return x, new[0]
    return x, layers.Concatenate(name=f"{name}.new")(new)


def _unit(x, filters, size, name, options: Options):
    """Normalisation, activation, convolution, dropout."""
    statistics = options.bn_image_statistics
    x = options.norm_act.norm(x, f"{name}.bn", image_statistics=statistics)
    x = _conv(options.norm_act.act(x, f"{name}.relu"), filters, size, f"{name}.conv")
    return layers.Dropout(options.dropout, name=f"{name}.dropout")(x) if options.dropout else x


def _conv(x, filters, size, name, **options):
    draw = keras.initializers.HeUniform()
    conv = layers.Conv2D(filters, size, use_bias=True, initializer=draw, name=name, **options)
    return conv(x)


TIRAMISU: dict[str, Callable] = {name: functools.partial(network, name=name) for name in NETWORKS}
