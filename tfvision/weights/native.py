"""Our own plain format: {"layer/variable": float32}, and the strict filling of a net from it.

Every variable is filled once and every entry of the file is used, or nothing is changed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvision import atomic, errors, stack
from tfvision.net import Net

_LISTED = 10  # names shown of each kind of disagreement


def named(net: Net) -> dict[str, Any]:
    """The variables of `net` by "layer/variable", in the order of `net.variables()`.

    Layers inside a layer go by the innermost name. Raises ValueError if two share a name."""
    by_name: dict[str, Any] = {}
    for variable in net.variables():
        name = name_of(variable)
        if name in by_name:
            raise ValueError(f"two variables of the net are called '{name}'")
        by_name[name] = variable
    return by_name


def name_of(variable: Any) -> str:
    """A variable's "layer/variable"."""
    return "/".join(stack.variable_path(variable).split("/")[-2:])


def leaves(net: Net) -> list[Any]:
    """The layers of the training network that contain no other layers."""
    layers = net.train._flatten_layers(include_self=False, recursive=True)
    return [layer for layer in layers if not any(layer._flatten_layers(include_self=False))]


def collect(net: Net) -> dict[str, np.ndarray]:
    """The values of all variables by "layer/variable", as float32 copies."""
    return {n: np.array(stack.raw(v).numpy(), np.float32) for n, v in named(net).items()}


def check_output(path: str | os.PathLike) -> None:
    """Raises UsageError for a path that `save` cannot write for its extension."""
    if os.path.splitext(os.fspath(path))[1].lower() not in (".safetensors", ".npz"):
        raise errors.UsageError(f"{path} must end in .safetensors or .npz")


def save(mapping: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
    """Writes arrays by name, as float32; the file is there complete or not at all.

    Raises UsageError for an extension other than .safetensors and .npz, and DataError if the
    file cannot be written."""
    check_output(path)
    path = os.fspath(path)
    # safetensors writes an array's memory as it lies, so it must lie in C order.
    arrays = {n: np.array(a, np.float32, order="C") for n, a in mapping.items()}
    with atomic.file(path) as aside, open(aside, "wb") as file:
        if path.lower().endswith(".npz"):
            np.savez(file, **arrays)
        else:
            import safetensors.numpy

            file.write(safetensors.numpy.save(arrays))


def fill(net: Net, mapping: Mapping[str, np.ndarray], *, skip: Sequence[str] = ()) -> int:
    """Assigns every variable from `mapping`; returns the number of values assigned.

    skip: regular expressions, searched in "layer/variable", of variables that stay as they
    are and of entries that are not wanted. Raises DataError if the two do not agree, and then
    changes nothing."""
    return assign(net, {name: (name, array) for name, array in mapping.items()}, skip=skip)


def found(names: Sequence[str], patterns: Sequence[str], what: str = "skip") -> set[str]:
    """The names that one of the regular expressions is found in. what: for the messages.

    Raises UsageError for an expression that is none, or is found in no name."""
    if isinstance(patterns, str):
        raise errors.UsageError(f"{what} is a list of regular expressions; write ['{patterns}']")
    out: set[str] = set()
    for pattern in patterns:
        try:
            hits = {name for name in names if re.search(pattern, name)}
        except re.error as error:
            raise errors.UsageError(
                f"{what}: '{pattern}' is not a regular expression: {error}"
            ) from None
        if not hits:
            raise errors.UsageError(
                f"{what}: '{pattern}' is found in no variable of the model or the file"
                f" (the last ones are {', '.join(list(names)[-2:])})"
            )
        out |= hits
    return out


def assign(
    net: Net, entries: Mapping[str, tuple[str, np.ndarray]], *, skip: Sequence[str] = ()
) -> int:
    """`fill`, with the name that each entry has in its file, for the messages.

    entries: "layer/variable" -> (name in the file, array in our axis order)."""
    variables = named(net)
    left = found([*(n for n in entries if n not in variables), *variables], skip)
    chosen = {name: v for name, v in variables.items() if name not in left}
    unused = [entries[n][0] for n in entries if n not in variables and n not in left]
    unfilled = [name for name in chosen if name not in entries]
    wrong, values = [], {}
    for name, variable in chosen.items():
        if name not in entries:
            continue
        source, array = entries[name]
        shape = tuple(variable.shape)
        if tuple(array.shape) != shape:
            wrong.append(f"{source} is {_size(array.shape)}, {name} is {_size(shape)}")
            continue
        with np.errstate(over="ignore"):
            values[name] = np.ascontiguousarray(array, np.float32).reshape(shape)
    _refuse(unused=unused, unfilled=unfilled, wrong=wrong)
    broken = [entries[name][0] for name, value in values.items() if not np.isfinite(value).all()]
    if broken:
        raise errors.DataError(f"{_list(broken)}: values that are NaN or infinite")
    for name, value in values.items():
        chosen[name].assign(value)
    return sum(value.size for value in values.values())


def _refuse(*, unused: list[str], unfilled: list[str], wrong: list[str]) -> None:
    """Raises DataError that tells all disagreements, if there is one."""
    parts = []
    if unused:
        parts.append(f"{len(unused)} in the file but not in the model: {_list(unused)}")
    if unfilled:
        parts.append(f"{len(unfilled)} in the model but not in the file: {_list(unfilled)}")
    if wrong:
        parts.append(f"{len(wrong)} of another shape (in our axis order): {_list(wrong)}")
    if parts:
        raise errors.DataError(
            f"the weights do not fit the model; {'; '.join(parts)}."
            " Variables named in `skip` (the head, '^fc/') stay as they are"
        )


def _list(names: Sequence[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
