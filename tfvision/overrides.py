"""Settings from the command line: --config.SECTION.KEY=VALUE, checked against the defaults.

ml_collections takes the flags of settings that an experiment names; the options of the sections
marked * in `config.defaults` go through `override`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections

from tfvision import config as configs
from tfvision import config_file, errors

_FLAG = re.compile(r"--?config\.([\w.]+)(?:=.*)?$", re.S)
_FREE_FLAG = re.compile(
    rf"--?config\.((?:\w+\.)?(?:{'|'.join(configs.FREE)})\.\w+)(?:=(.*))?$", re.S
)


def override(config: ml_collections.ConfigDict, path: str, text: str) -> None:
    """Sets an option of a * section, `path` such as "model.width", to what `text` spells.

    text: a Python literal (8, 0.5, None, (1, 2)), true or false, or else a string; an empty one
    takes an option of the experiment away. Raises UsageError where the section is not there or
    contains the option in another type."""
    *names, key = path.split(".")
    section = config
    for name in names:
        section = section.get(name) if isinstance(section, ml_collections.ConfigDict) else None
    if not isinstance(section, ml_collections.ConfigDict):
        raise errors.UsageError(f"config has no section '{'.'.join(names)}'")
    if not text and key not in _section(names):
        with section.unlocked():
            if key in section:
                del section[key]
        return
    value = _literal(text)
    if section.get(key) is not None and value is not None:
        chosen = section[key]
        value = text if isinstance(chosen, str) else configs.typed(chosen, value, f"config.{path}")
    with section.unlocked(), section.ignore_type():
        section[key] = value


def _section(names: Sequence[str]) -> dict:
    """A section's keys as the defaults have them."""
    section = configs.defaults()
    for name in names:
        section = section.get(name, {})
    return section


def set_data(config: ml_collections.ConfigDict, folder: str | None) -> None:
    """What --data=DIR means: the data set of `config` is in `folder`; None changes nothing."""
    if folder:
        config.data.path, config.data.folder = folder, ""


def with_options(config: ml_collections.ConfigDict, options: Sequence[str]):
    """`config` with "SECTION.KEY=VALUE" texts applied by `override`."""
    for option in options:
        override(config, *option.split("=", 1))
    return config


def flag_arguments(given: Sequence[str]) -> list[str]:
    """--config=NAME -> --config=its file; --config.model.KEY=VALUE -> --option=model.KEY=VALUE.

    ml_collections takes only settings that the experiment names; a section marked * has more.
    Raises UsageError for an unknown name."""
    result = list(given)
    for index, argument in enumerate(result):
        name = argument.lstrip("-")
        if name == "config" and index + 1 < len(result):
            result[index + 1] = config_file.experiment_file(result[index + 1])
        elif name.startswith("config=") and argument.startswith("-"):
            result[index] = f"--config={config_file.experiment_file(name.split('=', 1)[1])}"
        elif match := _FREE_FLAG.match(argument):
            if match[2] is None and index + 1 < len(result):
                result[index + 1] = f"{match[1]}={result[index + 1]}"
            result[index] = "--option" if match[2] is None else f"--option={match[1]}={match[2]}"
        elif match := _FLAG.match(argument):
            _check_name(match[1].split("."))
    return result


def _check_name(keys: Sequence[str]) -> None:
    """Raises UsageError for a --config.SECTION.KEY that is not a setting."""
    base, path = configs.defaults(), "config"
    for key in keys:
        if not isinstance(base, dict):
            raise errors.UsageError(f"--{path} is a setting, and has no '{key}'")
        if key not in base:
            others = [f"--config.{name}" for name in _named(configs.defaults(), keys[-1])]
            near = f"; did you mean {' or '.join(others)}?" if others else ""
            raise errors.UsageError(
                f"{path} has no key '{key}'{near or errors.suggestion(key, base)}"
                f" (it has: {', '.join(base)})"
            )
        base, path = base[key], f"{path}.{key}"
    if isinstance(base, dict):
        raise errors.UsageError(f"--{path} is a section; it has: {', '.join(base)}")


def _named(tree: Mapping, key: str, path: str = "") -> list[str]:
    """The settings called `key`, by their paths."""
    paths = []
    for name, value in tree.items():
        if isinstance(value, dict):
            paths += _named(value, key, f"{path}{name}.")
        elif name == key:
            paths.append(f"{path}{name}")
    return paths


def literals(given: Sequence[str]) -> dict[str, Any]:
    """["width=32", "activation=gelu"] -> {"width": 32, "activation": "gelu"}."""
    values = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise errors.UsageError(f"'{text}' is not OPTION=VALUE")
        values[key] = _literal(value)
    return values


def _literal(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
