"""A rule: what a value can be, as a test and as words. Makers of rules, and those met often."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """text: what a value is that keeps to the rule, for messages. holds: does a value?"""

    text: str
    holds: Callable[[Any], bool]


def number(
    text: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
    whole: bool = False,
) -> Rule:
    """A finite number from `low` to `high`. above, below: without that end. whole: an int."""
    types = int if whole else (int, float)

    def holds(value: Any) -> bool:
        if not isinstance(value, types) or isinstance(value, bool) or not math.isfinite(value):
            return False
        enough = low < value if above else low <= value
        return enough and (value < high if below else value <= high)

    return Rule(text, holds)


def count(low: int, more: str = "") -> Rule:
    """A whole number from `low`. more: the rest of the text."""
    return number(f"a whole number from {low}{more}", low, whole=True)


def many(text: str, element: Rule, lengths: Sequence[int] = (), *, rising: bool = False) -> Rule:
    """A tuple or list of what `element` takes. lengths: those it can have, by default any."""

    def holds(value: Any) -> bool:
        if not isinstance(value, (tuple, list)) or not all(map(element.holds, value)):
            return False
        if rising and any(a > b for a, b in itertools.pairwise(value)):
            return False
        return not lengths or len(value) in lengths

    return Rule(text, holds)


def either(text: str, *rules: Rule) -> Rule:
    """What one of the rules takes."""
    return Rule(text, lambda value: any(rule.holds(value) for rule in rules))


def _is_pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except re.error:
        return False


SIDE = count(1)
POSITIVE = number("a number above 0", 0, above=True)
NOT_NEGATIVE = number("a number from 0", 0)
SHARE = number("a number from 0 to 1", 0, 1)
BELOW_1 = number("a number from 0 to below 1", 0, 1, below=True)
YES = Rule("True or False", lambda value: isinstance(value, bool))
SIZE = many("(height, width) in pixels, such as (128, 128)", SIDE, (2,))
FACTORS = many("(lowest, highest), both above 0, such as (0.5, 2.0)", POSITIVE, (2,), rising=True)
SHARES = many(
    "(lowest, highest), both above 0 and up to 1, such as (0.08, 1.0)",
    number("", 0, 1, above=True),
    (2,),
    rising=True,
)
LIMITS = many("(lowest, highest), both from 0", NOT_NEGATIVE, (2,), rising=True)
RGB = many("three numbers from 0 to 255, (red, green, blue)", number("", 0, 255), (3,))
COLOR = either("a grey from 0 to 255 or three of them, (red, green, blue)", number("", 0, 255), RGB)
PATTERN = Rule("a regular expression", _is_pattern)
PATTERNS = many("a tuple of regular expressions, such as ('^fc/',)", PATTERN)
