"""The run folder: the resolved config, what it ran on, and the evaluation tables."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import subprocess
import sys
from typing import Any

import keras
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, paths

CONFIG = "config.json"
# A run may go on with other values of these: they do not touch the path of the weights.
_HARMLESS = (
    "data.path",
    "train.log_every",
    "train.eval_every",
    "train.checkpoint_every",
    "train.steps_per_call",
    "train.keep",
    "train.report_input",
    "train.intra_op_threads",
    "train.best",
    "eval.batch_size",
)


# What a run writes. A folder of these alone, without a checkpoint, is free for another run.
_OWN = {CONFIG, "versions.json", "log.jsonl", "tensorboard", "evaluations", "checkpoints"}
_OWN |= {f"{name}.aside" for name in _OWN}


def check(workdir: str, config) -> None:
    """Can a run of `config` be in this folder? Writes nothing.

    Raises UsageError for a path that cannot be a folder, for one that holds something else, and,
    where there is a checkpoint already, for each key that differs from its run's."""
    paths.check_folder(workdir, "--workdir")
    path = os.path.join(workdir, CONFIG)
    if os.path.exists(path) and has_checkpoint(workdir):
        _check_same(path, config)
    elif os.path.isdir(workdir) and not _OWN.issuperset(os.listdir(workdir)):
        raise errors.UsageError(
            f"{workdir} is not empty and holds no run of tfvision; give an empty or new --workdir"
        )


def has_checkpoint(workdir: str) -> bool:
    """Has a run in this folder saved weights?"""
    folder = os.path.join(workdir, "checkpoints")
    return os.path.isdir(folder) and any(name[0] != "." for name in os.listdir(folder))


def prepare(workdir: str, config, *, fresh: bool) -> None:
    """Makes the folder and notes the config.

    fresh: the run begins here, and what one without a checkpoint has left is removed."""
    if fresh:
        for name in _OWN & set(os.listdir(workdir) if os.path.isdir(workdir) else ()):
            path = os.path.join(workdir, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    path = os.path.join(workdir, CONFIG)
    paths.write_text(path, configs.to_json(config))
    paths.write_text(
        os.path.join(workdir, "versions.json"), json.dumps(versions(), indent=2) + "\n"
    )


def read_config(workdir: str):
    """The config of a run folder; DataError where there is none."""
    path = os.path.join(workdir, CONFIG)
    try:
        with open(path, encoding="utf-8") as file:
            return configs.from_json(file.read(), path)
    except FileNotFoundError:
        raise errors.DataError(f"{workdir} is no run folder: it has no {CONFIG}") from None


def _flat(tree: dict, path: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            flat |= _flat(value, name)
        else:
            flat[name] = json.loads(json.dumps(value))
    return flat


def _check_same(path: str, config) -> None:
    with open(path, encoding="utf-8") as file:
        before = _flat(configs.from_json(file.read(), path).to_dict())
    now = _flat(config.to_dict())
    changed = [
        f"{key} is {now.get(key)!r}, was {before.get(key)!r}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key) and key not in _HARMLESS
    ]
    if changed:
        raise errors.UsageError(
            f"{os.path.dirname(path)} holds a run with another config ({'; '.join(changed[:5])}"
            f"{'; ...' if len(changed) > 5 else ''}); use another --workdir, or the same config"
        )


def versions() -> dict[str, Any]:
    """What the run runs on, and how it was started."""
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "command": sys.argv,
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    """The commit of the source tree that this file is in, if it is in one."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=os.path.dirname(os.path.abspath(__file__)),
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def write_evaluation(workdir: str, step: int, split: str, results: dict, evaluator) -> None:
    """workdir/evaluations/SPLIT-STEP.json: numbers, per-class table, confusion matrix."""
    content = evaluation_json(step, split, results, evaluator)
    path = os.path.join(workdir, "evaluations", f"{split}-{step:08d}.json")
    paths.write_text(path, json.dumps(content, indent=2) + "\n")


def evaluation_json(step: int, split: str, results: dict, evaluator) -> dict[str, Any]:
    """An evaluation as JSON-ready values; what has no value is null."""
    finite = {k: v if math.isfinite(v) else None for k, v in results.items()}
    return {"step": step, "split": split, "metrics": finite, **evaluator.arrays()}
