"""What each setting of `config.defaults` can be. Names (of models, losses ...) are looked up in the
tables of what they name, and are not here."""

from __future__ import annotations

import re
from typing import Any

from tfvision.rules.rule import (
    NOT_NEGATIVE,
    PATTERN,
    PATTERNS,
    RGB,
    SHARE,
    SIDE,
    SIZE,
    Rule,
    count,
    many,
    number,
)


def _is_rate(value: Any) -> bool:
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    return pair and PATTERN.holds(value[0]) and NOT_NEGATIVE.holds(value[1])


def _is_grid(value: Any) -> bool:
    three = many("", SIDE, (3,)).holds(value)
    return value == () or (three and value[0] <= value[1])


def _is_service(value: Any) -> bool:
    addresses = value.split(",") if value else []
    return all(re.fullmatch(r"grpc://[^\s/,]+:\d{1,5}", address) for address in addresses)


RULES: dict[str, Rule] = {
    "seed": number("a whole number from 0 to 2**32 - 1", 0, 2**32 - 1, whole=True),
    "data.num_classes": count(0, "; 0 takes the data set's"),
    "data.shuffle_buffer": count(0, "; 0 does not shuffle"),
    "weights.skip": PATTERNS,
    "weights.freeze": PATTERNS,
    "weights.rates": many(
        "pairs of a regular expression and a factor from 0, such as (('^fc/', 0.1),)",
        Rule("", _is_rate),
    ),
    "aux_weight": NOT_NEGATIVE,
    "inputs.image_size": SIZE,
    "inputs.train_size": many("(height, width) in pixels, or () for image_size", SIDE, (0, 2)),
    "inputs.short": SIDE,
    "inputs.long": SIDE,
    "inputs.padding": RGB,
    "inputs.multi_scale": Rule(
        "(lowest side, highest side, step), such as (320, 608, 32), or ()", _is_grid
    ),
    "inputs.service": Rule(
        "grpc://HOST:PORT of an input service, several with commas between them, or ''", _is_service
    ),
    "inputs.multi_scale_every": count(1, " step"),
    "detection.max_boxes": count(0, "; 0 takes the fullest image's"),
    "detection.max_proposals": SIDE,
    "detection.mask_size": SIDE,
    "detection.score_threshold": number("a number from -1 to 1", -1, 1),
    "detection.nms_iou": SHARE,
    "detection.max_detections": SIDE,
    "schedule.learning_rate": NOT_NEGATIVE,
    "schedule.warmup_epochs": NOT_NEGATIVE,
    "schedule.scale_with_batch": count(0, "; 0 does not scale the rate"),
    "regularization.l1": NOT_NEGATIVE,
    "regularization.l2": NOT_NEGATIVE,
    "regularization.exclude": PATTERNS,
    "train.batch_size": SIDE,
    "train.epochs": number("a number from 0; 0 trains nothing", 0),
    "train.steps": count(0, "; 0 goes by train.epochs"),
    "train.accumulate": SIDE,
    "train.clip_norm": number("a number from 0; 0 clips nothing", 0),
    "train.ema": number("a decay from 0 to below 1; 0 keeps no average", 0, 1, below=True),
    "train.steps_per_call": SIDE,
    "train.log_every": count(1, " step"),
    "train.eval_every": count(0, " steps; 0 is once an epoch"),
    "train.checkpoint_every": count(0, " steps; 0 is once an epoch"),
    "train.keep": SIDE,
    "train.profile_steps": many(
        "(first, last) of the steps to record, from 2, or ()", count(2), (0, 2), rising=True
    ),
    "train.intra_op_threads": count(0, "; 0 is one a core"),
    "eval.batch_size": count(0, "; 0 is as in training"),
    "strategy.workers": count(0, "; 0 is as the environment says"),
    "strategy.port": SIDE,
}
