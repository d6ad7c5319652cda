"""One set of weights in two networks of different geometry: other sizes, strides, dilations.

    train = keras.Model(...)          # 224 x 224, output stride 16
    with sharing(train):
        serve = keras.Model(...)      # 360 x 480, output stride 8: the same layers by name

Layers made inside take the variables of the layer of the same name instead of making their own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import keras

from tfvision.layers.configured import Configured

_local = threading.local()


@contextlib.contextmanager
def sharing(model: keras.Model) -> Iterator[None]:
    """Layers of ours that are called for the first time inside use the variables of `model`.

    Raises ValueError for a layer with variables that `model` has no layer of that name and
    shape for."""
    before = getattr(_local, "layers", None)
    _local.layers = {layer.name: layer for layer in model.layers}
    try:
        yield
    finally:
        _local.layers = before


class Layer(Configured):
    """The base of every layer that has variables; each is an attribute of its own name."""

    def add_weight(self, *, name: str, shape, **options):
        """A new variable, or inside `sharing` the other network's."""
        layers = getattr(_local, "layers", None)
        if layers is None:
            return super().add_weight(name=name, shape=shape, **options)
        variable = getattr(layers.get(self.name), name, None)
        if variable is None or tuple(variable.shape) != tuple(shape):
            existing = "none" if variable is None else tuple(variable.shape)
            raise ValueError(
                f"{self.name}/{name} {tuple(shape)} is to be shared; there is {existing}"
            )
        return variable
