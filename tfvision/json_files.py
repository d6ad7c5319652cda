"""JSON files that tfvision reads back: whole, and of the shape that it wrote. No TensorFlow here.

A shape is a type (str, bool, int, a finite float), COUNT, a list of one shape, a tuple of shapes,
or a dict of shapes by key, and by `str` for all other keys. "key?" may be missing, `Maybe(shape)`
may be null. Keys that a shape does not name may contain anything.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from typing import Any

from tfvision import errors

MOST = 1 << 63  # what a whole number is below
_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a finite number"}


@dataclasses.dataclass(frozen=True)
class Maybe:
    """A shape, or null."""

    shape: Any


COUNT = object()  # a whole number from 0


def read(path: str | os.PathLike[str], shape: Any, way_out: str) -> Any:
    """The content of a file of that shape.

    way_out: ends the message. Raises DataError, of one line, that names file, field and value where
    the file cannot be read, is not UTF-8 or JSON, or of another shape."""
    path = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        raise errors.DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        byte = f"{error.object[error.start]:#04x} at byte {error.start}"
        raise errors.DataError(f"{path} is not UTF-8 ({byte}); {way_out}") from error
    return parse(text, shape, path, way_out)


def parse(text: str, shape: Any, path: str, way_out: str) -> Any:
    """As `read`, of the text of the file `path`."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits too
        why = f"not valid JSON: {errors.one_line(error)}" if text.strip() else "empty"
        raise errors.DataError(f"{path} is {why}; {way_out}") from None
    return conform(content, shape, path, way_out)


def conform(content: Any, shape: Any, path: str, way_out: str) -> Any:
    """`content` of the file `path`, which is of that shape; DataError where it is not."""
    try:
        check(content, shape)
    except _WrongError as wrong:
        field, value, expected = wrong.args
        shown = f"field {field}" if field else "its content"
        raise errors.DataError(
            f"{path}: {shown} is {_short(value)}, and must be {expected}; {way_out}"
        ) from None
    return content


class _WrongError(Exception):
    """(field, value, what it must be)."""


def check(value: Any, shape: Any, field: str = "") -> None:
    """Raises _WrongError where `value` is not of `shape`."""
    if isinstance(shape, Maybe):
        if value is not None:
            check(value, shape.shape, field)
    elif shape is COUNT:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not 0 <= value < MOST:
            raise _WrongError(field, value, "a whole number from 0")
    elif isinstance(shape, type):
        if not _is_of(value, shape):
            raise _WrongError(field, value, _WORDS[shape])
    elif isinstance(shape, list):
        _expect(value, list, field, "a list")
        for index, item in enumerate(value):
            check(item, shape[0], f"{field}[{index}]")
    elif isinstance(shape, tuple):
        if not isinstance(value, list) or len(value) != len(shape):
            raise _WrongError(field, value, f"a list of {len(shape)}")
        for index, (item, one) in enumerate(zip(value, shape, strict=True)):
            check(item, one, f"{field}[{index}]")
    else:
        _check_keys(value, shape, field)


def _check_keys(value: Any, shape: Mapping, field: str) -> None:
    _expect(value, dict, field, "an object with keys")
    prefix = f"{field}." if field else ""
    for key, one in shape.items():
        if key is str:
            named = {key.removesuffix("?") for key in shape if key is not str}
            for name in set(value) - named:
                check(value[name], one, f"{prefix}{name}")
        elif key.removesuffix("?") in value:
            name = key.removesuffix("?")
            check(value[name], one, f"{prefix}{name}")
        elif not key.endswith("?"):
            raise _WrongError(f"{prefix}{key}", None, "there")


def _expect(value: Any, kind: type, field: str, words: str) -> None:
    if not isinstance(value, kind):
        raise _WrongError(field, value, words)


def _is_of(value: Any, kind: type) -> bool:
    if kind is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST
    return isinstance(value, kind)


def _short(value: Any) -> str:
    """A value as JSON, cut."""
    if value is None:
        return "missing or null"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
