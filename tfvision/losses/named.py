"""The loss that a config names: one function, or a weighted sum of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tfvision import config as configs
from tfvision import errors, rules

SUM = "sum"
_TENSORS = ("logits", "targets")  # what every loss takes beside its options, by name


@dataclasses.dataclass(frozen=True)
class Term:
    """One function of a loss. options: its keywords. extra: those of `extra` in `terms`."""

    name: str
    function: Callable
    options: Mapping[str, Any]
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weight: float = 1.0

    def __call__(self, logits, targets):
        return self.function(logits=logits, targets=targets, **self.options)


def terms(
    section: Mapping,
    table: Mapping[str, Callable],
    *,
    default: str,
    what: str,
    extra: Mapping[str, Iterable[str]] | None = None,
) -> tuple[Term, ...]:
    """The terms of config.loss.

    section: {"name": a key of `table`, options}; an empty name is `default`. The name "sum" takes
    `terms` instead, each {"name": ..., "weight": 1.0, options}. extra: {name: options that the
    caller handles and the function does not have}. Raises UsageError that names the option."""
    options = configs.options(section, "name")
    name = section["name"] or default
    if name != SUM:
        return (_term(name, options, table, "config.loss", what, extra or {}),)
    parts = options.pop("terms", ())
    errors.expect(options, (), f"config.loss: loss '{SUM}' beside its terms")
    rows = []
    for number, part in enumerate(rules.loss_terms(parts)):
        where, weight = f"config.loss.terms[{number}]", part.pop("weight", 1.0)
        term = _term(part.pop("name"), part, table, where, what, extra or {})
        rows.append(dataclasses.replace(term, weight=float(weight)))
    if not rows:
        raise errors.UsageError(
            "config.loss.name is 'sum', but config.loss.terms is empty; name its losses, such as"
            " {'name': 'dice', 'weight': 0.5}"
        )
    return tuple(rows)


def _term(name, options, table, where, what, extra) -> Term:
    function = errors.choose({**table, SUM: None}, name, what)
    if function is None:
        raise errors.UsageError(f"{where} is a sum inside a sum; list its losses themselves")
    beside = {key: options.pop(key) for key in extra.get(name, ()) if key in options}
    errors.options(function, options, f"{where}: loss '{name}'", beside=_TENSORS)
    return Term(name, function, options, beside)


def total(losses: Iterable[Term], value: Callable[[Term], Any], prefix: str) -> dict[str, Any]:
    """{name in the log: weight * value(term)}: `prefix` alone, or one for each term of a sum."""
    losses = tuple(losses)
    if len(losses) == 1:
        return {prefix: losses[0].weight * value(losses[0])}
    values: dict[str, Any] = {}
    for term in losses:
        key = f"{prefix}_{term.name}"
        values[key] = values.get(key, 0.0) + term.weight * value(term)
    return values
