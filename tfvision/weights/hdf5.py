"""HDF5 weight files of Keras -> "layer/number": array, numbers in Keras's order of a layer.

Two layouts: the legacy one (layers and weights are listed in attributes; also inside a whole
model's .h5, under "model_weights"), and Keras 3's .weights.h5, also inside a .keras file, whose
layers go by class and count ("conv2d_3") in place of their names; those come back as
"layers/conv2d_3/0". A model that is a layer of another one stands before its layers:
"resnet50/conv1_conv/0", "layers/functional/layers/conv2d/0". Neither a model's configuration nor
any link to another file is followed.
"""

from __future__ import annotations

import collections
import io
import math
from typing import Any

import numpy as np

from tfvision import errors
from tfvision.weights import formats, zips

_DEPTH, _GROUPS = 16, 50_000  # of models in models
_UNBOUNDED = 2**62


def read(path: str, budget: int = _UNBOUNDED) -> dict[str, np.ndarray]:
    """All arrays of the file. budget: bytes that they may take together.

    Raises DataError for one that is broken, beyond its budget or of another layout."""
    try:
        with open(path, "rb") as file:
            if file.read(4) != zips.MAGIC:
                file.seek(0)
                return _read(path, file, budget)
            with zips.open_checked(file, budget) as archive:
                inner = io.BytesIO(zips.read(archive, formats.KERAS_WEIGHTS))
            return _read(path, inner, budget)
    except errors.DataError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and more
        raise formats.broken(path, error) from error


def _read(path: str, file: Any, budget: int) -> dict[str, np.ndarray]:
    import h5py

    with h5py.File(file, "r") as content:
        reader = _Reader(budget)
        root = reader.child(content, "model_weights") if "model_weights" in content else content
        if {"layer_names", "layer_names0"} & set(root.attrs):
            return reader.legacy(root)
        if "layers" in root:
            return reader.by_class(reader.child(root, "layers"), "layers")
    raise errors.DataError(
        f"{path} contains no weights of Keras: neither the attribute 'layer_names' nor 'layers'"
    )


class _Reader:
    """Reads groups of Keras. budget: bytes that its arrays may take together."""

    def __init__(self, budget: int):
        self._budget = self._left = budget
        self._groups = _GROUPS

    def legacy(self, root: Any) -> dict[str, np.ndarray]:
        arrays = {}
        for layer in _listed(root, "layer_names"):
            group = self.child(root, layer)
            names = _listed(group, "weight_names")
            counts: collections.Counter = collections.Counter()
            for name, place in zip(names, _places(layer, names), strict=True):
                arrays[f"{place}/{counts[place]}"] = self._array(group, name)
                counts[place] += 1
        return arrays

    def by_class(self, layers: Any, place: str, depth: int = 0) -> dict[str, np.ndarray]:
        if depth > _DEPTH:
            raise ValueError(f"models in models, more than {_DEPTH} deep")
        arrays = {}
        for layer in layers:
            group = self.child(layers, layer)
            self._groups -= 1
            if self._groups < 0:
                raise ValueError(f"more than {_GROUPS:,} layers")
            if "vars" in group:
                variables = self.child(group, "vars")
                for number in sorted(variables, key=int):
                    arrays[f"{place}/{layer}/{number}"] = self._array(variables, number)
            if "layers" in group:
                inner = self.child(group, "layers")
                arrays |= self.by_class(inner, f"{place}/{layer}/layers", depth + 1)
        return arrays

    def child(self, group: Any, path: str) -> Any:
        """What lies at `path` in the group itself: links are not part of a weight file."""
        import h5py

        for part in path.split("/"):
            if not isinstance(group.get(part, getlink=True), h5py.HardLink):
                raise ValueError(f"'{part[:99]}' is a link to another place")
            group = group[part]
        return group

    def _array(self, group: Any, path: str) -> np.ndarray:
        dataset = self.child(group, path)
        if dataset.dtype.kind not in "fiub":
            raise ValueError(f"'{path[:99]}' is of type {dataset.dtype}, not of numbers")
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"'{path[:99]}' has its values in another file")
        if dataset.id.get_create_plist().get_nfilters():
            # HDF5 unpacks a chunk to whatever size it has, and a few bytes can have gigabytes.
            raise ValueError(
                f"'{path[:99]}' is compressed, which Keras never does; h5repack -f NONE unpacks it"
            )
        # A few bytes can declare an array, or a chunk, of any size that was never written.
        count = max(math.prod(dataset.shape), math.prod(dataset.chunks or ()))
        self._left -= count * dataset.dtype.itemsize
        if self._left < 0:
            raise ValueError(f"its arrays take more than {self._budget:,} bytes")
        return dataset[()]


def _listed(group: Any, attribute: str) -> list[str]:
    """The names in an attribute, which Keras cuts into `attribute`0, 1 ... beyond 64 KB."""
    if attribute in group.attrs:
        return list(map(_text, group.attrs[attribute]))
    names = []
    while (part := f"{attribute}{len(names)}") in group.attrs:
        names.append(group.attrs[part])
    return [_text(name) for part in names for name in part]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _places(layer: str, names: list[str]) -> list[str]:
    """Where each weight of a listed layer belongs: to the layer, or to a layer inside it.

    names: "conv1_conv/kernel:0", with the layer or the model's scope before it or not."""
    owners = [name.rpartition("/")[0] for name in names]
    if len(set(owners)) == 1 and not owners[0].startswith(f"{layer}/"):
        return [layer] * len(names)  # older Keras numbers the scope anew: "conv2d_1_1/kernel:0"
    return [f"{layer}/{owner.removeprefix(f'{layer}/')}" for owner in owners]
