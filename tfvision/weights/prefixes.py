"""What wrappers put before every name of a state dict, and its removal.

DataParallel adds "module.", torch.compile "_orig_mod.", Lightning and others the attribute that
the network is in ("model."); one may be around the other. AveragedModel adds a number of its own,
`n_averaged`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

# The first parts of names that belong to networks, though all names of a file may share them
# (those of a classifier without its head are all "features.").
_PARTS = re.compile(
    r"(features|backbone|encoder|decoder|classifier|aux_classifier|head|segmentation_head|body|fpn|"
    r"rpn|roi_heads|fc|(conv|bn|norm|layer|stages?|blocks?|Mixed_|Conv2d_)\w*)$"
)
_COUNTERS = ("n_averaged",)
MOST_PARTS = 16  # of a prefix


def is_part(first: str) -> bool:
    """Does a network have a part of this name, so that it may be no wrapper's?"""
    return _PARTS.match(first) is not None


def common(names: Iterable[str]) -> str:
    """The first part that all names have ("module."), or "".

    "" too where names have no third part: in "fc.weight" and "fc.bias" it is the layer."""
    firsts, longest = set(), 0
    for name in names:
        firsts.add(name.partition(".")[0])
        longest = max(longest, name.count("."))
    return f"{firsts.pop()}." if len(firsts) == 1 and longest > 1 else ""


def strip(
    arrays: Mapping[str, np.ndarray], stays: Callable[[str], bool] = is_part
) -> tuple[dict[str, np.ndarray], str, list[str]]:
    """The arrays without what all names begin with, that prefix, and the numbers left out.

    stays: is a first part no wrapper's? Numbers without a module ("n_averaged") beside names with
    one are left out. Names with a slash are of other conventions and stay."""
    arrays = dict(arrays)
    inside = [name for name in arrays if "." in name]  # a module
    strays = [name for name, array in arrays.items() if "." not in name and array.size == 1]
    if any("/" in name for name in arrays) or len(inside) + len(strays) < len(arrays):
        return arrays, "", []
    prefix = ""
    for _ in range(MOST_PARTS):
        first = common(name[len(prefix) :] for name in inside)
        if not first or stays(first[:-1]):
            break
        prefix += first
    left = [name for name in strays if inside and (prefix or name in _COUNTERS)]
    kept = {n[len(prefix) :]: a for n, a in arrays.items() if n not in left}
    return kept, prefix, left


def fitted(
    arrays: Mapping[str, np.ndarray], layers: Iterable[str]
) -> tuple[Mapping[str, np.ndarray], str]:
    """The arrays without a prefix that the net's layers do not have, and that prefix.

    layers: the net's names. Unchanged where no layer would be met without the prefix."""
    layers = set(layers)
    firsts = {name.partition(".")[0] for name in layers}
    stripped, prefix, _ = strip(arrays, stays=lambda first: first in firsts)
    if prefix and any(name.rpartition(".")[0] in layers for name in stripped):
        return stripped, prefix
    return arrays, ""
