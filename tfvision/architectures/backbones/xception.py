"""Aligned Xception-65 (Chollet 2016, arXiv:1610.02357; as changed in Chen et al. 2018,
arXiv:1802.02611, Figure 4, and the authors' code): all pooling is strided separable convolution,
and each 3x3 a channel is normalised.

Layers carry the scopes of the authors' checkpoints, with dots ("entry_flow.block1.unit_1
.separable_conv1_depthwise"). Stages: c1 = the second convolution; c2 = the second separable
convolution of the second entry block, the authors' features for the decoder; c3..c5 = the ends
of that block, of the middle flow, of the exit flow; strides 2, 4, 8, 16, 32.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tfvision import errors, layers
from tfvision.architectures.backbones.pixels import HALF_MEAN, HALF_STD
from tfvision.layers import NormAct

OUTPUT_STRIDES = (32, 16, 8)
_STEM = 32  # channels of the first convolution
_MIDDLE = 16  # units of the middle flow
# name, channels of the three convolutions, units, stride, shortcut (Figure 4)
_BLOCKS = (
    ("entry_flow.block1", (128, 128, 128), 1, 2, "conv"),
    ("entry_flow.block2", (256, 256, 256), 1, 2, "conv"),
    ("entry_flow.block3", (728, 728, 728), 1, 2, "conv"),
    ("middle_flow.block1", (728, 728, 728), _MIDDLE, 1, "sum"),
    ("exit_flow.block1", (728, 1024, 1024), 1, 2, "conv"),
    ("exit_flow.block2", (1536, 1536, 2048), 1, 1, "none"),
)
_STAGE_ENDS = {"entry_flow.block2": "c3", "middle_flow.block1": "c4", "exit_flow.block2": "c5"}


@dataclasses.dataclass(frozen=True)
class Options:
    """output_stride: 32, or 16 or 8, where later units are dilated instead of strided; a unit that
    loses its stride keeps the rate before it. width: channels of the first convolution; every
    other count scales with it. bn_epsilon is the authors'."""

    output_stride: int = 32
    width: float = _STEM
    mean: Sequence[float] = HALF_MEAN
    std: Sequence[float] = HALF_STD
    norm_act: NormAct = NormAct(bn_epsilon=1e-3)


class _Network:
    """The parts of one network."""

    def __init__(self, options: Options):
        self.scale, self.norm_act = float(options.width) / _STEM, options.norm_act

    def conv(self, x, filters, size, name, *, strides=1, active=False):
        filters = max(1, round(filters * self.scale))
        x = layers.Conv2D(filters, size, strides=strides, name=name)(x)
        x = self.norm_act.norm(x, f"{name}.bn")
        return self.norm_act.act(x, f"{name}.relu") if active else x

    def separable(self, x, filters, name, *, strides, rate, inside):
        """3x3 a channel and 1x1; the activation inside, after each half, or once before both."""
        if not inside:
            x = self.norm_act.act(x, f"{name}_relu")
        at = f"{name}_depthwise"
        # A stride and a rate at once never meet: what is dilated is not strided.
        x = layers.DepthwiseConv2D(3, strides=strides, dilation=rate, name=at)(x)
        x = self.norm_act.norm(x, f"{at}.bn")
        if inside:
            x = self.norm_act.act(x, f"{at}.relu")
        return self.conv(x, filters, 1, f"{name}_pointwise", active=inside)


def _unit(x, depths, *, strides, rate, shortcut, name, network):
    """Three separable convolutions and a shortcut -> (output, output of the second)."""
    y, second = x, None
    for index, depth in enumerate(depths, 1):
        y = network.separable(
            y,
            depth,
            f"{name}.separable_conv{index}",
            strides=strides if index == 3 else 1,
            rate=rate,
            inside=shortcut == "none",
        )
        second = y if index == 2 else second
    if shortcut == "conv":
        x = network.conv(x, depths[-1], 1, f"{name}.shortcut", strides=strides)
    if shortcut != "none":
        y = layers.Add(name=f"{name}.add")([y, x])
    return y, second


def stages(image, options: Options) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}."""
    errors.choose(dict.fromkeys(OUTPUT_STRIDES), options.output_stride, "output_stride")
    network = _Network(options)
    x = layers.Normalize(options.mean, options.std, name="pixels")(image)
    x = network.conv(x, 32, 3, "entry_flow.conv1_1", strides=2, active=True)
    x = network.conv(x, 64, 3, "entry_flow.conv1_2", active=True)
    outputs, reached, rate = {"c1": x}, 2, 1
    for block, depths, units, stride, shortcut in _BLOCKS:
        lost = reached * stride > options.output_stride
        for index in range(units):
            x, second = _unit(
                x,
                depths,
                strides=1 if lost else stride,
                rate=rate,
                shortcut=shortcut,
                name=f"{block}.unit_{index + 1}",
                network=network,
            )
        rate, reached = (rate * stride, reached) if lost else (rate, reached * stride)
        if block == "entry_flow.block2":
            outputs["c2"] = second
        if block in _STAGE_ENDS:
            outputs[_STAGE_ENDS[block]] = x
    return {name: outputs[name] for name in sorted(outputs)}
