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
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def numbers(found: Sequence[Any]) -> list[float | None]:
    """`number` of each; fast where they are numbers already, as in most polygons."""
    if set(map(type, found)) <= {int, float} and math.isfinite(sum(found)):
        return list(found)
    return [number(value) for value in found]


def whole(value: Any) -> int | None:
    """The whole number that a value or its text is, 1.0 too; None where it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)  # a long one must not lose digits as a float
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


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
    found = number(value)
    return bool(found) if found in (0, 1) else None
