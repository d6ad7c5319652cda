"""Weights of Keras Applications' ResNet50/101/152, VGG16/19 and InceptionV3 -> our nets.

The net must be built with version="keras": that is their pixels (ResNet and VGG: Caffe's means,
no scaling; Inception: [-1, 1]), their biases, their place of the stride and their averages. What
else differs is turned here: the first convolution of ResNet and VGG sees BGR, VGG's first dense
layer counts H, W, C, and Inception's normalisations have no gamma.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tfvision import errors
from tfvision.net import Net
from tfvision.weights import native
from tfvision.weights.keras_layers import APPLICATIONS, CONV, DENSE, NORM, Layer, by_class, table

_OUTSIDE = "outside/"
IMAGENET = "imagenet"  # in place of a file: the weights that Keras downloads
_VARIABLES = {
    CONV: ("kernel", "bias"),
    DENSE: ("kernel", "bias"),
    NORM: ("gamma", "beta", "moving_mean", "moving_variance"),
}
_CAFFE = (123.68, 116.779, 103.939)  # RGB means of keras.applications.*.preprocess_input


def options(model: str) -> dict[str, object]:
    """The options that one of our models must be built with to take these weights."""
    errors.choose(APPLICATIONS, model, "model of Keras Applications")
    extra = {"auxiliary": False} if model == "inception_v3" else {}
    return {"version": "keras", **extra}


def download(model: str) -> dict[str, np.ndarray]:
    """The published ImageNet weights of one of our models, through keras.applications.

    Needs a network, or Keras's cache (~/.keras). Raises DataError where there is neither."""
    name = errors.choose(APPLICATIONS, model, "model of Keras Applications")
    try:
        application = getattr(keras.applications, name)(weights=IMAGENET)
    except Exception as error:  # urllib's, OSError, ValueError for a wrong checksum
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise errors.DataError(
            f"Keras cannot fetch the ImageNet weights of {name} ({reason});"
            " fetch the .h5 file elsewhere and give its path"
        ) from error
    return {
        f"{layer.name}/{number}": array
        for layer in application.layers
        for number, array in enumerate(layer.get_weights())
    }


def fill(net: Net, mapping: Mapping[str, np.ndarray], *, skip: Sequence[str] = ()) -> int:
    """Assigns every variable from arrays by "layer/number"; returns the number of values.

    skip: regular expressions, searched in our "layer/variable", of variables that stay as they
    are (of a file without a head: "^fc/" or "^classifier"; of a network inside a model also
    "^outside/", the model's other layers). Raises DataError if the two do not
    agree, and then changes nothing; UsageError for a net of another version."""
    layers = table(net.train.name)
    _check(net)
    mapping = _outermost(mapping)
    names = _names(layers, mapping)
    entries: dict[str, tuple[str, np.ndarray]] = {}
    used = set()
    for layer in layers:
        count = sum(f"{names[layer]}/{number}" in mapping for number in range(4))
        variables = _VARIABLES[layer.kind]
        if layer.kind == NORM and count == 3:  # scale=False
            variables = variables[1:]
            beta = mapping[f"{names[layer]}/0"]
            entries[f"{layer.ours}/gamma"] = (f"{names[layer]}/gamma", np.ones_like(beta))
        for number, variable in enumerate(variables):
            source = f"{names[layer]}/{number}"
            if source in mapping:
                used.add(source)
                array = _turned(layer, variable, np.asarray(mapping[source]))
                entries[f"{layer.ours}/{variable}"] = (source, array)
    entries.update({n: (n, np.asarray(a)) for n, a in mapping.items() if n not in used})
    return native.assign(net, entries, skip=skip)


def _outermost(mapping: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """The arrays of a network inside a model by the names that they have in the network alone.

    Those of the model around it get "outside/" before theirs: Keras counts "dense" in each model
    anew."""
    outer = collections.Counter()
    for name in mapping:
        layer = name.rpartition("/")[0].removeprefix("layers/")
        if "/" in layer:
            outer[name[: name.rindex("/", 0, name.rindex("/")) + 1]] += 1
    if not outer:
        return mapping
    network = outer.most_common(1)[0][0]
    before = network.removesuffix("layers/") if network.startswith("layers/") else network
    inside = {n[len(before) :]: a for n, a in mapping.items() if n.startswith(network)}
    around = {n: a for n, a in mapping.items() if not n.startswith(network)}
    return {**inside, **{f"{_OUTSIDE}{name}": array for name, array in around.items()}}


def _names(layers: list[Layer], mapping: Mapping[str, np.ndarray]) -> dict[Layer, str]:
    """Where each layer is in the file."""
    layer_names = dict.fromkeys(
        name.rpartition("/")[0] for name in mapping if not name.startswith(_OUTSIDE)
    )
    if all(name.startswith("layers/") for name in layer_names):
        return by_class(layers)
    names = {layer: layer.theirs for layer in layers}
    for kind in (CONV, NORM):
        # Nameless layers are numbered from wherever the session's count stood.
        nameless = [layer for layer in layers if layer.kind == kind and not layer.theirs]
        numbered = [name for name in layer_names if re.fullmatch(rf"{kind}(_\d+)?", name)]
        numbered.sort(key=lambda name: int(name[len(kind) + 1 :] or 0))
        if nameless and len(numbered) != len(nameless):
            raise errors.DataError(
                f"the file has {len(numbered)} layers {kind}_<n>, Keras's InceptionV3 has"
                f" {len(nameless)}"
            )
        names.update(zip(nameless, numbered, strict=False))
    return names


def _turned(layer: Layer, variable: str, array: np.ndarray) -> np.ndarray:
    """Keras's axis order -> ours, where they differ."""
    if variable != "kernel":
        return array
    if layer.theirs in ("conv1_conv", "block1_conv1"):
        return array[:, :, ::-1]  # BGR -> RGB
    if layer.theirs == "fc1" and array.ndim == 2 and array.shape[0] % 49 == 0:
        rows = array.reshape(7, 7, -1, array.shape[1])  # H, W, C -> C, H, W
        return rows.transpose(2, 0, 1, 3).reshape(array.shape)
    return array


def _check(net: Net) -> None:
    """Raises UsageError for a net that these weights would fill and yet be wrong in."""
    model = net.train.name
    pixels = net.train.get_layer("pixels")
    if model == "inception_v3":
        averages = (getattr(layer, "counts_padding", False) for layer in net.train.layers)
        right = pixels.mean == pixels.std == [127.5] * 3 and not any(averages)
    else:
        right = pixels.mean == list(_CAFFE) and pixels.std == [1.0] * 3
    if not right:
        raise errors.UsageError(
            f"weights of Keras need the model option version='keras' ({model} was built without)"
        )
