"""Fine-tuning: which weights stay as they are, and which learn more slowly than the rest.

Patterns are regular expressions, searched in "layer/variable" as `weights.skip` is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tfvision import errors
from tfvision.net import Net
from tfvision.weights import native


def freeze(net: Net, patterns: Sequence[str]) -> list[Any]:
    """Freezes what the patterns find; returns the variables that are left to train, in order.

    A layer of which nothing is left is frozen whole: a batch normalisation then uses its moving
    statistics in training too. Raises UsageError for a pattern that finds nothing, and where
    nothing is left."""
    trainable = list(net.train.trainable_variables)
    if not patterns:
        return trainable
    names = [native.name_of(variable) for variable in trainable]
    frozen = native.found(names, patterns, "weights.freeze")
    kept = [v for v, name in zip(trainable, names, strict=True) if name not in frozen]
    if not kept:
        raise errors.UsageError(
            f"weights.freeze leaves nothing to train ({', '.join(patterns)} find every variable)"
        )
    for layer in native.leaves(net):
        names_of_layer = [native.name_of(variable) for variable in layer.trainable_variables]
        if names_of_layer and frozen.issuperset(names_of_layer):
            layer.trainable = False
    return kept


def factors(variables: Sequence[Any], rates: Sequence[Sequence]) -> list[float]:
    """The factor on the learning rate of each variable: that of the first pattern that finds it.

    rates: (pattern, factor) pairs; 1 for a variable that none finds (Howard & Ruder 2018,
    arXiv:1801.06146, section 3.2). Raises UsageError for what is no such pair, a negative
    factor, and a pattern that finds nothing."""
    names = [native.name_of(variable) for variable in variables]
    pairs = []
    for pair in rates:
        if len(pair) != 2 or not isinstance(pair[0], str) or not _is_factor(pair[1]):
            raise errors.UsageError(
                f"weights.rates: {pair!r} is not a pattern and a factor, ('^fc/', 0.1)"
            )
        native.found(names, [pair[0]], "weights.rates")
        pairs.append((re.compile(pair[0]), float(pair[1])))
    return [next((f for pattern, f in pairs if pattern.search(name)), 1.0) for name in names]


def _is_factor(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
