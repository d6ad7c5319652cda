"""Shapes of the VGG Image Annotator -> boxes and polygons in pixels."""

from __future__ import annotations

import math
from typing import Any

from tfvision.sources import values

WITH_MASK = ("polygon", "polyline", "circle", "ellipse")
_POINTS = 64  # of an ellipse's polygon, whose area is 0.2 % too small then

Box = tuple[float, float, float, float]


class Drop(Exception):
    """Leaves one region out: (reason, detail)."""


def convert(shape: dict[str, Any]) -> tuple[Box | None, list[list[float]] | None]:
    """(box y x y x or None, polygons or None) of a region's `shape_attributes`.

    A box has no polygon; a polygon's box is for the encoder to find. A line of at least three
    points is the polygon that closes it. Raises Drop for a point, an unknown shape and numbers
    that make none."""
    name = shape.get("name")
    if name in ("polygon", "polyline"):
        return None, [_polygon(shape)]
    if name == "rect":
        x, y, width, height = _numbers(shape, "x", "y", "width", "height")
        if width <= 0 or height <= 0:
            raise Drop("box without area", f"width {width:g}, height {height:g}")
        return (y, x, y + height, x + width), None
    if name == "circle":
        x, y, radius = _numbers(shape, "cx", "cy", "r")
        return _ellipse(x, y, radius, radius, 0.0)
    if name == "ellipse":
        x, y, first, second, theta = _numbers(
            {"theta": 0.0} | shape, "cx", "cy", "rx", "ry", "theta"
        )
        return _ellipse(x, y, first, second, theta)
    if name == "point":
        raise Drop("shape without area", "a point")
    raise Drop("unknown shape", f"{name!r:.60}")


def clip(polygons: list[list[float]], size: tuple[int, int]) -> bool:
    """Pulls points that are one past the last pixel to the image's edge; whether there are any.

    VIA's points are pixels, 0..W-1, but its canvas lets a click on the border give W. What lies
    further out is left to the encoder. size: (height, width)."""
    found = False
    for polygon in polygons:
        for start, limit in ((0, size[1]), (1, size[0])):
            for at in range(start, len(polygon), 2):
                if limit <= polygon[at] <= limit + 1:
                    polygon[at] = float(limit)
                    found = True
    return found


def _numbers(shape: dict[str, Any], *keys: str) -> list[float]:
    found = []
    for key in keys:
        found.append(values.number(shape.get(key)))
        if found[-1] is None:
            raise Drop("broken shape", f"{shape['name']}: {key} {shape.get(key)!r:.60}")
    return found


def _polygon(shape: dict[str, Any]) -> list[float]:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list):
        raise Drop("broken polygon", "all_points_x or all_points_y is missing")
    if len(xs) != len(ys):
        raise Drop("broken polygon", f"{len(xs)} values of x and {len(ys)} of y")
    if len(xs) < 3:
        raise Drop("broken polygon", f"{len(xs)} points, at least three make an area")
    found = [values.number(value) for point in zip(xs, ys, strict=True) for value in point]
    if None in found:
        raise Drop("broken polygon", "it holds what is no finite number")
    return found


def _ellipse(
    x: float, y: float, first: float, second: float, theta: float
) -> tuple[Box, list[list[float]]]:
    """The ellipse around (x, y) whose radius `first` is turned by theta, from x towards y."""
    if first <= 0 or second <= 0:
        raise Drop("shape without area", f"radius {min(first, second):g}")
    cos, sin = math.cos(theta), math.sin(theta)
    width, height = math.hypot(first * cos, second * sin), math.hypot(first * sin, second * cos)
    polygon = []
    for i in range(_POINTS):
        angle = 2.0 * math.pi * i / _POINTS
        u, v = first * math.cos(angle), second * math.sin(angle)
        polygon += [x + u * cos - v * sin, y + u * sin + v * cos]
    return (y - height, x - width, y + height, x + width), [polygon]
