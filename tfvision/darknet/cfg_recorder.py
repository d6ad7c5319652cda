"""Darknet's sections of a network that is written with `architectures.yolo_layers.Layers`."""

from __future__ import annotations

from collections.abc import Sequence

from tfvision.darknet.cfg import Section, section


class Recorder:
    """Takes the calls of `Layers` and notes a section for each; an output is its layer's number.

    near: a [route] counts back to this many layers, and names farther ones from the start."""

    image = -1

    def __init__(self, image_size: tuple[int | None, int | None], *, near: int):
        self.image_size, self.near = image_size, near
        self.sections: list[Section] = []

    @property
    def done(self) -> range:
        return range(len(self.sections))

    def conv(self, x, filters, size, *, stride=1, batch_norm=True):
        return self._add(
            x,
            "convolutional",
            filters=filters,
            size=size,
            stride=stride,
            pad=1,
            batch_normalize=int(batch_norm),
            activation="leaky",
        )

    def pool(self, x, size=2, *, stride=2):
        return self._add(x, "maxpool", size=size, stride=stride)

    def add(self, x, shortcut):
        return self._add(x, "shortcut", **{"from": shortcut - len(self.sections)})

    def concat(self, inputs: Sequence[int]):
        return self._note("route", layers=[self._from(x) for x in inputs])

    def upsample(self, x):
        return self._add(x, "upsample")

    def reorg(self, x):
        return self._add(x, "reorg", stride=2)

    def local(self, x, filters):
        return self._add(x, "local", size=3, pad=1, filters=filters, activation="leaky")

    def dense(self, x, units):
        return self._add(x, "connected", output=units, activation="leaky")

    def dropout(self, x, rate):
        return self._add(x, "dropout", probability=rate)

    def detection(self, x, num_classes, *, boxes, side):
        units = side**2 * (num_classes + 5 * boxes)
        self._add(x, "connected", output=units, activation="linear")
        self._note(
            "detection",
            classes=num_classes,
            side=side,
            num=boxes,
            sqrt=1,
            rescore=1,
            noobject_scale=0.5,  # Redmon et al. 2015, section 2.2
            coord_scale=5.0,
        )

    def region(self, x, num_classes, *, anchors):
        self._head(x, len(anchors) * (5 + num_classes))
        self._note(
            "region",
            anchors=_flat(anchors, 32),
            classes=num_classes,
            num=len(anchors),
            softmax=1,
            rescore=1,
            object_scale=5.0,
            thresh=0.6,
        )

    def yolo(self, x, num_classes, *, anchors, mask):
        self._head(x, len(mask) * (5 + num_classes))
        self._note(
            "yolo",
            anchors=_flat(anchors, 1),
            mask=list(mask),
            num=len(anchors),
            classes=num_classes,
            ignore_thresh=0.7,
        )

    def _head(self, x, filters):
        self._add(x, "convolutional", filters=filters, activation="linear")

    def _add(self, x, kind, **values):
        """A layer that takes `x`; a [route] comes first, if `x` is not the last one."""
        if x != len(self.sections) - 1:
            self._note("route", layers=[self._from(x)])
        return self._note(kind, **values)

    def _note(self, kind, **values):
        self.sections.append(section(kind, **values))
        return len(self.sections) - 1

    def _from(self, x):
        back = x - len(self.sections)
        return back if -back <= self.near else x


def _flat(anchors, unit) -> list[float]:
    """The numbers of a cfg's anchors= : width, height."""
    return [side / unit for height, width in anchors for side in (width, height)]
