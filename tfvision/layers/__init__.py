"""Graph ops wrapped as Keras layers, the same code on both stacks."""

from tfvision.layers.basic import (
    Activation,
    Add,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    Normalize,
    StochasticDepth,
)
from tfvision.layers.convolution import Conv2D, DepthwiseConv2D
from tfvision.layers.darknet_layers import (
    AnchorCells,
    DetectionCells,
    LocallyConnected2D,
    PaddedMaxPool2D,
    Reorg,
    Upsample,
)
from tfvision.layers.ensemble import LogMeanProbability, ScaleFlip
from tfvision.layers.norm_act import NormAct
from tfvision.layers.normalization import BatchNormalization
from tfvision.layers.pooling import (
    AdaptiveAveragePool2D,
    AveragePool2D,
    GlobalAveragePool,
    MaxPool2D,
)
from tfvision.layers.rcnn_layers import Proposals, RoiAlign, RoiPool
from tfvision.layers.resize import Resize
from tfvision.layers.sharing import Layer, sharing
from tfvision.layers.transposed import Conv2DTranspose

__all__ = [
    "Activation",
    "AdaptiveAveragePool2D",
    "Add",
    "AnchorCells",
    "AveragePool2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "DepthwiseConv2D",
    "DetectionCells",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "Layer",
    "LocallyConnected2D",
    "LogMeanProbability",
    "MaxPool2D",
    "NormAct",
    "Normalize",
    "PaddedMaxPool2D",
    "Proposals",
    "Reorg",
    "Resize",
    "RoiAlign",
    "RoiPool",
    "ScaleFlip",
    "StochasticDepth",
    "Upsample",
    "sharing",
]
