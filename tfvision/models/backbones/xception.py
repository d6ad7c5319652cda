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

from tfvision import errors, layers
from tfvision.models.backbones.pixels import HALF_MEAN, HALF_STD

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


class _Parts:
    """Convolution, normalisation and activation, with the options of one network in them."""

    def __init__(self, scale, activation, options, bn):
        self.scale, self.activation, self.options, self.bn = scale, activation, options, bn

    def channels(self, count):
        return max(1, round(count * self.scale))

    def activate(self, x, name):
        return layers.Activation(self.activation, options=self.options, name=name)(x)

    def conv(self, x, filters, size, name, *, strides=1, active=False):
        x = layers.Conv2D(self.channels(filters), size, strides=strides, name=name)(x)
        x = layers.BatchNormalization(**self.bn, name=f"{name}.bn")(x)
        return self.activate(x, f"{name}.relu") if active else x

    def separable(self, x, filters, name, *, strides, rate, inside):
        """3x3 a channel and 1x1; the activation inside, after each half, or once before both."""
        if not inside:
            x = self.activate(x, f"{name}_relu")
        at = f"{name}_depthwise"
        # A stride and a rate at once never meet: what is dilated is not strided.
        x = layers.DepthwiseConv2D(3, strides=strides, dilation=rate, name=at)(x)
        x = layers.BatchNormalization(**self.bn, name=f"{at}.bn")(x)
        if inside:
            x = self.activate(x, f"{at}.relu")
        return self.conv(x, filters, 1, f"{name}_pointwise", active=inside)


def _unit(x, depths, *, strides, rate, shortcut, name, parts):
    """Three separable convolutions and a shortcut -> (output, output of the second)."""
    y, second = x, None
    for index, depth in enumerate(depths, 1):
        y = parts.separable(
            y,
            depth,
            f"{name}.separable_conv{index}",
            strides=strides if index == 3 else 1,
            rate=rate,
            inside=shortcut == "none",
        )
        second = y if index == 2 else second
    if shortcut == "conv":
        x = parts.conv(x, depths[-1], 1, f"{name}.shortcut", strides=strides)
    if shortcut != "none":
        y = layers.Add(name=f"{name}.add")([y, x])
    return y, second


def stages(
    image,
    *,
    output_stride: int = 32,
    width: float = _STEM,
    activation: str = "relu",
    activation_options: dict | None = None,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-3,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    mean=HALF_MEAN,
    std=HALF_STD,
) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}.

    output_stride: 32, or 16 or 8, where later units are dilated instead of strided; a unit that
    loses its stride keeps the rate before it. width: channels of the first convolution; every
    other count scales with it. bn_epsilon: the authors'."""
    errors.choose(dict.fromkeys(OUTPUT_STRIDES), output_stride, "output_stride")
    bn = {
        "momentum": bn_momentum,
        "epsilon": bn_epsilon,
        "synchronized": bn_synchronized,
        "frozen": bn_frozen,
    }
    parts = _Parts(float(width) / _STEM, activation, activation_options, bn)
    x = layers.Normalize(mean, std, name="pixels")(image)
    x = parts.conv(x, 32, 3, "entry_flow.conv1_1", strides=2, active=True)
    x = parts.conv(x, 64, 3, "entry_flow.conv1_2", active=True)
    outputs, reached, rate = {"c1": x}, 2, 1
    for block, depths, units, stride, shortcut in _BLOCKS:
        lost = reached * stride > output_stride
        for index in range(units):
            x, second = _unit(
                x,
                depths,
                strides=1 if lost else stride,
                rate=rate,
                shortcut=shortcut,
                name=f"{block}.unit_{index + 1}",
                parts=parts,
            )
        rate, reached = (rate * stride, reached) if lost else (rate, reached * stride)
        if block == "entry_flow.block2":
            outputs["c2"] = second
        if block in _STAGE_ENDS:
            outputs[_STAGE_ENDS[block]] = x
    return {name: outputs[name] for name in sorted(outputs)}
