"""CVAT's shapes -> boxes, polygons and run lengths in pixels.

Its run lengths go along the rows of the mask's own box and start with zeros.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfvision import schema
from tfvision.sources import shapes, values
from tfvision.sources.shapes import Shape

WITH_MASK = ("polygon", "polyline", "ellipse", "mask")
WITH_AREA = (*WITH_MASK, "box")
FLAT = ("points", "skeleton", "cuboid")
EVERY = (*WITH_AREA, *FLAT)


def convert(kind: str, fields: Mapping[str, str], size: tuple[int, int] | None) -> Shape:
    """The shape of an element's name and attributes. size: the image's (height, width).

    Raises Rejected for a shape without an area and for one that is broken."""
    if kind in FLAT:
        raise schema.Rejected("shape without area", f"a {kind}" if kind != "points" else kind)
    turn = shapes.numbers({"rotation": 0.0} | dict(fields), "rotation")[0]
    if kind == "box":
        return shapes.box(*shapes.numbers(fields, "xtl", "ytl", "xbr", "ybr"), turn)
    if kind == "ellipse":
        return shapes.ellipse(*shapes.numbers(fields, "cx", "cy", "rx", "ry"), turn)
    if kind == "mask":
        return _mask(fields, size)
    pairs = shapes.points([p.split(",") for p in fields.get("points", "").split(";") if p.strip()])
    return shapes.line(pairs) if kind == "polyline" else shapes.polygon(pairs)


def _mask(fields: Mapping[str, str], size: tuple[int, int] | None) -> Shape:
    window = [values.whole(fields.get(key)) for key in ("top", "left", "height", "width")]
    runs = [values.whole(run) for run in (fields.get("rle") or "").split(",")]
    if None in window or min(window[2:]) <= 0:
        said = ", ".join(f"{key} {fields.get(key)!r}" for key in ("left", "top", "width", "height"))
        raise schema.Rejected("broken mask", said)
    size = shapes.checked(size)
    top, left, height, width = window
    if height > size[0] or width > size[1]:
        raise schema.Rejected("broken mask", f"{width} x {height} pixels in {size[1]} x {size[0]}")
    if None in runs or min(runs) < 0 or sum(runs) > height * width:
        raise schema.Rejected("broken run lengths", f"they are not for {width} x {height} pixels")
    # What the runs leave out at the end are zeros.
    flat = np.zeros(height * width, bool)
    flat[: sum(runs)] = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return shapes.bitmap(flat.reshape(height, width), top, left, size)
