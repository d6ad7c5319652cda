"""Which networks there are, and what one costs."""

from __future__ import annotations

import builtins

import keras

from tfvision import architectures, errors, tasks
from tfvision.architectures import summary as summaries
from tfvision.architectures import summary_table


def task_of(name: str) -> str:
    """The task of a network, a key of `tasks.TASKS`."""
    if name in architectures.CLASSIFIERS:
        return "classification"
    if name in architectures.SEGMENTERS:
        return "segmentation"
    return "instance" if name.startswith("mask_rcnn") else "detection"


def names(task: str | None = None) -> builtins.list[str]:
    """The names that `build` takes, of one task or of all.

    Raises UsageError for an unknown task."""
    if task is not None:
        errors.choose(tasks.TASKS, task, "task")
    return [name for name in architectures.names() if task in (None, task_of(name))]


def summary(model: keras.Model) -> str:
    """A table of a model's stages: sizes, parameters, multiply-adds, receptive fields, memory.

    model: of `build`, or any functional model of tfvision's layers."""
    net = getattr(model, "net", None)
    return summary_table.table(summaries.by_stage(net.serve if net else model))
