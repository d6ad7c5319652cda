"""`Net`: what every `build` returns."""

from __future__ import annotations

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class Net:
    """Two functional models over the same layers; for most tasks they are one model.

    train: a batch's tensors -> raw outputs for the losses. serve: {"image": [B, H, W, 3] RGB
    0..255} -> the raw outputs that `Task.predict` decodes."""

    train: keras.Model
    serve: keras.Model

    def variables(self) -> list:
        """Every variable of both models once, in a stable order."""
        unique = {id(v): v for v in (*self.train.variables, *self.serve.variables)}
        # The state of Keras's own random generators is not part of a net; ours has none.
        return [v for v in unique.values() if "seed_generator_state" not in v.name]

    @staticmethod
    def pick(model: keras.Model, batch: dict) -> dict:
        """The tensors of `batch` that `model` takes."""
        return {name: batch[name] for name in model.input}
