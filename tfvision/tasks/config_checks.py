"""The names and options of a config's inputs, checked before any image is read.

A task checks its loss and its model's family itself; `rules` has checked types and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfvision import config as configs
from tfvision import errors, rules
from tfvision.inputs import augment, mixing

# The tasks that read a setting, and its value where the others are to leave it.
READ_BY: dict[str, tuple[Any, tuple[str, ...]]] = {
    "head": ("softmax", ("classification",)),
    "probabilities": (False, ("segmentation",)),
    "inputs.train_size": ((), ("segmentation", "detection", "instance")),
    "inputs.aspect_ratio_grouping": (False, ("detection", "instance")),
    "inputs.multi_scale": ((), ("detection",)),
    "inputs.mix.name": ("", ("classification", "detection")),
    "loss.name": ("", ("classification", "segmentation")),
}
MIXES = {"classification": mixing.MIXES, "detection": mixing.BOX_MIXES}


def check(config: Any) -> None:
    """Raises UsageError for a setting that the task does not read, and for names and options of
    inputs.augment, inputs.crop and inputs.mix that are not there."""
    for path, (unset, tasks) in READ_BY.items():
        value = config
        for key in path.split("."):
            value = value[key]
        if config.task not in tasks and value != unset:
            raise errors.UsageError(
                f"config.{path} is {value!r}; it is for the task {' and '.join(tasks)} and not for"
                f" '{config.task}'; remove it, --config.{path}={unset!s}"
            )
    for number, step in enumerate(rules.steps(config.to_dict()["inputs"]["augment"])):
        where = f"config.inputs.augment[{number}]"
        _options(augment.AUGMENTATIONS, step, f"{where}: augmentation", 2)
    _options(augment.WINDOWS, config.inputs.crop, "config.inputs.crop", 2)
    _options(MIXES.get(config.task, {}), config.inputs.mix, "config.inputs.mix", 3)


def _options(table: Mapping, section: Mapping, what: str, positional: int) -> None:
    """section: {"name": ..., options} of a function in `table`; an empty name is none."""
    given = configs.options(section, "name")
    name = section["name"]
    if name:
        function = errors.choose(table, name, f"name in {what}" if "[" not in what else what)
        errors.options(function, given, f"{what} '{name}'", positional)
    elif given:
        raise errors.UsageError(f"{what}.name is empty, but it has {', '.join(given)}; name one of:"
                                f" {', '.join(table)}")  # fmt: skip


def class_weights(config: Any, classes: int) -> None:
    """Raises UsageError where the loss has another number of class weights than classes."""
    terms = enumerate(rules.loss_terms(config.loss.get("terms", ())))
    sections = {"loss": config.loss, **{f"loss.terms[{number}]": term for number, term in terms}}
    for path, section in sections.items():
        weights = section.get("class_weights") or ()
        if len(weights) not in (0, classes):
            raise errors.UsageError(
                f"config.{path}.class_weights is {tuple(weights)}, {len(weights)} values; the data"
                f" has {classes} classes: {', '.join(config.data.class_names[:10])}"
            )
