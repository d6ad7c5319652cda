"""Weights from files into networks.

`SOURCES` names the conventions: "tfvision" (ours, see `native`), "torchvision" (state dicts),
"smp" (those of segmentation_models_pytorch), "keras" (Keras Applications) and "darknet" (.weights,
whatever the file's extension). What a file is, its content tells (`formats`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfvision import errors
from tfvision.net import Net
from tfvision.weights import (
    darknet_weights,
    keras_applications,
    native,
    prefixes,
    readers,
    smp,
    torchvision,
)

SOURCES = {
    "torchvision": torchvision.fill,
    "smp": smp.fill,
    "keras": keras_applications.fill,
    "darknet": darknet_weights.fill,
    "tfvision": native.fill,
}
_OF_MODULES = ("torchvision", "smp")  # whose names are paths of modules


def load(
    net: Net,
    weights: str | os.PathLike | Mapping[str, np.ndarray],
    source: str = "torchvision",
    skip: Sequence[str] = (),
    which: str = "",
    say: Callable[[str], None] | None = None,
) -> int:
    """Fills `net` from a weight file, or from arrays by name; returns how many values it set.

    net: a Net, or what has one, such as a model of `models.build`.
    source: a key of SOURCES, the convention of the names. With "keras", weights="imagenet" has
    Keras fetch the published ones. skip: regular expressions, searched in "layer/variable", of
    variables that stay as they are. which: "model", "average" or a key, of a file with the
    parameters and their average; "" takes the average. say: called with a line on each choice that
    was made (which of the two, what was taken off all names). All or nothing is assigned. Raises
    UsageError for an unknown source or a `which` that the file lacks, and DataError for a file that
    is broken or does not fit."""
    fill = errors.choose(SOURCES, source, "source of weights")
    net = getattr(net, "net", net)
    path, notes = "", ()
    if isinstance(weights, Mapping):
        readers.check_single("a mapping", which)
        arrays = weights
    elif source == "keras" and weights == keras_applications.IMAGENET:
        readers.check_single(weights, which)
        arrays = keras_applications.download(net.train.name)
    elif source == "darknet":
        readers.check_single(os.fspath(weights), which)
        path, arrays = f"{os.fspath(weights)}: ", darknet_weights.read(weights)
    else:
        path = f"{os.fspath(weights)}: "
        arrays, notes = readers.inspect(weights, which, _bytes(net))
    if source in _OF_MODULES:
        arrays, prefix = prefixes.fitted(arrays, (n.rpartition("/")[0] for n in native.named(net)))
        notes = (*notes, f"took '{prefix}' off all names") if prefix else notes
    for note in notes if say else ():
        say(f"{path}{note}")
    try:
        return fill(net, arrays, skip=skip)
    except errors.DataError as error:
        known = f" ({'; '.join(notes)})" if notes else ""
        raise errors.DataError(f"{path}{error}{known}") from error


def _bytes(net: Net) -> int:
    return sum(4 * math.prod(variable.shape) for variable in net.variables())
