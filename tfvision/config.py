"""The one tree of settings: defaults, what an experiment changes, and how a run folder keeps it.

An experiment's `get_config` calls `config(...)` with what differs from the defaults. Sections
marked * take, beside the keys shown, the options of whatever they name (an optimizer's `beta_1`,
a model's `activation`); those are checked where the thing is built.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import ml_collections

from tfvision import errors, json_files
from tfvision.config_file import experiment, experiments

__all__ = [
    "FREE",
    "FROZEN_STEMS",
    "checked",
    "config",
    "defaults",
    "experiment",
    "experiments",
    "from_json",
    "options",
    "read",
    "to_json",
    "typed",
]
# What R-CNN leaves as it is behind imported weights, the stem and the stage of stride 4
# (py-faster-rcnn's code, detectron2's FREEZE_AT 2), for `weights.freeze`; one pattern each, since a
# pattern must find something, and frozen normalisation has nothing to freeze.
FROZEN_STEMS = {
    "resnet": (r"^(conv1/|bn1/|layer1\.)",),
    "mobilenet_v2": (r"^features\.[0-3]\.",),
}
# Settings of runs before: where they stand now.
_RENAMED = {
    "detection.metrics": "metrics",
    "inputs.turned": "inputs.aspect_ratio_grouping",
}
_WAY_OUT = "the file of a run is not to be edited; train again, or put it back"
FREE = ("model", "optimizer", "schedule", "loss", "crop", "mix")  # the sections marked *
_SQUARES = ("image_size", "train_size")  # of inputs: one number is both sides

# Every setting with its default; the comments are its documentation.
_DEFAULTS: dict[str, Any] = {
    "task": "classification",
    "seed": 0,
    "data": {
        "path": "",  # folder with dataset.json
        "folder": "",  # filled in: the same from the root, where `path` is not found later
        "train": "train",  # names of the splits
        "val": "val",
        "num_classes": 0,  # 0: as dataset.json says; a number is checked against it
        "class_names": (),  # filled in from dataset.json
        "fingerprint": "",  # filled in: of the shards' checksums
        "shuffle_buffer": 4096,  # records
    },
    "model": {"name": "resnet50"},  # *
    "weights": {
        "path": "",  # start from this file (.safetensors, .npz, .pth ...) or run folder
        "source": "tfvision",
        "which": "",  # in path: model, average or a key; "": the average where there is one
        "skip": (),  # regular expressions of variables not to load (the head)
        "freeze": (),  # of variables not to train; a layer without any left is frozen whole
        "rates": (),  # (expression, factor on the learning rate) pairs; the first one counts
    },
    "head": "softmax",  # classification: softmax (one label) or sigmoid (several)
    "aux_weight": 0.4,  # of the loss of aux_logits, which inception_v3 gives in training
    "inputs": {
        "image_size": (224, 224),  # height, width
        "train_size": (),  # of the canvas in training, where it is another one
        # R-CNN: batches of upright images train on train_size turned by 90 degrees
        "aspect_ratio_grouping": False,
        "resize": "center_crop",  # stretch, letterbox, short_side; classification: center_crop
        "short": 256,  # center_crop: the short side before it; short_side: the short side
        "long": 1333,  # short_side: the long side at most
        "padding": (127.5, 127.5, 127.5),  # RGB beside the image; the model's mean makes it 0
        "crop": {"name": ""},  # * training window: random_resized_crop, or as in evaluation
        "antialias": True,  # False: plain bilinear (of training windows: faster)
        "scaled_decoding": False,  # JPEGs of at least twice the size at a half, quarter, eighth
        "augment": (),  # dicts with a name and options, in order
        "mix": {"name": ""},  # * of training batches: mixup, cutmix, mixup_or_cutmix; mosaic
        "multi_scale": (),  # detection: (lowest side, highest, step) of square batches
        "multi_scale_every": 10,  # steps
        # Who makes the training batches: grpc://HOST:PORT of `tfvision input-service`, several
        # with commas; "": this process
        "service": "",
        # Several workers: each reads shards of its own, not every record (docs/scale.md)
        "by_files": False,
    },
    "detection": {  # and instances
        "max_boxes": 0,  # places for true boxes in a batch; 0: as many as the fullest image has
        "max_proposals": 2000,  # Fast R-CNN: of an image's, the first ones
        "train_difficult": False,  # learn from Pascal VOC's difficult objects too
        "mask_size": 112,  # cells a side of a true mask in its box, for instances
        "score_threshold": 0.005,  # of what is a detection; R-CNN's papers: 0.05
        "nms_iou": 0.45,  # boxes of a class that overlap a better one more go; R-CNN: 0.5
        "soft_nms": "",  # gaussian or linear: they lose score instead
        "max_detections": 100,  # an image
    },
    "metrics": (),  # names of metrics.METRICS; (): the task's. The first one's first number
    # picks the best weights
    "probabilities": False,  # segmentation: predictions hold them too, one number per class
    "loss": {
        "name": ""
    },  # * default: cross_entropy or binary_cross_entropy, by head; sum: of terms
    "optimizer": {"name": "momentum"},  # *
    "schedule": {  # *
        "name": "cosine",
        "learning_rate": 0.1,
        "warmup_epochs": 0.0,
        "scale_with_batch": 0,  # n: the rate is multiplied by batch_size / n; 0: it is not
        "scale_rule": "linear",  # or sqrt: by the root of batch_size / n
    },
    "regularization": {"l1": 0.0, "l2": 0.0, "exclude": ("bias", "gamma", "beta", "alpha")},
    "train": {
        "batch_size": 32,  # global
        "epochs": 90.0,
        "steps": 0,  # instead of epochs
        "precision": "auto",  # float32, bfloat16, float16 (with a scaled loss); auto: `tfvision
        # train` measures the first two and writes the faster one here
        "xla": False,  # compile the net, the loss and their gradients; max pooling takes
        # deterministic=False then (docs/precision.md)
        "accumulate": 1,  # a step adds up the gradients of so many parts of its batch
        "clip_norm": 0.0,  # of the global gradient; 0: none
        "ema": 0.0,  # decay of the weights' moving average, 0: none
        "steps_per_call": 10,
        "log_every": 10,  # steps
        "eval_every": 0,  # steps; 0: once an epoch
        "checkpoint_every": 0,  # steps; 0: once an epoch
        "keep": 2,  # latest checkpoints
        "best": "",  # metric of the best checkpoint; default: the task's first
        "deterministic": True,
        "intra_op_threads": 0,  # of an op on the CPU; 0: one a core. For training on a GPU try
        # 1: the input is up to a tenth faster when no image is divided among threads
        "profile_steps": (),  # (first, last): recorded for TensorBoard's profiler
        "report_input": True,  # measure the input once and tell whether it is the limit
    },
    "eval": {"batch_size": 0},  # 0: as in training
    "strategy": {  # of tf.distribute
        "name": "auto",  # one, mirrored, multi_worker, tpu; auto: what is there (docs/scale.md)
        "workers": 0,  # pods of an indexed job of Kubernetes; TF_CONFIG and srun say it themselves
        "port": 2222,  # of the workers, where TF_CONFIG does not say it
        "tpu": "",  # its name or address; "": the local one
    },
}


def defaults() -> dict[str, Any]:
    """Every setting with its default, as a tree of its own; `_DEFAULTS` documents them."""
    return copy.deepcopy(_DEFAULTS)


def config(**changes: Any) -> ml_collections.ConfigDict:
    """The defaults with `changes` laid over them; an unknown key is a UsageError.

    changes: one keyword a section, such as model={"name": "resnet18", "activation": "gelu"}."""
    return ml_collections.ConfigDict(_merge(defaults(), changes, "config"))


def _merge(base: dict, changes: Mapping, path: str) -> dict:
    merged = dict(base)
    free = path.rsplit(".", 1)[-1] in FREE
    for key, value in changes.items():
        if key not in base and not free:
            now = _RENAMED.get(f"{path}.{key}".removeprefix("config."))
            if now:
                raise errors.UsageError(f"{path}.{key} is now config.{now}")
            known = ", ".join(base)
            raise errors.UsageError(
                f"{path} has no key '{key}'{errors.suggestion(key, base)} (it has: {known})"
            )
        if isinstance(base.get(key), dict):
            if not isinstance(value, Mapping):
                raise errors.UsageError(f"{path}.{key} is a section, not {value!r}")
            value = _merge(base[key], value, f"{path}.{key}")
        elif key in base:
            value = typed(base[key], value, f"{path}.{key}")
        merged[key] = value
    return merged


def typed(default: Any, value: Any, path: str) -> Any:
    """`value` in the type of `default`, or a UsageError; one side of _SQUARES is a square."""
    if path.rpartition(".")[2] in _SQUARES and path.count(".") == 2:
        value = _square(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    if isinstance(default, ml_collections.ConfigDict) and isinstance(value, Mapping):
        return ml_collections.ConfigDict(value)
    if type(value) is not type(default):
        raise errors.UsageError(
            f"{path} must be {type(default).__name__}, not {type(value).__name__} ({value!r})"
        )
    return value


def _square(value: Any) -> Any:
    """128 and (128,), which is what a flag makes of it, are (128, 128)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    return tuple(value) * 2 if isinstance(value, (tuple, list)) and len(value) == 1 else value


def checked(config: Any) -> dict[str, Any]:
    """A whole config as plain dicts, every name and type as in the defaults.

    Makes squares of one side in place. Raises UsageError for what is not a whole config."""
    if not isinstance(config, ml_collections.ConfigDict):
        raise errors.UsageError(f"a config is made by tfvision.config.config, not {config!r}")
    tree = config.to_dict()
    _refuse_gaps(defaults(), tree, "config")
    tree = _merge(defaults(), tree, "config")
    for key in _SQUARES:
        config.inputs[key] = tree["inputs"][key]
    return tree


def _refuse_gaps(base: Mapping, tree: Mapping, path: str) -> None:
    for key, default in base.items():
        if key not in tree:
            raise errors.UsageError(
                f"{path}.{key} is missing; build the config with tfvision.config.config(...),"
                " which has all the defaults"
            )
        if isinstance(default, dict) and isinstance(tree[key], Mapping):
            _refuse_gaps(default, tree[key], f"{path}.{key}")


def options(section: Mapping, *chosen: str) -> dict[str, Any]:
    """What a * section contains beside its `own` keys, as a plain dict."""
    section = section.to_dict() if hasattr(section, "to_dict") else dict(section)
    return {key: value for key, value in section.items() if key not in chosen}


def to_json(config: ml_collections.ConfigDict) -> str:
    """The whole tree, readable and sorted."""
    return json.dumps(config.to_dict(), indent=2, sort_keys=True) + "\n"


def read(path: str) -> ml_collections.ConfigDict:
    """The config in a run's config.json. DataError where it cannot be read, or is none."""
    raw = json_files.read(path, {}, _WAY_OUT)
    return _from_tree(raw, path)


def from_json(text: str, file: str = "config.json") -> ml_collections.ConfigDict:
    """The inverse of `to_json`; DataError for broken JSON."""
    return _from_tree(json_files.parse(text, {}, file, _WAY_OUT), file)


def _from_tree(raw: Mapping[str, Any], file: str) -> ml_collections.ConfigDict:
    try:
        return config(**_moved(raw))
    except errors.UsageError as error:
        raise errors.DataError(f"{file}: {error}; {_WAY_OUT}") from None


def _moved(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The tree of an earlier run with its settings where they stand now."""
    tree = copy.deepcopy(dict(raw))
    for before, now in _RENAMED.items():
        section, _, key = before.partition(".")
        if isinstance(tree.get(section), dict) and key in tree[section]:
            target = tree if "." not in now else tree[now.partition(".")[0]]
            target[now.rpartition(".")[2]] = tree[section].pop(key)
    if "inputs" in tree:
        tree["inputs"] = _renamed(tree["inputs"])
    return tree


def _renamed(part: Any) -> Any:
    """A part of the tree of an earlier run with today's names of options and augmentations."""
    if isinstance(part, Mapping):
        return {errors.RENAMED.get(key, key): _renamed(value) for key, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [_renamed(value) for value in part]
    return errors.RENAMED.get(part, part) if isinstance(part, str) else part
