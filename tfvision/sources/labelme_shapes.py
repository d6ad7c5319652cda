"""LabelMe's shapes -> boxes, polygons and masks in pixels.

The kinds are those of LabelMe 5.5 (`shape_type`) and two of X-AnyLabeling's: rotation and
quadrilateral, both with four corners.
"""

from __future__ import annotations

import base64
import functools
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import schema
from tfvision.ops import header
from tfvision.sources import shapes, values
from tfvision.sources.drawn import Drawn
from tfvision.sources.shapes import Shape

_POLYGONS = ("polygon", "rotation", "quadrilateral")
WITH_MASK = (*_POLYGONS, "circle", "linestrip", "mask")
WITH_AREA = (*WITH_MASK, "rectangle")
_FLAT = ("point", "points", "line")


def kind(shape: Any) -> str:
    """A shape's type; files from before there was any hold polygons."""
    name = shape.get("shape_type") if isinstance(shape, dict) else "none"
    return name if isinstance(name, str) and name else "polygon"


def label(shape: Any) -> str:
    """A shape's class as it was typed; "" for none."""
    name = shape.get("label") if isinstance(shape, dict) else None
    if isinstance(name, (int, float)) and not isinstance(name, bool):
        return f"{name:g}"
    return name if isinstance(name, str) else ""


def drawn_in(shapes: Sequence[Any]) -> Iterator[Drawn]:
    """The shapes of an image."""
    for i, shape in enumerate(shapes, start=1):
        fields = shape if isinstance(shape, dict) else {}
        group = fields.get("group_id")
        group = str(group) if isinstance(group, (int, str)) and group != "" else None
        yield Drawn(
            f"shape {i}",
            label(shape),
            functools.partial(convert, shape),
            group,
            difficult=bool(values.flag(fields.get("difficult"))),
        )


def convert(shape: Any) -> Shape:
    """Raises Rejected for a shape without an area and for one that is broken."""
    if not isinstance(shape, dict):
        raise schema.Rejected("broken shape", f"{shape!r:.60}")
    name = kind(shape)
    if name in _FLAT:
        raise schema.Rejected("shape without area", f"a {name}")
    if name not in WITH_AREA:
        raise schema.Rejected("unknown shape", f"{name!r:.60}")
    pairs = shapes.points(shape.get("points"), "polygon" if name in _POLYGONS else "shape")
    if name in _POLYGONS:
        return shapes.polygon(pairs)
    if name == "linestrip":
        return shapes.line(pairs)
    if name == "mask":
        return _mask(pairs, shape.get("mask"))
    if len(pairs) < 2 or (name == "circle" and len(pairs) != 2):
        raise schema.Rejected("broken shape", f"a {name} of {len(pairs)} points")
    if name == "circle":
        (x, y), (u, v) = pairs
        radius = math.hypot(u - x, v - y)
        return shapes.ellipse(x, y, radius, radius)
    y1, x1, y2, x2 = shapes.around(pairs)
    return shapes.box(x1, y1, x2, y2)


def _mask(pairs: Sequence[shapes.Point], text: Any) -> Shape:
    """The PNG in a base64 text, whose first pixel is at the first point."""
    if not pairs or not isinstance(text, str):
        raise schema.Rejected("broken mask", "its points or its picture are missing")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise schema.Rejected("broken mask", f"its picture is not base64: {error}") from error
    size = header.sizes(io.BytesIO(data))
    if size is None:
        raise schema.Rejected("broken mask", "its picture cannot be read")
    x, y = (float(round(edge)) for edge in pairs[0])
    return Shape((y, x, y + size[0][0], x + size[0][1]), data)
