"""The check of a whole config by what each setting can be. No TensorFlow.

`settings.RULES` has a rule a setting, `options.OPTIONS` one an option of the sections marked * in
`config.defaults`. A message names the setting, its value, and what it can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfvision import config as configs
from tfvision import errors
from tfvision.rules.options import OPTIONS, OWN
from tfvision.rules.rule import Rule
from tfvision.rules.settings import RULES

__all__ = ["OPTIONS", "OWN", "RULES", "Rule", "check", "steps"]


def check(config: Any) -> None:
    """The names of all settings, their types, and their values by their rules.

    Raises UsageError. An option that is None is its function's own affair."""
    tree = configs.checked(config)
    for path, rule in RULES.items():
        value: Any = tree
        for key in path.split("."):
            value = value[key]
        _keep(path, value, rule)
    for path in ("model", "loss", "optimizer", "schedule", "inputs.crop", "inputs.mix"):
        section: Any = tree
        for key in path.split("."):
            section = section[key]
        _options(path, path, section)
    for number, step in enumerate(steps(tree["inputs"]["augment"])):
        _options("inputs.augment", f"inputs.augment[{number}]", step)
    for number, term in enumerate(loss_terms(tree["loss"].get("terms", ()))):
        _options("loss", f"loss.terms[{number}]", term)


def steps(augment: Any) -> list[dict[str, Any]]:
    """The steps of inputs.augment as dicts; UsageError for one that is none, or has no name."""
    return _named(augment, "inputs.augment", {"name": "horizontal_flip", "probability": 0.5})


def loss_terms(terms: Any) -> list[dict[str, Any]]:
    """The terms of loss 'sum' as dicts; UsageError for one that is none, or has no name."""
    return _named(terms, "loss.terms", {"name": "dice", "weight": 0.5})


def _named(items: Any, path: str, example: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(items, (list, tuple)):
        raise errors.UsageError(f"config.{path} is {items!r}; it is a tuple of dicts")
    for number, item in enumerate(items):
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            raise errors.UsageError(
                f"config.{path}[{number}] is {item!r}; it is a dict with a name and options,"
                f" such as {example}"
            )
    return [dict(item) for item in items]


def _options(rules: str, path: str, section: Mapping[str, Any]) -> None:
    name = section["name"]
    if not isinstance(name, str):
        raise errors.UsageError(f"config.{path}.name is {name!r}; it is a name, a str")
    for key, value in section.items():
        rule = OWN.get((name, key)) or OPTIONS[rules].get(key)
        if f"{path}.{key}" not in RULES and value is not None and rule is not None:
            _keep(f"{path}.{key}", value, rule)


def _keep(path: str, value: Any, rule: Rule) -> None:
    if not rule.holds(value):
        raise errors.UsageError(f"config.{path} is {value!r}; it must be {rule.text}")
