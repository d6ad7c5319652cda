"""DeepLab v3 (Chen et al. 2017, arXiv:1706.05587) and v3+ (Chen et al. 2018, arXiv:1802.02611).

v3 is an ASPP on a backbone that is dilated instead of strided; v3+ adds a decoder, which joins
the ASPP's output with features of stride 4. The defaults are the papers' and, where these are
silent, the authors' code (research/deeplab). Normalisation keeps 0.9 of the old statistics a
step, as torch does; the papers keep 0.9997, which takes tens of thousands of steps to settle.

Layers of the backbones carry torchvision's names; the heads' those of torchvision (v3:
"classifier.0.convs.0.0") and of segmentation_models_pytorch (v3+: "decoder.aspp.0.convs.0.0"),
whose weights fit with the options in `deeplab.TORCHVISION_OPTIONS` and `deeplab.SMP_OPTIONS`.

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tfvision import errors, layers
from tfvision.architectures import aspp
from tfvision.layers import NormAct

OUTPUT_STRIDES = (16, 8)


@dataclasses.dataclass(frozen=True)
class V3Options:
    """output_stride: 16 or 8; the weights fit both. rates: of the ASPP; None takes 6, 12, 18 at
    output stride 16, doubled at 8. dropout: after the ASPP. last_conv: one more 3x3 before the
    logits (torchvision's). auxiliary: "aux_logits" too, of a head on c4 (torchvision's; no weight
    of it in the papers). norm_act: of the head; the backbone has its own defaults."""

    output_stride: int = 16
    rates: Sequence[int] | None = None
    channels: int = 256
    dropout: float = 0.1
    last_conv: bool = False
    auxiliary: bool = False
    align_corners: bool = True
    norm_act: NormAct = NormAct()


@dataclasses.dataclass(frozen=True)
class V3PlusOptions:
    """output_stride, rates, dropout, norm_act: as in V3Options. low_channels: to which the
    features of stride 4 are reduced (section 4.1). separable: the 3x3 of ASPP and decoder are
    depthwise separable (section 3.2, Xception), separable_bn: with normalisation and activation
    between the two halves. aspp_conv: one more 3x3 on the ASPP's output
    (segmentation_models_pytorch's). decoder_convs: 3x3 of the decoder (Table 2: two)."""

    output_stride: int = 16
    rates: Sequence[int] | None = None
    channels: int = 256
    low_channels: int = 48
    separable: bool = False
    separable_bn: bool = True
    aspp_conv: bool = False
    decoder_convs: int = 2
    dropout: float = 0.1
    align_corners: bool = True
    norm_act: NormAct = NormAct()


def deeplab_v3(
    features: Mapping, size: Sequence[int], num_classes: int, options: V3Options
) -> dict:
    """features: {"c4": ..., "c5": ...} [B, h, w, C], size: (H, W) -> {"class_logits": float32
    [B, H, W, K]}."""
    net = aspp.Convolutions(options.norm_act)
    x, channels = _pyramid(features, net, options, "classifier.0"), options.channels
    end = {"size": size, "align_corners": options.align_corners}
    if options.last_conv:
        x = net.spread(x, channels, "classifier.1", "classifier.2")
    x = aspp.logits(x, num_classes, name="classifier.4", out="logits", **end)
    outputs = {"class_logits": x}
    if options.auxiliary:
        x = features["c4"]
        x = net.spread(x, x.shape[-1] // 4, "aux_classifier.0", "aux_classifier.1")
        x = layers.Dropout(0.1, name="aux_classifier.3")(x)  # torchvision's FCNHead
        x = aspp.logits(x, num_classes, name="aux_classifier.4", out="aux_logits", **end)
        outputs["aux_logits"] = x
    return outputs


def deeplab_v3plus(
    features: Mapping, size: Sequence[int], num_classes: int, options: V3PlusOptions
) -> dict:
    """features: {"c2": ..., "c5": ...} [B, h, w, C], size: (H, W) -> {"class_logits": float32
    [B, H, W, K]}."""
    net = aspp.Convolutions(options.norm_act, options.separable, options.separable_bn)
    x, channels = _pyramid(features, net, options, "decoder.aspp.0"), options.channels
    end = {"align_corners": options.align_corners}
    if options.aspp_conv:
        x = net.spread(x, channels, "decoder.aspp.1", "decoder.aspp.2")
    low = features["c2"]
    x = layers.Resize(low.shape[1:3], name="decoder.up", **end)(x)
    low = net.conv(low, options.low_channels, 1, "decoder.block1.0", "decoder.block1.1")
    x = layers.Concatenate(name="decoder.concat")([x, low])
    for index in range(2, 2 + options.decoder_convs):
        x = net.spread(x, channels, f"decoder.block{index}.0", f"decoder.block{index}.1")
    x = aspp.logits(x, num_classes, size, name="segmentation_head.0", out="logits", **end)
    return {"class_logits": x}


def _pyramid(features, net: aspp.Convolutions, options: V3Options | V3PlusOptions, name: str):
    errors.choose(dict.fromkeys(OUTPUT_STRIDES), options.output_stride, "output_stride")
    return aspp.pyramid(
        features["c5"],
        net,
        channels=options.channels,
        rates=aspp.scaled(options.rates, options.output_stride, aspp.RATES, 16),
        dropout=options.dropout,
        name=name,
    )
