"""COCO's boxes and segmentations, as they stand in the json, and whether the boxes are what COCO
wants: x, y, width, height in pixels.
"""

from __future__ import annotations

import json
from typing import Any

from tfvision import errors, schema
from tfvision.sources import values
from tfvision.sources.source import BOXES

_MIN_POLYGON = 6  # numbers: three points
_LOOKED_AT = 1000  # annotations whose box is compared with their mask or area
_CLOSE = 0.1  # of the larger side or area, and a pixel and a half

Box = tuple[float, float, float, float]
Mask = list[list[float]] | dict[str, Any] | None


def said(value: Any) -> bool:
    """Whether there is a value at all."""
    return value is not None and value != ""


class Boxes:
    """Reads a file's boxes by the form that the user names, one of BOXES, and doubts it."""

    def __init__(self, form: str):
        errors.choose(dict.fromkeys(BOXES), form, "form of boxes (--boxes)")
        self.form = form
        self.relative = form.endswith("_relative")
        self._fits = dict.fromkeys(("xywh", "xyxy"), 0)
        self._compared = 0

    def compare(self, entry: dict) -> None:
        """Compares an annotation's box with its polygons, else with its area."""
        bbox = _numbers(entry.get("bbox"))
        if self._compared >= _LOOKED_AT or self.relative or bbox is None:
            return
        corners = {"xywh": _corners(bbox, "xywh"), "xyxy": _corners(bbox, "xyxy")}
        bounds = _bounds(entry.get("segmentation"))
        area = values.number(entry.get("area"))
        if bounds:
            fits = {form: _near(box, bounds) for form, box in corners.items()}
        elif area:
            fits = {
                form: abs((b[2] - b[0]) * (b[3] - b[1]) - area) <= _CLOSE * area
                for form, b in corners.items()
            }
        else:
            return
        self._compared += 1
        for form, fit in fits.items():
            self._fits[form] += fit

    def check(self, path: str) -> None:
        """Raises DataError where the other form fits masks and areas, and the named one does
        not."""
        form, other = ("xyxy", "xywh") if self.form == "xyxy" else ("xywh", "xyxy")
        if self._fits[other] > max(self._fits[form], self._compared / 2):
            meant = "x1, y1, x2, y2" if other == "xyxy" else "x, y, width, height"
            raise errors.DataError(
                f"{path}: the numbers of bbox agree with the masks or areas of"
                f" {self._fits[other]} of {self._compared} annotations as {meant}, and of"
                f" {self._fits[form]} as {form}; say what they are with --boxes={other}"
            )

    def read(self, value: Any, size: tuple[int, int] | None) -> Box:
        """y1 x1 y2 x2 in pixels. size: (height, width) that relative numbers belong to."""
        if isinstance(value, str):
            value = _parsed(value)
        if not isinstance(value, list) or len(value) != 4:
            raise schema.Rejected("broken box", f"bbox {value!r:.80} is not four numbers")
        numbers = _numbers(value)
        if numbers is None:
            raise schema.Rejected("broken box", f"bbox {value!r:.80} contains a non-finite number")
        y1, x1, y2, x2 = _corners(numbers, self.form.removesuffix("_relative"))
        if x2 <= x1 or y2 <= y1:
            raise schema.Rejected("box without area", f"bbox {value!r:.80}")
        if self.relative:
            if size is None:
                raise schema.Rejected("broken box", "its image's size is not known")
            y1, x1, y2, x2 = y1 * size[0], x1 * size[1], y2 * size[0], x2 * size[1]
        return y1, x1, y2, x2


def _parsed(text: str) -> Any:
    """The json that a text is; the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _numbers(value: Any) -> list[float] | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    numbers = values.numbers(value)
    return None if None in numbers else numbers


def _corners(numbers: list[float], form: str) -> Box:
    x, y, c, d = numbers
    return (y, x, y + d, x + c) if form == "xywh" else (y, x, d, c)


def _bounds(value: Any) -> Box | None:
    if not isinstance(value, list) or not value or not all(isinstance(p, list) for p in value):
        return None
    numbers = [n for part in value for n in values.numbers(part)]
    if len(numbers) < _MIN_POLYGON or None in numbers or any(len(part) % 2 for part in value):
        return None
    xs, ys = numbers[::2], numbers[1::2]
    return min(ys), min(xs), max(ys), max(xs)


def _near(box: Box, bounds: Box) -> bool:
    side = max(bounds[2] - bounds[0], bounds[3] - bounds[1])
    limit = max(_CLOSE * side, 1.5)
    return all(abs(a - b) <= limit for a, b in zip(box, bounds, strict=True))


def mask(value: Any) -> tuple[Mask, str]:
    """(polygons or run lengths as they are, None where there are none; what was left out).

    A part that is not a polygon is left out where others remain. Raises Rejected."""
    if isinstance(value, str):
        value = _parsed(value)
    if not said(value) or isinstance(value, dict):
        return value or None, ""
    if not isinstance(value, list) or any(not isinstance(p, list) for p in value):
        raise schema.Rejected(
            "broken polygon", f"segmentation {value!r:.60} is not a list of polygons"
        )
    polygons, faults = [], []
    for part in filter(None, value):
        numbers = values.numbers(part)
        fault = _fault(part, numbers)
        if fault:
            faults.append(fault)
        else:
            polygons.append(numbers)
    if faults and not polygons:
        raise schema.Rejected("broken polygon", faults[0])
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return polygons or None, faults[0] + more if faults else ""


def _fault(part: list, numbers: list[float | None]) -> str:
    if len(part) < _MIN_POLYGON:
        return f"{part!r:.60} has fewer than three points"
    if len(part) % 2:
        return f"{len(part)} numbers are not pairs of x and y"
    return f"{part!r:.60} contains a non-finite number" if None in numbers else ""
