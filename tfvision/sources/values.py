"""Numbers and truth values as annotation files write them: 1, 1.0, "1", " 1 ", "", "true"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_TRUE = ("1", "true", "yes")
_FALSE = ("", "0", "false", "no")


def number(value: Any) -> float | None:
    """The finite number that a value or its text is; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and "_" in value:  # Python would take 1_0 for 10
        return None
    try:
        value_read = float(value)
    except (ValueError, OverflowError):
        return None
    return value_read if math.isfinite(value_read) else None


def numbers(given: Sequence[Any]) -> list[float | None]:
    """`number` of each; fast where they are numbers already, as in most polygons."""
    if set(map(type, given)) <= {int, float} and math.isfinite(sum(given)):
        return list(given)
    return [number(value) for value in given]


def whole(value: Any) -> int | None:
    """The whole number that a value or its text is, 1.0 too; None where it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)  # a long one must not lose digits as a float
    value_read = number(value)
    return int(value_read) if value_read is not None and value_read.is_integer() else None


def size(height: Any, width: Any) -> tuple[int, int] | None:
    """(height, width) as positive whole numbers; None where one of them is none."""
    found = (whole(height), whole(width))
    return found if None not in found and min(found) > 0 else None


def flag(value: Any) -> bool | None:
    """The truth value that a value or its text is, nothing being False; None where it is none."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str):
        text = value.strip().casefold()
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
    value_read = number(value)
    return bool(value_read) if value_read in (0, 1) else None
