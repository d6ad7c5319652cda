"""Shapes of the VGG Image Annotator -> boxes and polygons in pixels."""

from __future__ import annotations

import math
from typing import Any

from tfvision import schema
from tfvision.sources import shapes, values
from tfvision.sources.shapes import Shape

WITH_MASK = ("polygon", "polyline", "circle", "ellipse")


def convert(shape: dict[str, Any]) -> Shape:
    """The shape of a region's `shape_attributes`.

    A box has no polygon; a polygon's box is for the encoder to find. A line of at least three
    points is the polygon that closes it. Raises Rejected for a point, an unknown shape and numbers
    that make none."""
    name = shape.get("name")
    if name in ("polygon", "polyline"):
        return shapes.polygon(_points(shape))
    if name == "rect":
        x, y, width, height = shapes.numbers(shape, "x", "y", "width", "height")
        return shapes.box(x, y, x + width, y + height)
    if name == "circle":
        x, y, radius = shapes.numbers(shape, "cx", "cy", "r")
        return shapes.ellipse(x, y, radius, radius)
    if name == "ellipse":
        x, y, first, second, theta = shapes.numbers(
            {"theta": 0.0} | shape, "cx", "cy", "rx", "ry", "theta"
        )
        return shapes.ellipse(x, y, first, second, math.degrees(theta))
    if name == "point":
        raise schema.Rejected("shape without area", "a point")
    raise schema.Rejected("unknown shape", f"{name!r:.60}")


def clip(polygons: list[list[float]], size: tuple[int, int]) -> bool:
    """Pulls points that are one past the last pixel to the image's edge; whether there are any.

    VIA's points are pixels, 0..W-1, but its canvas lets a click on the border give W. What lies
    further out is left to the encoder. size: (height, width)."""
    inside = False
    for polygon in polygons:
        for start, limit in ((0, size[1]), (1, size[0])):
            for at in range(start, len(polygon), 2):
                if limit <= polygon[at] <= limit + 1:
                    polygon[at] = float(limit)
                    inside = True
    return inside


def _points(shape: dict[str, Any]) -> list[shapes.Point]:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list):
        raise schema.Rejected("broken polygon", "all_points_x or all_points_y is missing")
    if len(xs) != len(ys):
        raise schema.Rejected("broken polygon", f"{len(xs)} values of x and {len(ys)} of y")
    pairs = [(values.number(x), values.number(y)) for x, y in zip(xs, ys, strict=True)]
    if any(None in point for point in pairs):
        raise schema.Rejected("broken polygon", "it contains a non-finite number")
    return pairs
