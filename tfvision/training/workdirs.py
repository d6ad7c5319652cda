"""The run folder: whose it is, the resolved config, what it ran on, and the evaluation tables."""

from __future__ import annotations

import contextlib
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

from tfvision import atomic, errors, locks, paths
from tfvision import config as configs

CONFIG = "config.json"
# What may differ when a run goes on; every other setting is refused. These do not touch the
# path of the weights ...
FREE_TO_CHANGE = (
    "data.path",  # the same records, by their fingerprint
    "data.folder",
    "train.log_every",
    "train.eval_every",
    "train.checkpoint_every",
    "train.steps_per_call",
    "train.keep",
    "train.report_input",
    "train.profile_steps",
    "train.intra_op_threads",
    "train.best",
    "eval.batch_size",
    "inputs.service",  # the same batches, made elsewhere
    "strategy.name",  # up to rounding: another number of replicas adds up in another order
    "strategy.workers",
    "strategy.port",
    "strategy.tpu",
)
# ... and these, which can only be raised, move the end: the schedule spans the new length.
FREE_TO_RAISE = ("train.epochs", "train.steps")

# What a run writes. A folder of these alone, without a checkpoint, is free for another run.
_OWN = {CONFIG, "versions.json", "log.jsonl", "tensorboard", "evaluations", "checkpoints"}


def _is_own(name: str) -> bool:
    return name in _OWN or atomic.is_aside(name)


class Folder:
    """The folder of one run that trains: no other process trains in it meanwhile.

    Made and claimed at the first step, or claimed at once where it is there already. writes: False
    for a worker that is not the chief, which leaves all that to the chief."""

    def __init__(self, workdir: str, *, writes: bool = True):
        self.path, self._writes = workdir, writes
        self._stack = contextlib.ExitStack()
        self._ready = False

    def __enter__(self) -> Folder:
        if self._writes and os.path.isdir(self.path):
            self._claim()
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def _claim(self) -> None:
        taken = errors.UsageError(
            f"another run trains in {self.path}; wait for it or choose another --workdir"
        )
        self._stack.enter_context(locks.held(self.path, taken))

    def prepare(self, config, *, fresh: bool) -> None:
        """Makes the folder and notes the config, once.

        fresh: the run begins here, and what one without a checkpoint has left is removed."""
        if self._ready or not self._writes:
            return
        if not os.path.isdir(self.path):
            with atomic.reported(self.path):
                atomic.folders(self.path)
            self._claim()
        if fresh:
            self._empty()
        path = os.path.join(self.path, CONFIG)
        atomic.write_text(path, configs.to_json(config))
        text = json.dumps(versions(), indent=2) + "\n"
        atomic.write_text(os.path.join(self.path, "versions.json"), text)
        self._ready = True

    def _empty(self) -> None:
        if has_checkpoint(self.path):
            raise errors.UsageError(
                f"another run has trained in {self.path} since this one started; choose another"
                " --workdir"
            )
        for name in filter(_is_own, os.listdir(self.path)):
            path = os.path.join(self.path, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def check(workdir: str, config) -> Any:
    """The config of the run in this folder; None where it is free for a run of `config`.

    Writes nothing. Raises UsageError for a path that cannot be a folder, for one that holds
    something else, and for each setting that differs and is not one of the FREE_TO_ ones."""
    paths.check_folder(workdir, "--workdir")
    if has_run(workdir):
        before = read_config(workdir)
        _check_same(workdir, before, config)
        return before
    if os.path.isdir(workdir) and not all(map(_is_own, os.listdir(workdir))):
        raise errors.UsageError(
            f"{workdir} is not empty and contains no run of tfvision; give an empty or a new"
            " --workdir"
        )
    return None


def has_run(workdir: str) -> bool:
    """Does this folder hold a run that can go on?"""
    return has_config(workdir) and has_checkpoint(workdir)


def has_config(workdir: str) -> bool:
    """Has a run taken a step in this folder?"""
    return os.path.exists(os.path.join(workdir, CONFIG))


def has_checkpoint(workdir: str) -> bool:
    """Has a run in this folder saved weights?"""
    folder = os.path.join(workdir, "checkpoints")
    return os.path.isdir(folder) and any(name[0] != "." for name in os.listdir(folder))


def read_config(workdir: str):
    """The config of a run folder; DataError where there is none."""
    path = os.path.join(workdir, CONFIG)
    if not os.path.exists(path):
        raise errors.DataError(f"{workdir} is not a run folder: it has no {CONFIG}")
    return configs.read(path)


def _flat(tree: dict, path: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            flat |= _flat(value, name)
        else:
            flat[name] = json.loads(json.dumps(value))
    return flat


def _check_same(workdir: str, before, config) -> None:
    old, new = _flat(before.to_dict()), _flat(config.to_dict())
    changed = [
        f"{key} is {new.get(key)!r}, was {old.get(key)!r}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and key not in FREE_TO_CHANGE + FREE_TO_RAISE
    ]
    if changed:
        raise errors.UsageError(
            f"{workdir} contains a run with a different config ({'; '.join(changed[:5])}"
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
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=os.path.dirname(os.path.abspath(__file__)),
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def write_evaluation(workdir: str, step: int, split: str, results: dict, evaluator) -> None:
    """workdir/evaluations/SPLIT-STEP.json: numbers, per-class table, confusion matrix."""
    content = evaluation_json(step, split, results, evaluator)
    path = os.path.join(workdir, "evaluations", f"{split}-{step:08d}.json")
    atomic.write_text(path, json.dumps(content, indent=2) + "\n")


def evaluation_json(step: int, split: str, results: dict, evaluator) -> dict[str, Any]:
    """An evaluation as JSON-ready values; what has no value is null."""
    finite = {k: v if math.isfinite(v) else None for k, v in results.items()}
    lower = evaluator.lower_is_better(results)
    head = {"step": step, "split": split, "metrics": finite, "lower_is_better": lower}
    return {**head, **evaluator.arrays()}
