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

from collections.abc import Callable, Sequence

from tfvision import errors, layers
from tfvision.models import aspp

OUTPUT_STRIDES = (16, 8)
_EPSILON = 1e-5  # of the heads' normalisation


def _features(image, stages, output_stride, activation, activation_options, bn, backbone):
    """The stages of a backbone; what is None stays its own."""
    errors.choose(dict.fromkeys(OUTPUT_STRIDES), output_stride, "output_stride")
    options = {f"bn_{key}": value for key, value in bn.items()}
    options |= {"activation": activation, "activation_options": activation_options, **backbone}
    options = {key: value for key, value in options.items() if value is not None}
    return stages(image, output_stride=output_stride, **options)


def deeplab_v3(
    image,
    stages: Callable,
    *,
    num_classes: int,
    output_stride: int = 16,
    rates: Sequence[int] | None = None,
    channels: int = 256,
    dropout: float = 0.1,
    last_conv: bool = False,
    auxiliary: bool = False,
    align_corners: bool = True,
    activation: str | None = None,
    activation_options: dict | None = None,
    bn_momentum: float = 0.9,
    bn_epsilon: float | None = None,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    **backbone,
) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"class_logits": float32 [B, H, W, K]}.

    stages: image, output_stride=, **backbone -> {"c4": ..., "c5": ...}. output_stride: 16 or 8;
    the weights fit both. rates: of the ASPP; None takes 6, 12, 18 at output stride 16, doubled
    at 8. dropout: after the ASPP. last_conv: one more 3x3 before the logits (torchvision's).
    auxiliary: "aux_logits" too, of a head on c4 (torchvision's; no weight of it in the papers).
    activation, bn_epsilon: None takes ReLU and 1e-5 for the head and the backbone's own."""
    bn = {"momentum": bn_momentum, "synchronized": bn_synchronized, "frozen": bn_frozen}
    own = {**bn, "epsilon": bn_epsilon}
    features = _features(
        image, stages, output_stride, activation, activation_options, own, backbone
    )
    bn["epsilon"] = _EPSILON if bn_epsilon is None else bn_epsilon
    parts = aspp.Parts(activation, activation_options, bn)
    end = {"size": image.shape[1:3], "align_corners": align_corners}
    x = aspp.pyramid(
        features["c5"],
        channels=channels,
        rates=aspp.scaled(rates, output_stride, aspp.RATES, 16),
        dropout=dropout,
        name="classifier.0",
        parts=parts,
    )
    if last_conv:
        x = parts.spread(x, channels, "classifier.1", "classifier.2")
    outputs = {
        "class_logits": aspp.logits(x, num_classes, name="classifier.4", out="logits", **end)
    }
    if auxiliary:
        x = features["c4"]
        x = parts.spread(x, x.shape[-1] // 4, "aux_classifier.0", "aux_classifier.1")
        x = layers.Dropout(0.1, name="aux_classifier.3")(x)  # torchvision's FCNHead
        found = aspp.logits(x, num_classes, name="aux_classifier.4", out="aux_logits", **end)
        outputs["aux_logits"] = found
    return outputs


def deeplab_v3plus(
    image,
    stages: Callable,
    *,
    num_classes: int,
    output_stride: int = 16,
    rates: Sequence[int] | None = None,
    channels: int = 256,
    low_channels: int = 48,
    separable: bool = False,
    separable_bn: bool = True,
    aspp_conv: bool = False,
    decoder_convs: int = 2,
    dropout: float = 0.1,
    align_corners: bool = True,
    activation: str | None = None,
    activation_options: dict | None = None,
    bn_momentum: float = 0.9,
    bn_epsilon: float | None = None,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    **backbone,
) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"class_logits": float32 [B, H, W, K]}.

    stages: image, output_stride=, **backbone -> {"c2": ..., "c5": ...}. output_stride, rates,
    dropout, activation, bn_epsilon: as in `deeplab_v3`. low_channels: to which the features of
    stride 4 are reduced (section 4.1). separable: the 3x3 of ASPP and decoder are depthwise
    separable (section 3.2, Xception), separable_bn: with normalisation and activation between the
    two halves. aspp_conv: one more 3x3 on the ASPP's output (segmentation_models_pytorch's).
    decoder_convs: 3x3 of the decoder (Table 2: two)."""
    bn = {"momentum": bn_momentum, "synchronized": bn_synchronized, "frozen": bn_frozen}
    own = {**bn, "epsilon": bn_epsilon}
    features = _features(
        image, stages, output_stride, activation, activation_options, own, backbone
    )
    bn["epsilon"] = _EPSILON if bn_epsilon is None else bn_epsilon
    parts = aspp.Parts(
        activation, activation_options, bn, separable=separable, separable_bn=separable_bn
    )
    low, end = features["c2"], {"size": image.shape[1:3], "align_corners": align_corners}
    x = aspp.pyramid(
        features["c5"],
        channels=channels,
        rates=aspp.scaled(rates, output_stride, aspp.RATES, 16),
        dropout=dropout,
        name="decoder.aspp.0",
        parts=parts,
    )
    if aspp_conv:
        x = parts.spread(x, channels, "decoder.aspp.1", "decoder.aspp.2")
    x = layers.Resize(low.shape[1:3], align_corners=align_corners, name="decoder.up")(x)
    low = parts.conv(low, low_channels, 1, "decoder.block1.0", "decoder.block1.1")
    x = layers.Concatenate(name="decoder.concat")([x, low])
    for index in range(2, 2 + decoder_convs):
        x = parts.spread(x, channels, f"decoder.block{index}.0", f"decoder.block{index}.1")
    found = aspp.logits(x, num_classes, name="segmentation_head.0", out="logits", **end)
    return {"class_logits": found}
