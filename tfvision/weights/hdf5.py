"""HDF5 weight files of Keras -> "layer/number": array, numbers in Keras's order of a layer.

Two layouts: the legacy one (layers and weights are listed in attributes; also inside a whole
model's .h5, under "model_weights"), and Keras 3's .weights.h5, whose layers go by class and
count ("conv2d_3") in place of their names; those come back as "layers/conv2d_3/0".
"""

from __future__ import annotations

import numpy as np

from tfvision import errors


def read(path: str) -> dict[str, np.ndarray]:
    """All arrays of the file. Raises DataError for one that is broken or of another layout."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            if "layer_names" in root.attrs:
                return _legacy(root)
            if "layers" in root:
                return _by_class(root["layers"])
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError and more
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise errors.DataError(f"{path} is broken or truncated ({reason})") from error
    raise errors.DataError(
        f"{path} holds no weights of Keras: neither the attribute 'layer_names' nor 'layers'"
    )


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _legacy(root) -> dict[str, np.ndarray]:
    arrays = {}
    for layer in map(_text, root.attrs["layer_names"]):
        group = root[layer]
        for number, name in enumerate(map(_text, group.attrs["weight_names"])):
            arrays[f"{layer}/{number}"] = group[name][()]
    return arrays


def _by_class(layers) -> dict[str, np.ndarray]:
    arrays = {}
    for layer, group in layers.items():
        variables = group.get("vars", {})
        for number in sorted(variables, key=int):
            arrays[f"layers/{layer}/{number}"] = variables[number][()]
    return arrays
