"""ResNet (He et al. 2015, arXiv:1512.03385); by default version 1.5: the stride is in the 3x3.

Layers carry the module paths of torchvision's state dict ("layer1.0.conv1"), so that its
checkpoints fill them by name. Stages: c1 = the stem's output, c2..c5 with strides 4, 8, 16, 32.
Takes images of any size.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import keras

from tfvision import errors, layers
from tfvision.architectures.backbones.backbone import Backbone
from tfvision.architectures.backbones.pixels import (
    CAFFE_MEAN,
    CAFFE_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
)
from tfvision.layers import NormAct
from tfvision.net import Net

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


@dataclasses.dataclass(frozen=True)
class Options:
    """version: a key of VERSIONS. output_stride: 32, or 16 or 8, where the 3x3 of the last one or
    two stages are dilated instead (DeepLabv3, arXiv:1706.05587, section 3.1). dilate_first: the
    first unit of such a stage is dilated like the others; without, like the stage before
    (torchvision's weights want that, segmentation_models_pytorch's the former). multi_grid: what
    the rates of the last stage's units are multiplied by, such as (1, 2, 4) (section 3.2.1 there);
    None is 1, as in the published weights. width: channels of the first convolution; every other
    count scales with it. stem: "imagenet" (7x7 stride 2 and pooling, Table 1) or "small" (one 3x3
    at stride 1, for pictures of a few dozen pixels; section 4.2: all strides are a quarter).
    stochastic_depth: drop rate of the last unit, growing linearly from 0. zero_init_last: the
    last normalisation of each unit starts at 0 (Goyal et al. 2017). bn_epsilon, mean, std: None
    takes the version's."""

    version: str | float = "1.5"
    output_stride: int = 32
    dilate_first: bool = False
    multi_grid: Sequence[int] | None = None
    width: int = 64
    stem: str = "imagenet"
    stochastic_depth: float = 0.0
    zero_init_last: bool = True
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    norm_act: NormAct = NormAct(bn_epsilon=None)


def stages(image, options: Options, *, depth: int, first: int = 1, last: int = 5) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}.

    first, last: the stages that are made; where first is 3 or more, `image` is the output of the
    stage before, [B, H, W, C] (R-CNN on c4 has the last stage in its box head)."""
    errors.choose(UNITS, depth, "ResNet depth")
    if first not in (1, 3, 4, 5) or not first <= last <= 5:
        raise errors.UsageError(
            f"stages {first} to {last} of a ResNet: they begin at 1, 3, 4 or 5 and end at 5 at most"
        )
    network = _Network(options, depth)
    x, outputs = image, {}
    if first == 1:
        outputs["c1"] = x = network.stem(x)
        if options.stem == "imagenet" and last > 1:
            x = layers.MaxPool2D(3, strides=2, padding=1, name="maxpool")(x)
    for number in range(max(first, 2), last + 1):
        outputs[f"c{number}"] = x = network.stage(x, number - 2)
    return outputs


class _Network:
    """The parts of one network."""

    def __init__(self, options: Options, depth: int):
        errors.choose(dict.fromkeys(("imagenet", "small")), options.stem, "ResNet stem")
        self.options, self.units = options, UNITS[depth]
        self.unit = self.bottleneck if depth >= 50 else self.basic
        self.version = errors.choose(VERSIONS, str(options.version), "ResNet version")
        # The first of the stages that are dilated, 0 to 3.
        self.dilated = 4 - errors.choose(DILATED, options.output_stride, "output_stride")
        grid = options.multi_grid
        self.grid = [1] * self.units[-1] if grid is None else [int(rate) for rate in grid]
        if len(self.grid) != self.units[-1] or min(self.grid) < 1:
            raise errors.UsageError(
                f"multi_grid is {grid}; the last stage of ResNet-{depth} has {self.units[-1]}"
                " units, with a rate of 1 or more each"
            )
        self.norm_act = options.norm_act
        if self.norm_act.bn_epsilon is None:
            self.norm_act = dataclasses.replace(self.norm_act, bn_epsilon=self.version.epsilon)

    def conv(self, x, filters, size, name, **options):
        use_bias = self.version.conv_bias
        return layers.Conv2D(filters, size, use_bias=use_bias, name=name, **options)(x)

    def stem(self, image):
        options, version = self.options, self.version
        mean = version.mean if options.mean is None else options.mean
        std = version.std if options.std is None else options.std
        size, stride = (7, 2) if options.stem == "imagenet" else (3, 1)
        x = layers.Normalize(mean, std, name="pixels")(image)
        x = self.conv(x, options.width, size, "conv1", strides=stride)
        return self.norm_act(x, "bn1", "relu")

    def stage(self, x, number: int):
        """The units of one of the four stages, 0 to 3."""
        before, dilation = (2 ** max(number - self.dilated + more, 0) for more in (0, 1))
        stride = 2 if 0 < number < self.dilated else 1
        done = sum(self.units[:number])
        for index in range(self.units[number]):
            rate = dilation if index or self.options.dilate_first else before
            x = self.unit(
                x,
                self.options.width * 2**number,
                stride=1 if index else stride,
                dilation=rate * self.grid[index] if number == 3 else rate,
                name=f"layer{number + 1}.{index}",
                drop=self.options.stochastic_depth * (done + index + 1) / sum(self.units),
            )
        return x

    def basic(self, x, channels, *, stride, dilation, name, drop):
        """Two 3x3 convolutions (Figure 5, left)."""
        y = self.conv(x, channels, 3, f"{name}.conv1", strides=stride, dilation=dilation)
        y = self.norm_act(y, f"{name}.bn1", f"{name}.relu1")
        y = self.conv(y, channels, 3, f"{name}.conv2", dilation=dilation)
        y = self.norm_act.norm(y, f"{name}.bn2", gamma_zero=self.options.zero_init_last)
        return self.join(x, y, stride, name, drop)

    def bottleneck(self, x, channels, *, stride, dilation, name, drop):
        """1x1, 3x3 and 1x1 to four times the channels (Figure 5, right)."""
        first, second = (stride, 1) if self.version.stride_in_1x1 else (1, stride)
        y = self.conv(x, channels, 1, f"{name}.conv1", strides=first)
        y = self.norm_act(y, f"{name}.bn1", f"{name}.relu1")
        y = self.conv(y, channels, 3, f"{name}.conv2", strides=second, dilation=dilation)
        y = self.norm_act(y, f"{name}.bn2", f"{name}.relu2")
        y = self.conv(y, channels * 4, 1, f"{name}.conv3")
        y = self.norm_act.norm(y, f"{name}.bn3", gamma_zero=self.options.zero_init_last)
        return self.join(x, y, stride, name, drop)

    def join(self, x, branch, stride, name, drop):
        """The residual sum, its shortcut projected where the shape changes (option B)."""
        if stride > 1 or x.shape[-1] != branch.shape[-1]:
            x = self.conv(x, branch.shape[-1], 1, f"{name}.downsample.0", strides=stride)
            x = self.norm_act.norm(x, f"{name}.downsample.1")
        if drop:
            branch = layers.StochasticDepth(drop, name=f"{name}.drop")(branch)
        return self.norm_act.act(layers.Add(name=f"{name}.add")([branch, x]), f"{name}.out")


def backbone(depth: int, **changes) -> Backbone:
    """A ResNet without its head; changes: of the defaults of `Options`."""
    return Backbone(functools.partial(stages, depth=depth), Options(**changes))


@dataclasses.dataclass(frozen=True)
class HeadOptions:
    """dropout: before the dense layer."""

    dropout: float = 0.0


def classifier(depth: int, /, *, num_classes: int, image_size: tuple[int, int], **options) -> Net:
    """A ResNet with global average pooling and one dense layer: image -> class_logits [B, K].

    options: those of `Options` and `HeadOptions`."""
    name = f"resnet{depth}"
    body, head = errors.take(options, name, Options(), HeadOptions())
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    x = layers.GlobalAveragePool(name="avgpool")(stages(image, body, depth=depth)["c5"])
    if head.dropout:
        x = layers.Dropout(head.dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, name="fc", dtype="float32")(x)
    model = keras.Model({"image": image}, {"class_logits": logits}, name=name)
    return Net(model, model)
