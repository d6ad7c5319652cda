"""Atrous spatial pyramid pooling, the head of DeepLab v3 and v3+ (Chen et al. 2017,
arXiv:1706.05587, section 3.3; Chen et al. 2018, arXiv:1802.02611, section 3.1).

Layers carry the module paths that torchvision and segmentation_models_pytorch give them, so that
their checkpoints fill them by name.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tfvision import errors, layers
from tfvision.layers import NormAct

RATES = (6, 12, 18)  # at output stride 16 (section 4.1 of v3)


@dataclasses.dataclass(frozen=True)
class Convolutions:
    """The convolutions of a head. separable: each 3x3 is depthwise separable, separable_bn: with
    normalisation and activation between its halves."""

    norm_act: NormAct
    separable: bool = False
    separable_bn: bool = True

    def conv(self, x, filters, size, name, bn):
        """Convolution `name`, normalisation `bn`, activation."""
        x = layers.Conv2D(filters, size, name=name)(x)
        return self.norm_act(x, bn, f"{bn}.relu")

    def spread(self, x, filters, name, bn, *, rate=1):
        """3x3 at an atrous rate; if separable, `name`.0 a channel and `name`.1 across them."""
        if not self.separable:
            x = layers.Conv2D(filters, 3, dilation=rate, name=name)(x)
            return self.norm_act(x, bn, f"{bn}.relu")
        x = layers.DepthwiseConv2D(3, dilation=rate, name=f"{name}.0")(x)
        if self.separable_bn:
            x = self.norm_act(x, f"{name}.0.bn", f"{name}.0.relu")
        return self.conv(x, filters, 1, f"{name}.1", bn)


def scaled(rates: Sequence[int] | None, output_stride: int, base: Sequence[int], at: int) -> list:
    """`rates` as they are, or `base`, which are those at output stride `at`."""
    if rates is None:
        return [rate * at // output_stride for rate in base]
    if any(int(rate) != rate or rate < 1 for rate in rates) or not rates:
        raise errors.UsageError(f"rates are {rates}; atrous rates are whole numbers from 1 on")
    return [int(rate) for rate in rates]


def pyramid(
    x, net: Convolutions, *, channels: int, rates: Sequence[int], dropout: float, name: str
):
    """[B, H, W, C] -> [B, H, W, channels]: 1x1, 3x3 at each rate and image pooling, side by side,
    then 1x1 and dropout."""
    branches = [net.conv(x, channels, 1, f"{name}.convs.0.0", f"{name}.convs.0.1")]
    for index, rate in enumerate(rates, 1):
        at = f"{name}.convs.{index}"
        branches.append(net.spread(x, channels, f"{at}.0", f"{at}.1", rate=rate))
    at = f"{name}.convs.{len(rates) + 1}"
    pooled = layers.GlobalAveragePool(keepdims=True, name=f"{at}.0")(x)
    pooled = net.conv(pooled, channels, 1, f"{at}.1", f"{at}.2")
    branches.append(layers.Resize(x.shape[1:3], name=f"{at}.resize")(pooled))
    x = layers.Concatenate(name=f"{name}.concat")(branches)
    x = net.conv(x, channels, 1, f"{name}.project.0", f"{name}.project.1")
    return layers.Dropout(dropout, name=f"{name}.project.3")(x) if dropout else x


def logits(x, num_classes: int, size, *, align_corners: bool, name: str, out: str):
    """1x1 to float32 logits, enlarged to `size` (rows, columns): [B, *size, num_classes]."""
    # standard deviation 0.01: the authors' code
    x = layers.Conv2D(num_classes, 1, use_bias=True, std=0.01, name=name, dtype="float32")(x)
    return layers.Resize(size, align_corners=align_corners, name=out, dtype="float32")(x)
