"""The options of a conversion as Python has them: their values, and their names in errors."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tfvision import errors

_SETTING = re.compile(r"(?:--)?\bconfig\.(?:inputs\.|detection\.|data\.|train\.)?")
_FLAG = re.compile(r"--(\w+)(?:=([^\s;)]+))?")


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the command's flags have them.

    Paths become text; {"train": 0.8, "val": 0.2} "train:0.8,val:0.2", and so do all mappings."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return ",".join(f"{key}:{item}" for key, item in value.items())
    return value


@contextlib.contextmanager
def named(defaults: Mapping[str, Any]) -> Iterator[None]:
    """Errors that are raised inside name arguments, and not the flags of the command.

    defaults: of the arguments, by name: --strict becomes strict=True, --labels=FILE labels='FILE',
    and --workers workers."""

    def spelled(match: re.Match) -> str:
        name, value = match.groups()
        if name not in defaults:
            return match[0]
        if value is not None:
            word = value.rstrip(",.")
            return f"{name}={word!r}{value[len(word) :]}"
        return f"{name}=True" if isinstance(defaults[name], bool) else name

    try:
        yield
    except errors.TfvisionError as error:
        error.args = (_FLAG.sub(spelled, str(error)),)
        raise


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """Errors that are raised inside name settings of a config without their section."""
    try:
        yield
    except errors.TfvisionError as error:
        error.args = (_SETTING.sub("", str(error)),)
        raise
