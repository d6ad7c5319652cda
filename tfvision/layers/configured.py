"""The base of all layers: what Keras must know to save one and to make it again."""

from __future__ import annotations

import keras

from tfvision import serialization


class Configured(keras.layers.Layer):
    """A layer whose constructor's arguments are attributes of their names.

    Subclasses are decorated with `serialization.register`."""

    def get_config(self):
        """What `__init__` takes."""
        return {**super().get_config(), **serialization.arguments(self, Configured)}
