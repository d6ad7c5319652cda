"""What the options of the sections marked * in `config.defaults` can be, by section and name.

An option has a rule where its name says what it is. Whether a function takes it at all, and its
type, is for `errors.options` and the function's signature."""

from __future__ import annotations

from typing import Any

from tfvision.rules.rule import (
    BELOW_1,
    COLOR,
    FACTORS,
    LIMITS,
    NOT_NEGATIVE,
    PATTERNS,
    POSITIVE,
    RGB,
    SHARE,
    SHARES,
    SIDE,
    SIZE,
    YES,
    Rule,
    count,
    either,
    many,
    number,
)


def _are_weights(value: Any) -> bool:
    return many("", NOT_NEGATIVE).holds(value) and (not value or max(value) > 0)


_SIDES = many("whole numbers from 1", SIDE)
_PICTURES = {
    **dict.fromkeys(("probability", "min_visible", "translate"), SHARE),
    **dict.fromkeys(("geometric", "antialias"), YES),
    **dict.fromkeys(("scale", "ratio"), FACTORS),
    **dict.fromkeys(("share", "middle"), SHARES),
    **dict.fromkeys(("sigma", "stddev"), LIMITS),
    **dict.fromkeys(("attempts", "count"), SIDE),
    **dict.fromkeys(("brightness", "contrast", "saturation"), NOT_NEGATIVE),
    **dict.fromkeys(("strength", "degrees", "shear"), NOT_NEGATIVE),
    **dict.fromkeys(("alpha", "mixup_alpha", "cutmix_alpha", "step"), POSITIVE),
    "size": SIZE,
    "color": COLOR,
    "overlaps": many("numbers from 0 to 1", SHARE),
    "pixels": count(0),
    "bits": number("a whole number from 1 to 8", 1, 8, whole=True),
    "jitter": BELOW_1,
    "magnitude": number("a number from 0 to 30", 0, 30),
    "threshold": number("a number from 0 to 256", 0, 256),
    "hue": number("a number from 0 to 0.5", 0, 0.5),
    "exposure": number("a factor from 1", 1),
}
OPTIONS: dict[str, dict[str, Rule]] = {
    "model": {
        **dict.fromkeys(("width", "hidden", "channels", "growth", "low_channels"), POSITIVE),
        **dict.fromkeys(("dropout", "stochastic_depth", "bn_momentum"), BELOW_1),
        **dict.fromkeys(("bn_synchronized", "bn_frozen", "auxiliary", "separable"), YES),
        **dict.fromkeys(("zero_init_last", "align_corners", "eval_flip", "batch_norm"), YES),
        **dict.fromkeys(("mask_widths", "blocks", "rates", "units"), _SIDES),
        **dict.fromkeys(("pre_nms", "post_nms", "train_pre_nms", "train_post_nms"), SIDE),
        **dict.fromkeys(("anchor_samples", "region_samples", "rate"), SIDE),
        "sampling_ratio": count(0),
        "anchor_ratios": many("numbers above 0", POSITIVE),
        "proposal_nms_iou": SHARE,
        "bn_epsilon": POSITIVE,
        "output_stride": Rule("8, 16 or 32", lambda value: value in (8, 16, 32)),
        "eval_scales": many("factors above 0, such as (1.0, 0.75)", POSITIVE),
    },
    "loss": {
        "label_smoothing": number("a number from 0 to below 1; 0 turns it off", 0, 1, below=True),
        "class_weights": Rule("factors from 0, one per class, not all of them 0", _are_weights),
        "hardest": number("a share of the pixels, above 0 and up to 1", 0, 1, above=True),
        "alpha": SHARE,
        **dict.fromkeys(("beta", "gamma", "smooth"), NOT_NEGATIVE),
        **dict.fromkeys(("delta", "weight"), POSITIVE),
        "on": Rule("softmax, sigmoid or logits", lambda v: v in ("softmax", "sigmoid", "logits")),
        "void": number("a whole number from 0 to 255", 0, 255, whole=True),
    },
    "optimizer": {
        **dict.fromkeys(("weight_decay", "epsilon", "weight_decay_rate"), NOT_NEGATIVE),
        **dict.fromkeys(("momentum", "beta_1", "beta_2", "rho"), BELOW_1),
        **dict.fromkeys(("nesterov", "amsgrad", "centered", "epsilon_inside_root"), YES),
        **dict.fromkeys(("eta", "clipnorm", "clipvalue", "global_clipnorm"), POSITIVE),
        **dict.fromkeys(("exclude", "exclude_from_weight_decay"), PATTERNS),
        "exclude_from_layer_adaptation": PATTERNS,
        "dampening": SHARE,
        "initial_accumulator_value": NOT_NEGATIVE,
    },
    "schedule": {
        **dict.fromkeys(("factor", "parts", "warmup_power"), POSITIVE),
        **dict.fromkeys(("power", "start", "end"), NOT_NEGATIVE),
        "rise": number("a share of the run, between 0 and 1", 0, 1, above=True, below=True),
        "boundaries": many("shares of the run from 0 to 1, rising", SHARE, rising=True),
        "factors": many("factors on the learning rate, from 0", NOT_NEGATIVE),
    },
    "inputs.crop": {**_PICTURES, "scale": SHARES},
    "inputs.mix": _PICTURES,
    "inputs.augment": _PICTURES,
}
# The rule of an option that means something else under this name: (name, option).
OWN: dict[tuple[str, str], Rule] = {
    ("cutout", "size"): SIDE,
    ("random_erase", "scale"): SHARES,
    ("random_erase", "color"): either(
        "() or three numbers from 0 to 255, (red, green, blue)", RGB, many("", SIDE, (0,))
    ),
    ("darknet_color", "saturation"): number("a factor from 1", 1),
    ("tversky", "alpha"): NOT_NEGATIVE,
    ("step", "parts"): SIDE,
}
