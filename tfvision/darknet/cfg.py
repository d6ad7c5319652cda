"""Darknet's cfg files: text -> sections (pjreddie/darknet, and what AlexeyAB's added to it).

A cfg is a list of sections, the layers in order after a first one, [net]. Keys that change the
network are read, keys of the training alone are accepted and left out, and anything else is an
error that names the line: a key that is silently ignored would be a network with other results.
"""

from __future__ import annotations

import dataclasses
import math
import os
import types
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tfvision import errors


@dataclasses.dataclass(frozen=True)
class Section:
    """One section: its kind, every key that matters with its value or default, its line."""

    kind: str
    values: dict[str, Any]
    line: int = 0  # 0: not from a file

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def where(self) -> str:
        """For messages."""
        return f"line {self.line}: [{self.kind}]" if self.line else f"[{self.kind}]"


class _Keys(NamedTuple):
    """What a kind of section may say. read: key -> default, whose type is the key's.

    neutral: keys that are accepted with this one value, because another needs what is not here.
    ignored: keys of the training, or of what comes after the network."""

    read: dict[str, Any]
    neutral: Mapping[str, int] = types.MappingProxyType({})
    ignored: str = ""


# Darknet's names -> those of layers.activations and their options
ACTIVATIONS: dict[str, tuple[str, dict[str, float]]] = {
    "linear": ("linear", {}),
    "leaky": ("leaky_relu", {"slope": 0.1}),
    "logistic": ("sigmoid", {}),
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "elu": ("elu", {}),
    "selu": ("selu", {}),
    "tanh": ("tanh", {}),
    "mish": ("mish", {}),
    "swish": ("silu", {}),
    "gelu": ("gelu_tanh", {}),
}
_ALIASES = {
    "network": "net",
    "conv": "convolutional",
    "max": "maxpool",
    "avg": "avgpool",
    "conn": "connected",
    "soft": "softmax",
}
_NET_IGNORED = """batch subdivisions momentum decay angle saturation exposure hue aspect
    learning_rate burn_in max_batches policy steps scales power gamma step scale max_crop min_crop
    center crop time_steps notruth random flip adam B1 B2 eps mosaic mosaic_bound mixup cutmix blur
    gaussian_noise letter_box optimized_memory workspace_size_limit_MB try_fix_nan
    dynamic_minibatch resize_step ema_alpha num_steps max_ratio min_ratio sgdr_cycle sgdr_mult
    seq_scales track augment_speed sequential_subdivisions loss_scale label_smooth_eps
    max_chart_loss adversarial_lr attention contrastive use_cuda_graph show_receptive_field"""
# one string, for any layer may carry them
_LAYER_IGNORED = "stopbackward onlyforward learning_rate train_only_bn burnin_update clip smooth"
_LAYER_NEUTRAL = {"dontload": 0, "dontloadscales": 0}
_HEAD_IGNORED = """jitter random truth_thresh max bias_match iou_thresh cls_normalizer
    iou_normalizer obj_normalizer uc_normalizer delta_normalizer max_delta iou_loss nms_kind
    beta_nms counters_per_class label_smooth_eps objectness_smooth iou_thresh_kind resize
    focal_loss iou_point show_details forced thresh_nms"""

# Of single numbers, from and to: beyond these nothing can be meant.
_RANGES = {
    "width": (1, 65_536),
    "height": (1, 65_536),
    "channels": (1, 65_536),
    "filters": (1, 1_048_576),
    "size": (1, 1_024),
    "stride": (1, 1_024),
    "pad": (0, 1),
    "padding": (0, 1_024),
    "groups": (1, 1_048_576),
    "group_id": (0, 1_048_576),
    "output": (1, 16_777_216),
    "classes": (1, 1_048_576),
    "side": (1, 1_024),
    "num": (1, 1_024),
}

KINDS: dict[str, _Keys] = {
    "net": _Keys({"width": 0, "height": 0, "channels": 3}, {}, _NET_IGNORED),
    "convolutional": _Keys(
        {
            "filters": 1,
            "size": 1,
            "stride": 1,
            "pad": 0,
            "padding": 0,
            "groups": 1,
            "batch_normalize": 0,
            "activation": "logistic",
        },
        {"flipped": 0, "binary": 0, "xnor": 0, "dilation": 1, "antialiasing": 0},
    ),
    "local": _Keys({"filters": 1, "size": 1, "stride": 1, "pad": 0, "activation": "logistic"}),
    "connected": _Keys({"output": 1, "activation": "logistic"}, {"batch_normalize": 0}),
    "maxpool": _Keys({"stride": 1, "size": 0, "padding": -1}, {"antialiasing": 0}),
    "avgpool": _Keys({}),
    "upsample": _Keys({"stride": 2}, {"scale": 1}),
    "reorg": _Keys({"stride": 1}, {"reverse": 0, "flatten": 0, "extra": 0}),
    "route": _Keys({"layers": [], "groups": 1, "group_id": 0}),
    "shortcut": _Keys({"from": 0, "activation": "linear"}, {"alpha": 1, "beta": 1}),
    "dropout": _Keys({"probability": 0.5}, {"dropblock": 0}),
    "softmax": _Keys({}, {"groups": 1, "tree": 0}, "temperature noloss spatial"),
    "cost": _Keys({}, {}, "type scale ratio noobj thresh"),
    "detection": _Keys(
        {
            "classes": 1,
            "side": 7,
            "num": 1,
            "sqrt": 0,
            "softmax": 0,
            "rescore": 0,
            "object_scale": 1.0,
            "noobject_scale": 1.0,
            "class_scale": 1.0,
            "coord_scale": 1.0,
        },
        {"coords": 4, "reorg": 0},
        _HEAD_IGNORED,
    ),
    "region": _Keys(
        {
            "anchors": [],
            "classes": 20,
            "num": 1,
            "softmax": 0,
            "rescore": 0,
            "thresh": 0.5,
            "object_scale": 1.0,
            "noobject_scale": 1.0,
            "class_scale": 1.0,
            "coord_scale": 1.0,
        },
        {"coords": 4, "background": 0},
        f"{_HEAD_IGNORED} absolute log sqrt",
    ),
    "yolo": _Keys(
        {
            "anchors": [],
            "mask": [],
            "classes": 20,
            "num": 1,
            "ignore_thresh": 0.5,
            "scale_x_y": 1.0,
        },
        {"new_coords": 0},
        _HEAD_IGNORED,
    ),
}


def section(kind: str, **values: Any) -> Section:
    """A section made in Python; keys that are not given have Darknet's defaults."""
    return Section(kind, {**KINDS[kind].read, **values})


def read(path: str | os.PathLike) -> list[Section]:
    """The sections of a cfg file, [net] first. Raises DataError that names file and line."""
    path = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            text = file.read()
    except OSError as error:
        raise errors.DataError(f"{path} cannot be read: {error}") from error
    try:
        return parse(text)
    except errors.DataError as error:
        raise errors.DataError(f"{path}, {error}") from error


def parse(text: str) -> list[Section]:
    """The sections of a cfg's text. Raises DataError that names the line."""
    sections: list[Section] = []
    for number, raw in enumerate(text.splitlines(), 1):
        # Darknet takes out all white space, and a line that starts with ; is a comment too
        line = "".join(raw.split("#")[0].split())
        if not line or line.startswith(";"):
            continue
        if line.startswith("["):
            kind = line.strip("[]")
            kind = _ALIASES.get(kind, kind)
            keys = _look_up(KINDS, kind, "section", number)
            sections.append(Section(kind, dict(keys.read), number))
            seen: set[str] = set()
            continue
        key, equals, value = line.partition("=")
        if not equals or not sections:
            raise errors.DataError(f"line {number}: '{line}' is neither [section] nor key=value")
        if key not in seen:  # Darknet takes the first
            seen.add(key)
            _take(sections[-1], key, value, number)
    if not sections or sections[0].kind != "net":
        raise errors.DataError("line 1: a cfg file starts with [net]")
    return sections


def text(sections: Sequence[Section], image_size: tuple[int, int]) -> str:
    """A cfg file of sections without [net], for images of (height, width) pixels.

    Keys of the training are not in it: other programs run such a file, Darknet does not train
    it."""
    net = section("net", height=image_size[0], width=image_size[1])
    lines = []
    for part in (net, *sections):
        lines.append(f"[{part.kind}]")
        for key, value in part.values.items():
            if value == [] or (key, value) in (("padding", -1), ("size", 0)):  # not said
                continue
            numbers = value if isinstance(value, list) else [value]
            # whole numbers without a point, for programs that want an int there
            shown = [int(n) if isinstance(n, float) and n.is_integer() else n for n in numbers]
            lines.append(f"{key}={','.join(map(str, shown))}")
        lines.append("")
    return "\n".join(lines)


def _look_up(table, name, what, line):
    try:
        return errors.choose(table, name, what)
    except errors.UsageError as error:
        raise errors.DataError(f"line {line}: {error}") from None


def _take(section: Section, key: str, text: str, line: int) -> None:
    """One key=value into `section`."""
    keys = KINDS[section.kind]
    neutral = {**keys.neutral, **_LAYER_NEUTRAL}
    if key in keys.read:
        section.values[key] = _value(keys.read[key], key, text, line)
        if key == "activation":
            _look_up(ACTIVATIONS, text, "activation", line)
    elif key in neutral:
        if _value(0.0, key, text, line) != neutral[key]:
            raise errors.DataError(
                f"line {line}: {key}={text} of [{section.kind}] is not supported"
                f" (only {key}={neutral[key]})"
            )
    else:
        ignored = f"{keys.ignored} {_LAYER_IGNORED}".split()
        known = dict.fromkeys((*keys.read, *neutral, *ignored))
        _look_up(known, key, f"key of [{section.kind}]", line)


def _value(default: Any, key: str, text: str, line: int) -> Any:
    """`text` in the type of `default`; a list is of numbers."""
    try:
        if isinstance(default, list):
            numbers = [float(part) for part in text.split(",") if part]
            value_read = [int(n) for n in numbers] if key != "anchors" else numbers
        elif isinstance(default, int):
            value_read = int(float(text))
        else:
            value_read = type(default)(text)
    except (ValueError, OverflowError):
        raise errors.DataError(f"line {line}: {key}={_cut(text)} is not a number") from None
    numbers = value_read if isinstance(value_read, list) else [value_read]
    if not isinstance(default, str) and not all(map(math.isfinite, numbers)):
        raise errors.DataError(f"line {line}: {key}={_cut(text)} is not finite")
    low, high = _RANGES.get(key, (None, None))
    if low is not None and not low <= value_read <= high:
        raise errors.DataError(f"line {line}: {key}={_cut(text)} is not from {low} to {high}")
    return value_read


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
