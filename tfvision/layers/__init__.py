"""Graph ops wrapped as Keras layers, the same code on both stacks."""

from tfvision.layers.basic import (
    Activation,
    Add,
    Conv2D,
    Dense,
    Dropout,
    GlobalAveragePool,
    MaxPool2D,
    Normalize,
    StochasticDepth,
)
from tfvision.layers.normalization import BatchNormalization

__all__ = [
    "Activation",
    "Add",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "Dropout",
    "GlobalAveragePool",
    "MaxPool2D",
    "Normalize",
    "StochasticDepth",
]
