"""Feature pyramid network (Lin et al. 2017, arXiv:1612.03144, section 3).

Layers carry the module paths of torchvision's state dict.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras

from tfvision import layers

_NAME = "backbone.fpn"


def pyramid(stages: Mapping, *, channels: int = 256) -> dict:
    """{"c2": ..., "c5": ...} -> {"p2": ..., "p6": ...}, strides 4 to 64, [B, H, W, channels].

    Each stage goes through 1x1, gets the coarser level's sum enlarged to the nearest neighbour,
    and through 3x3; there is no activation. p6 is every second pixel of p5. Sides of the image
    must be multiples of 32, so that enlarging by two fits."""

    def conv(x, size, kind, level):
        name = f"{_NAME}.{kind}.{level - 2}.0"
        # nothing is cut off behind these, so variance is kept (torchvision's and detectron2's)
        draw = keras.initializers.VarianceScaling(1.0, "fan_in", "uniform")
        return layers.Conv2D(channels, size, use_bias=True, initializer=draw, name=name)(x)

    outputs, above = {}, None
    for level in (5, 4, 3, 2):
        x = conv(stages[f"c{level}"], 1, "inner_blocks", level)
        if above is not None:
            above = layers.Upsample(2, name=f"{_NAME}.up{level}")(above)
            x = layers.Add(name=f"{_NAME}.sum{level}")([x, above])
        above = x
        outputs[f"p{level}"] = conv(x, 3, "layer_blocks", level)
    outputs["p6"] = layers.MaxPool2D(1, strides=2, name=f"{_NAME}.pool")(outputs["p5"])
    return dict(sorted(outputs.items()))
