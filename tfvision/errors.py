"""The exceptions that a user meets, and the two look-ups that raise them.

Every message names the value, the field, the file where there is one, and the way out.
The command line prints the message alone and ends with `exit_code`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

# Names of options and of their values that changed: before -> now.
RENAMED = {
    "centre_crop": "center_crop",
    "colour": "color",
    "colour_jitter": "color_jitter",
    "darknet_colour": "darknet_color",
    "grey": "grayscale",
}
# A node's name and an eager operation's in TensorFlow's messages.
_OF_A_GRAPH = re.compile(r"\{\{\w+ [^}]*\}\} ?| \[Op:\w+\].*")


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


def suggestion(name: str, choices: Collection[str]) -> str:
    """Returns "; did you mean 'x'?" for the nearest of `choices`, or an empty string.

    A name that changed is told by its new one."""
    if RENAMED.get(name) in choices:
        return f"; it is called '{RENAMED[name]}' now"
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


def difference(here: Sequence[str], there: Sequence[str]) -> str:
    """The first class that two lists of names differ in, in words."""
    pairs = zip(here, there, strict=False)
    number = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(here), len(there)))
    here_name, other = (repr(n[number]) if number < len(n) else "none" for n in (here, there))
    return f"class {number} is {here_name} here and {other} there"


def one_line(error: BaseException) -> str:
    """What an error says, in one line and without the lists of frames that AutoGraph adds."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if lines[0].startswith("in user code:"):
        lines = lines[-1:]
    nodes = [number for number, line in enumerate(lines) if line.startswith("[[{{node")]
    if nodes and lines[0].startswith("Graph execution error"):
        lines = lines[nodes[0] - 1 : nodes[0]]  # the status of the node stands before its name
    text = " ".join(lines[:1] if len(lines) > 3 else lines)
    text = _OF_A_GRAPH.sub("", text)
    text = text if len(text) < 400 else f"{text[:400]} ..."
    is_told = isinstance(error, TfvisionError) or text.startswith(type(error).__name__)
    return text if is_told else f"{type(error).__name__}: {text}"


@contextlib.contextmanager
def reported(what: str) -> Iterator[None]:
    """Whatever is raised inside comes out as a TfvisionError of one line that begins with `what`.

    For code that a config steers: TensorFlow's and Python's own errors do not name settings. A
    TfvisionError of one line passes as it is."""
    try:
        yield
    except TfvisionError as error:
        if "\n" not in str(error):
            raise
        raise type(error)(one_line(error)) from error
    except Exception as error:
        raise UsageError(f"{what}: {one_line(error)}") from error


def options(
    function: Callable,
    given: Mapping[str, Any],
    what: str,
    positional: int = 0,
    beside: Collection[str] = (),
) -> None:
    """Checks the options of a function before it is called: their names, and those it needs.

    positional: so many arguments come before them. beside: names that the caller gives. Raises
    UsageError that names `what`, the option and those that exist."""
    parameters = list(inspect.signature(function).parameters.values())
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    named = [p for p in named[positional:] if p.name not in beside]
    known = [p.name for p in named]
    for name, value in given.items():
        if name not in known and not open_ended:
            raise UsageError(
                f"{what} has no option '{name}'{suggestion(name, known)}"
                f" (its options: {', '.join(known) or 'none'}; an empty value,"
                f" --config.SECTION.{name}=, takes it out of an experiment)"
            )
        if name in known:
            parameter = named[known.index(name)]
            _check_type(name, value, parameter.default, str(parameter.annotation), what)
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in given:
            raise UsageError(f"{what} needs the option '{parameter.name}'")


def expect(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raises UsageError for the first name that is not known; it names `what` and those known."""
    known = list(known)
    for name in given:
        if name not in known:
            raise UsageError(
                f"{what} has no option '{name}'{suggestion(name, known)}"
                f" (its options: {', '.join(known) or 'none'})"
            )


def take(options: Mapping[str, Any], what: str, *defaults: Any) -> tuple:
    """Returns `defaults`, dataclasses, with those of `options` that are fields of theirs.

    A field that is a dataclass contains options too (`option_names`). An option goes to every
    dataclass that has it; None stands for its default. Raises UsageError that names `what` for an
    option that none has, and for a value of another type than the default."""
    expect(options, option_names(*defaults), what)
    return tuple(_changed(default, options, what) for default in defaults)


def option_names(*defaults: Any) -> list[str]:
    """The fields of dataclasses, and of those that are their fields; each name once."""
    names: dict[str, None] = {}
    for default in defaults:
        for field in dataclasses.fields(default):
            value = getattr(default, field.name)
            inner = option_names(value) if dataclasses.is_dataclass(value) else [field.name]
            names |= dict.fromkeys(inner)
    return list(names)


def _changed(default: Any, options: Mapping[str, Any], what: str) -> Any:
    changes = {}
    for field in dataclasses.fields(default):
        name, value = field.name, getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            changes[name] = _changed(value, options, what)
        elif options.get(name) is not None:
            changes[name] = options[name]
            # The network looks itself at what may be of several types, and at 16.0 for 16.
            if "|" not in str(field.type) and not isinstance(options[name], float):
                _check_type(name, options[name], value, str(field.type), what)
    return dataclasses.replace(default, **changes)


def _check_type(name: str, value: Any, default: Any, annotation: str, what: str) -> None:
    """A value must be of the kind of the option's default: a bool, a str, a number."""
    kinds = None
    if isinstance(default, (bool, str)):
        kinds = type(default)
    elif isinstance(default, int) and "float" not in annotation:
        kinds = int
    elif isinstance(default, float) and annotation == "float":
        kinds = (int, float)
    elif isinstance(default, (tuple, list)):
        kinds = (tuple, list)
    wrong = kinds is not None and not isinstance(value, kinds)
    if wrong or (isinstance(value, bool) and kinds in (int, (int, float))):
        raise UsageError(
            f"{what}: {name} is {value!r}, a {type(value).__name__};"
            f" it must be like its default, {default!r}"
        )


def call(function: Callable, options: Mapping[str, Any], what: str, *args: Any) -> Any:
    """Calls `function(*args, **options)` after checking the option names.

    Raises UsageError that names `what`, the wrong option and those that exist."""
    parameters = inspect.signature(function).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        taken = {p.name for p in positional[: len(args)]}
        expect(options, [p.name for p in parameters if p.name not in taken], what)
    return function(*args, **options)
