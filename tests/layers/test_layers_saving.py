"""Every layer is registered with Keras, and its configuration makes it again."""

import importlib
import json
import pkgutil

import keras
import pytest

import tfvision
from tfvision import serialization
from tfvision.layers.configured import Configured
from tfvision.layers.rcnn_layers import Part
from tfvision.layers.sharing import Layer

BASES = (Configured, Layer, Part)
UNIFORM = keras.initializers.RandomUniform(-0.5, 0.25)
CONV = {"filters": 3, "kernel_size": (1, 5), "strides": 2, "padding": (0, 1), "dilation": 1}
POOL = {"size": 3, "strides": 2, "padding": 1}
# Every argument of every constructor, none of them the default.
CASES = {
    "Activation": {"function": "leaky_relu", "options": {"slope": 0.3}},
    "AdaptiveAveragePool2D": {"size": 3},
    "Add": {},
    "AnchorCells": {"anchors": 3},
    "AnchorSamples": {"count": 8, "positive_share": 0.25, "positive_iou": 0.6, "negative_iou": 0.2},
    "Anchors": {"cells": [[[-4.0, -8.0, 4.0, 8.0]], [[-8.0, -8.0, 8.0, 8.0]]]},
    "AveragePool2D": {"size": 3, "strides": 1, "padding": 1, "counts_padding": False},
    "BatchNormalization": {
        "momentum": 0.8,
        "epsilon": 1e-3,
        "synchronized": True,
        "frozen": True,
        "image_statistics": True,
        "gamma_zero": True,
    },
    "Bias": {},
    "ChannelGroup": {"groups": 2, "group": 1},
    "ClassDeltas": {},
    "Concatenate": {},
    "Conv2D": {**CONV, "use_bias": True, "std": 0.1, "initializer": UNIFORM},
    "Conv2DTranspose": {"filters": 3, "size": (5, 6), "use_bias": True, "initializer": UNIFORM},
    "Deconvolution": {"filters": 3},
    "Dense": {"units": 3, "std": 0.1},
    "DepthwiseConv2D": {"kernel_size": 5, "strides": 1, "padding": 1, "dilation": 2},
    "DetectionCells": {"side": 7, "boxes": 2},
    "Detections": {
        "score_threshold": 0.1,
        "nms_iou": 0.4,
        "max_detections": 7,
        "candidates": 99,
    },
    "Dropout": {"rate": 0.3},
    "FirstRegions": {"count": 4},
    "Flatten": {},
    "FoldRegions": {},
    "GlobalAveragePool": {"keepdims": True},
    "GroupedConv2D": {
        "filters": 4,
        "kernel_size": 3,
        "groups": 2,
        "strides": 2,
        "padding": 1,
        "use_bias": True,
    },
    "LocallyConnected2D": {"filters": 4, "kernel_size": 3, "strides": 2, "padding": 1},
    "LogMeanProbability": {},
    "MaskTargets": {"size": 14},
    "MaxPool2D": POOL,
    "Normalize": {"mean": [1.0, 2.0, 3.0], "std": [4.0, 5.0, 6.0]},
    "PaddedMaxPool2D": POOL,
    "Places": {"units": 4},
    "Proposals": {"pre_nms": 30, "post_nms": 20, "nms_iou": 0.6},
    "RegionSamples": {"num_classes": 3, "count": 16, "positive_iou": 0.6},
    "Reorg": {"stride": 2},
    "Resize": {"size": (3, 4), "align_corners": True},
    "RoiAlign": {"size": 7, "sampling_ratio": 1, "aligned": True, "lowest": 3},
    "RoiPool": {"size": 7, "lowest": 3},
    "ScaleFlip": {"size": (3, 4), "flip": True},
    "SelectClass": {},
    "Sigmoid": {},
    "StochasticDepth": {"rate": 0.3},
    "UnfoldRegions": {},
    "Upsample": {"times": 2},
}


def layer_classes():
    """Every subclass of Keras's layers that the package defines."""
    for module in pkgutil.walk_packages(tfvision.__path__, "tfvision."):
        if not module.name.startswith("tfvision.tools"):
            importlib.import_module(module.name)
    found, left = {}, [keras.layers.Layer]
    while left:
        kind = left.pop()
        # Keras 2.15's metrics and models are layers too.
        left += [k for k in kind.__subclasses__() if k not in (keras.metrics.Metric, keras.Model)]
        if kind.__module__.startswith("tfvision.") and kind not in BASES:
            found[kind] = None
    return sorted(found, key=lambda kind: kind.__name__)


CLASSES = layer_classes()


@pytest.mark.addons
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_layer_is_made_again_from_its_configuration(kind):
    arguments = CASES[kind.__name__]
    assert set(arguments) == set(serialization.names(kind, Configured))
    layer = kind(**arguments, name="one", dtype="bfloat16")
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert stored["registered_name"] == f"tfvision>{kind.__name__}"
    assert {k: stored["config"][k] for k in arguments} == json.loads(
        json.dumps(serialization.plain(arguments))
    )
    again = keras.saving.deserialize_keras_object(stored)
    assert type(again) is kind
    assert again.get_config() == layer.get_config()


def test_no_layer_is_here_that_the_package_does_not_have():
    assert set(CASES) == {kind.__name__ for kind in CLASSES}


def test_a_subclass_says_its_own_arguments_and_those_of_its_base():
    class Wide(tfvision.layers.Conv2D):
        def __init__(self, times, **kwargs):
            super().__init__(**kwargs)
            self.times = times

    config = Wide(2, filters=3, kernel_size=1).get_config()
    assert (config["times"], config["filters"], config["kernel_size"]) == (2, 3, [1, 1])
    assert Wide.from_config(config).get_config() == config
