"""Weights from files into networks.

`SOURCES` names the conventions: "tfvision" (ours, see `native`), "torchvision" (state dicts),
"smp" (those of segmentation_models_pytorch), "keras" (Keras Applications) and "darknet" (.weights,
whatever the file's extension).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfvision import errors
from tfvision.net import Net
from tfvision.weights import darknet, keras_applications, native, readers, smp, torchvision

SOURCES = {
    "torchvision": torchvision.fill,
    "smp": smp.fill,
    "keras": keras_applications.fill,
    "darknet": darknet.fill,
    "tfvision": native.fill,
}


def load(
    net: Net,
    weights: str | os.PathLike | Mapping[str, np.ndarray],
    source: str = "torchvision",
    skip: Sequence[str] = (),
) -> int:
    """Fills `net` from a weight file, or from arrays by name; returns how many values it set.

    source: a key of SOURCES, the convention of the names. With "keras", weights="imagenet" has
    Keras fetch the published ones. skip: regular expressions, searched in "layer/variable", of
    variables that stay as they are. All or nothing is assigned. Raises UsageError for an unknown
    source and DataError for a file that is broken or does not fit."""
    fill = errors.choose(SOURCES, source, "source of weights")
    if isinstance(weights, Mapping):
        return fill(net, weights, skip=skip)
    if source == "keras" and weights == keras_applications.IMAGENET:
        return fill(net, keras_applications.download(net.train.name), skip=skip)
    read = darknet.read if source == "darknet" else readers.read
    try:
        return fill(net, read(weights), skip=skip)
    except errors.DataError as error:
        path = os.fspath(weights)
        if path in str(error):
            raise
        raise errors.DataError(f"{path}: {error}") from error
