"""The exceptions that a user meets, and the two look-ups that raise them.

Every message names the value, the field, the file where there is one, and the way out.
The command line prints the message alone and ends with `exit_code`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class TfvisionError(Exception):
    """Something that the user can mend; the command line prints it in one line."""

    exit_code = 1


class DataError(TfvisionError):
    """A file, folder, record or annotation that cannot be used as it is (exit code 1)."""


class UsageError(TfvisionError):
    """A wrong name, option, flag or configuration (exit code 2)."""

    exit_code = 2


class NonFiniteError(TfvisionError):
    """A loss term or gradient became NaN or infinite during training (exit code 1)."""


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Returns "; did you mean 'x'?" for the nearest of `choices`, or an empty string."""
    near = difflib.get_close_matches(str(name), [str(choice) for choice in choices], n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def choose(table: Mapping[str, Any], name: str, what: str) -> Any:
    """Looks `name` up in a visible dict.

    Raises UsageError that names `what` (such as "optimizer"), the value, the nearest key
    and all keys."""
    if name in table:
        return table[name]
    known = ", ".join(map(str, table))
    raise UsageError(f"unknown {what} '{name}'{suggestion(name, table)} (choose one of: {known})")


def call(function: Callable, options: Mapping[str, Any], what: str, *args: Any) -> Any:
    """Calls `function(*args, **options)` after checking the option names.

    Raises UsageError that names `what`, the wrong option and those that exist."""
    parameters = inspect.signature(function).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        taken = {p.name for p in positional[: len(args)]}
        known = [p.name for p in parameters if p.name not in taken]
        for name in options:
            if name not in known:
                raise UsageError(
                    f"{what} has no option '{name}'{suggestion(name, known)}"
                    f" (its options: {', '.join(known) or 'none'})"
                )
    return function(*args, **options)
