"""Darknet's output layers, [detection], [region] and [yolo] -> `Head`.

Axis letters: A anchors (boxes a cell), K classes.
"""

from __future__ import annotations

from fractions import Fraction

from tfvision import errors
from tfvision.darknet.cfg import Section
from tfvision.ops.yolo_decode import Head


def head(section: Section, channels: int, stride: Fraction) -> Head:
    """The head that a section describes.

    channels: of the layer before it. stride: pixels of the image that one of that layer's cells
    stands for. Raises DataError if the channels do not fit."""
    return HEADS[section.kind](section, channels, stride)


def _detection(s, channels, stride):
    per_cell = s["classes"] + 5 * s["num"]
    _fits(s, channels, s["side"] ** 2 * per_cell, "side * side * (classes + 5 * num)")
    stride = int(stride / s["side"])
    return Head("v1", stride, s["classes"], (), s["num"], sqrt=bool(s["sqrt"]), **_shared(s))


def _region(s, channels, stride):
    anchors = _anchors(s, int(stride))
    _fits(s, channels, len(anchors) * (5 + s["classes"]), "num * (5 + classes)")
    return Head(
        "v2",
        int(stride),
        s["classes"],
        anchors,
        len(anchors),
        anchors,
        tuple(range(len(anchors))),
        ignore_threshold=s["thresh"],
        **_shared(s),
    )


def _yolo(s, channels, stride):
    anchors = _anchors(s, 1)
    mask = tuple(s["mask"]) or tuple(range(len(anchors)))
    if not all(0 <= m < len(anchors) for m in mask):
        raise errors.DataError(f"{s.where()}: mask {mask} of {len(anchors)} anchors")
    _fits(s, channels, len(mask) * (5 + s["classes"]), "masks * (5 + classes)")
    return Head(
        "v3",
        int(stride),
        s["classes"],
        tuple(anchors[m] for m in mask),
        len(mask),
        anchors,
        mask,
        ignore_threshold=s["ignore_thresh"],
        rescore=False,
        scale_x_y=s["scale_x_y"],
    )


def _shared(s):
    """The fields that v1's and v2's heads have of the same keys."""
    scales = ("object_scale", "noobject_scale", "class_scale", "coord_scale")
    flags = {key: bool(s[key]) for key in ("softmax", "rescore")}
    return {**flags, **{key: s[key] for key in scales}}


def _anchors(section: Section, unit: int) -> tuple[tuple[float, float], ...]:
    """(height, width) in pixels; a cfg has width, height in pixels or, v2, in cells."""
    numbers, count = section["anchors"], section["num"]
    if len(numbers) != 2 * count:
        raise errors.DataError(
            f"{section.where()} has num={count} but {len(numbers)} numbers of anchors"
        )
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple((height * unit, width * unit) for width, height in pairs)


def _fits(section: Section, channels: int, expected: int, formula: str) -> None:
    if channels != expected:
        raise errors.DataError(
            f"{section.where()} needs {expected} outputs of the layer before it, {formula};"
            f" that one has {channels}"
        )


HEADS = {"detection": _detection, "region": _region, "yolo": _yolo}
