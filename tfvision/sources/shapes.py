"""Shapes that annotation tools draw -> boxes, polygons and run lengths in pixels.

Points are (x, y) with x to the right and y down, angles turn from x towards y: clockwise as seen.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvision import schema
from tfvision.ops import masks, run_lengths
from tfvision.sources import values

_POINTS = 64  # of an ellipse's polygon, whose area is 0.2 % too small then
_MOST = 1 << 28  # pixels; a recorded size above is a mistake, and its mask would fill the memory
CLOSED = "line closed to a polygon"
UPRIGHT = "turned box taken as the upright box around it"

Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a tool drew: a box y x y x, a mask as `schema.Object` has it, or both.

    note: a finding's reason where it is not quite what was drawn."""

    box: Box | None = None
    mask: list[list[float]] | dict[str, Any] | bytes | None = None
    note: str = ""


def numbers(fields: Mapping[str, Any], *keys: str) -> list[float]:
    """The numbers of some fields. Raises Rejected that names the first that is none."""
    numbers_read = []
    for key in keys:
        numbers_read.append(values.number(fields.get(key)))
        if numbers_read[-1] is None:
            raise schema.Rejected("broken shape", f"{key} {fields.get(key)!r:.60}")
    return numbers_read


def points(given: Any, what: str = "polygon") -> list[Point]:
    """The points of a list of pairs. Raises Rejected where one is none."""
    if not isinstance(given, (list, tuple)):
        raise schema.Rejected(f"broken {what}", f"points {given!r:.60}")
    pairs = []
    for pair in given:
        ends = [values.number(n) for n in pair] if isinstance(pair, (list, tuple)) else []
        if len(ends) != 2 or None in ends:
            raise schema.Rejected(f"broken {what}", f"point {pair!r:.60}")
        pairs.append((ends[0], ends[1]))
    return pairs


def polygon(pairs: Sequence[Point], note: str = "") -> Shape:
    """Raises Rejected for less than three points."""
    if len(pairs) < 3:
        raise schema.Rejected("broken polygon", f"{len(pairs)} points, at least three make an area")
    return Shape(mask=[[edge for pair in pairs for edge in pair]], note=note)


def line(pairs: Sequence[Point]) -> Shape:
    """The polygon that closes a line. Raises Rejected for less than three points."""
    if len(pairs) < 3:
        raise schema.Rejected("shape without area", f"a line of {len(pairs)} points")
    return polygon(pairs, note=CLOSED)


def box(x1: float, y1: float, x2: float, y2: float, degrees: float = 0.0) -> Shape:
    """A box whose corners are in order, turned about its center; Rejected where it is empty."""
    return turned(x1, y1, x2 - x1, y2 - y1, degrees, ((x1 + x2) / 2, (y1 + y2) / 2))


def turned(x: float, y: float, width: float, height: float, degrees: float, pivot: Point) -> Shape:
    """The upright box around one that is turned around a point. Raises Rejected without an area."""
    if width <= 0 or height <= 0:
        raise schema.Rejected("box without area", f"width {width:g}, height {height:g}")
    if degrees % 360 == 0:
        return Shape((y, x, y + height, x + width))
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = []
    for u, v in ((x, y), (x + width, y), (x + width, y + height), (x, y + height)):
        u, v = u - pivot[0], v - pivot[1]
        corners.append((pivot[0] + u * cos - v * sin, pivot[1] + u * sin + v * cos))
    return Shape(around(corners), note=UPRIGHT)


def around(pairs: Sequence[Point]) -> Box:
    """The upright box around points."""
    xs, ys = zip(*pairs, strict=True)
    return min(ys), min(xs), max(ys), max(xs)


def ellipse(x: float, y: float, first: float, second: float, degrees: float = 0.0) -> Shape:
    """A polygon and the exact box; `first` is the radius along x before it is turned.

    Raises Rejected for a radius that is none."""
    if first <= 0 or second <= 0:
        raise schema.Rejected("shape without area", f"radius {min(first, second):g}")
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    width, height = math.hypot(first * cos, second * sin), math.hypot(first * sin, second * cos)
    outline = []
    for i in range(_POINTS):
        angle = 2.0 * math.pi * i / _POINTS
        u, v = first * math.cos(angle), second * math.sin(angle)
        outline += [x + u * cos - v * sin, y + u * sin + v * cos]
    return Shape((y - height, x - width, y + height, x + width), [outline])


def checked(size: tuple[int, int] | None) -> tuple[int, int]:
    """A size (H, W) that masks can be drawn in. Raises Rejected for another."""
    if size is None:
        raise schema.Rejected("broken mask", "its image's size is not known")
    if size[0] * size[1] > _MOST:
        raise schema.Rejected(
            "broken mask", f"its image is said to be {size[1]} x {size[0]} pixels"
        )
    return size


def bitmap(part: np.ndarray, top: int, left: int, size: tuple[int, int]) -> Shape:
    """A mask whose pixels from (top, left) on are `part` [h, w], in an image of `size` (H, W).

    What lies outside the image is cut off. Raises Rejected where nothing is inside."""
    size = checked(size)
    bottom, right = min(top + part.shape[0], size[0]), min(left + part.shape[1], size[1])
    y, x = max(top, 0), max(left, 0)
    inside = part[y - top : max(bottom - top, 0), x - left : max(right - left, 0)]
    if not inside.any():
        raise schema.Rejected("mask without pixels", "nothing of it lies inside the image")
    runs = run_lengths.of_part(inside, (y, x, bottom, right), size)
    return Shape(mask={"size": list(size), "counts": runs})


def joined(parts: Sequence[Shape], size: tuple[int, int] | None) -> Shape:
    """One mask of several: polygons side by side, else their union in an image of `size`.

    Raises Rejected where a union needs a size that is not known."""
    if all(isinstance(part.mask, list) for part in parts):
        boxes = [part.box for part in parts]
        around_all = None
        if None not in boxes:
            y1, x1, y2, x2 = zip(*boxes, strict=True)
            around_all = (min(y1), min(x1), max(y2), max(x2))
        return Shape(around_all, [outline for part in parts for outline in part.mask])
    size = checked(size)
    union = np.zeros(size, np.uint8)
    for part in parts:
        mask = part.mask
        union |= masks.from_polygons(mask, size) if isinstance(mask, list) else masks.from_rle(mask)
    return bitmap(union, 0, 0, size)
