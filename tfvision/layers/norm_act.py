"""The normalisation and the activation of a network, as its options say.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfvision.layers.basic import Activation
from tfvision.layers.normalization import BatchNormalization


@dataclasses.dataclass(frozen=True)
class NormAct:
    """Makes the layers of one network; every field is an option of `config.model`.

    activation: a name, with activation_options (`layers.Activation`). bn_*: the options of
    `layers.BatchNormalization`. None: the network says what it means."""

    activation: str | None = "relu"
    activation_options: Mapping[str, Any] | None = None
    bn_momentum: float = 0.9
    bn_epsilon: float | None = 1e-5
    bn_synchronized: bool = False
    bn_frozen: bool = False

    def norm(self, x, name: str, **options):
        """x [B, H, W, C] normalised; options: further ones of `layers.BatchNormalization`."""
        return BatchNormalization(
            momentum=self.bn_momentum,
            epsilon=self.bn_epsilon,
            synchronized=self.bn_synchronized,
            frozen=self.bn_frozen,
            name=name,
            **options,
        )(x)

    def act(self, x, name: str):
        """The activation of x, of any shape."""
        return Activation(self.activation, options=self.activation_options, name=name)(x)

    def __call__(self, x, norm: str, act: str):
        """x [B, H, W, C] normalised by the layer `norm`, and its activation, the layer `act`."""
        return self.act(self.norm(x, norm), act)
