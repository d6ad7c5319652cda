"""The layers of YOLO's networks, named by their place: "L015.conv" is in layer 15 of the cfg file.

A .weights file has no names and is filled in that order, so every layer counts, as do Darknet's
[route]s: one stands before each layer that does not take the last one's output.
Batch normalisation adds 1e-6 inside the root, as OpenCV does; see `darknet.cfg_network`.

Axis letters: B batch, H, W, C channels, A anchors (boxes a cell), K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tfvision import layers
from tfvision.layers import NormAct
from tfvision.layers.darknet_layers import HEAD_STD


class Layers:
    """Makes the layers of one network. Every method takes and returns [B, H, W, C].

    image: [B, H, W, 3] RGB 0..255 before, and 0..1 after, as Darknet takes it. outputs: of the
    heads so far, {"yolo_0": raw, ...}, float32, as `Head` says. norm_act: without an activation,
    leaky ReLU of slope 0.1."""

    def __init__(self, image, norm_act: NormAct):
        self.image_size = tuple(image.shape[1:3])
        self.image = layers.Normalize((0.0,) * 3, (255.0,) * 3, name="pixels")(image)
        self.done: list = []  # what each layer gave
        self.outputs: dict = {}
        activation = norm_act.activation or "leaky_relu"
        slope = {"slope": 0.1} if activation == "leaky_relu" else {}
        options = (norm_act.activation and norm_act.activation_options) or slope
        self._norm_act = dataclasses.replace(
            norm_act, activation=activation, activation_options=options
        )

    def conv(self, x, filters: int, size: int, *, stride: int = 1, batch_norm: bool = True):
        """Convolution, batch normalisation or a bias, activation."""
        name, padding = self._place(x), size // 2
        x = layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding=padding,
            use_bias=not batch_norm,
            name=f"{name}.conv",
        )(x)
        if batch_norm:
            x = self._norm_act.norm(x, f"{name}.bn")
        return self._activated(x, name)

    def pool(self, x, size: int = 2, *, stride: int = 2):
        """Max pooling of ceil(H / stride) x ceil(W / stride) windows."""
        name = f"{self._place(x)}.maxpool"
        pool = layers.PaddedMaxPool2D(size, strides=stride, padding=size - 1, name=name)
        return self._done(pool(x))

    def add(self, x, shortcut):
        """x + shortcut."""
        return self._done(layers.Add(name=f"{self._place(x)}.shortcut")([x, shortcut]))

    def concat(self, inputs: Sequence):
        """Their channels side by side; the last layer comes first."""
        name = f"{self._place(inputs[0])}.route"
        return self._done(layers.Concatenate(name=name)(list(inputs)))

    def upsample(self, x):
        """[B, H, W, C] -> [B, 2 H, 2 W, C]."""
        return self._done(layers.Upsample(2, name=f"{self._place(x)}.upsample")(x))

    def reorg(self, x):
        """[B, H, W, C] -> [B, H / 2, W / 2, 4 C]."""
        return self._done(layers.Reorg(2, name=f"{self._place(x)}.reorg")(x))

    def local(self, x, filters: int):
        """A 3x3 convolution with a kernel of its own at every place, activation."""
        name = self._place(x)
        x = layers.LocallyConnected2D(filters, 3, padding=1, name=f"{name}.local")(x)
        return self._activated(x, name)

    def dense(self, x, units: int):
        """[B, H, W, C] -> [B, units], activation."""
        name = self._place(x)
        x = layers.Dense(units, name=f"{name}.connected")(_flat(x, name))
        return self._activated(x, name)

    def dropout(self, x, rate: float):
        """Any shape, in training."""
        return self._done(layers.Dropout(rate, name=f"{self._place(x)}.dropout")(x))

    def detection(self, x, num_classes: int, *, boxes: int, side: int) -> None:
        """Version 1's head: dense, to [B, side, side, K + 5 boxes]."""
        name, units = self._place(x), side**2 * (num_classes + 5 * boxes)
        head = layers.Dense(units, std=HEAD_STD, name=f"{name}.head", dtype="float32")
        x = self._done(head(_flat(x, name)))
        name = f"{self._place(x)}.detection"
        self._output(layers.DetectionCells(side, boxes, name=name, dtype="float32")(x))

    def region(self, x, num_classes: int, *, anchors: Sequence) -> None:
        """Version 2's head: a 1x1 convolution, to [B, H, W, A, 5 + K]."""
        self._cells(x, num_classes, len(anchors), "region")

    def yolo(self, x, num_classes: int, *, anchors: Sequence, mask: Sequence[int]) -> None:
        """Version 3's head: a 1x1 convolution, to [B, H, W, A, 5 + K]. mask: its anchors."""
        self._cells(x, num_classes, len(mask), "yolo")

    def _cells(self, x, num_classes, boxes, kind):
        filters, name = boxes * (5 + num_classes), f"{self._place(x)}.head"
        head = layers.Conv2D(filters, 1, use_bias=True, std=HEAD_STD, name=name, dtype="float32")
        x = self._done(head(x))
        name = f"{self._place(x)}.{kind}"
        self._output(layers.AnchorCells(boxes, name=name, dtype="float32")(x))

    def _place(self, x) -> str:
        """The next layer's number; a [route] to `x` counts first, if `x` is not the last."""
        if self.done and x is not self.done[-1]:
            self.done.append(x)
        return f"L{len(self.done):03d}"

    def _activated(self, x, name):
        return self._done(self._norm_act.act(x, f"{name}.activation"))

    def _done(self, x):
        self.done.append(x)
        return x

    def _output(self, x):
        self.outputs[f"yolo_{len(self.outputs)}"] = self._done(x)


def _flat(x, name):
    return layers.Flatten(name=f"{name}.flatten")(x) if len(x.shape) > 2 else x
