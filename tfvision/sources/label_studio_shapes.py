"""Label Studio's regions -> boxes, polygons and run lengths in pixels (labelstud.io/tags).

Coordinates are hundredths of the image's sides, angles degrees clockwise. A box turns around its
top left corner, an ellipse around its center.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvision import schema
from tfvision.sources import shapes, values
from tfvision.sources.shapes import Shape

_CHANNELS = 4  # of a brush's pixels: red, green, blue, alpha
_HALF = 128  # of a brush's alpha, from which on a pixel belongs to it


def kind(value: Mapping[str, Any]) -> str:
    """ "brush", "polygon", "ellipse", "rectangle", "keypoint", "video", or "" for no region."""
    for name, keys in (
        ("video", ("sequence",)),
        ("brush", ("rle",)),
        ("polygon", ("points",)),
        ("ellipse", ("radiusX", "radiusY")),
        ("rectangle", ("x", "y", "width", "height")),
        ("keypoint", ("x", "y")),
    ):
        if all(key in value for key in keys):
            return name
    return ""


def convert(value: Mapping[str, Any], size: tuple[int, int] | None) -> Shape:
    """A region's shape. size: (height, width) of its image.

    Raises Rejected for a region without an area and for one that is broken."""
    name = kind(value)
    if name in ("keypoint", "video"):
        raise schema.Rejected(
            "shape without area" if name == "keypoint" else "region of a video", name
        )
    if size is None:
        raise schema.Rejected("broken shape", "its image's size is not known")
    height, width = (side / 100.0 for side in size)
    turn = shapes.numbers({"rotation": value.get("rotation") or 0}, "rotation")[0]
    if name == "brush":
        return shapes.bitmap(brush(value["rle"], shapes.checked(size)), 0, 0, size)
    if name == "polygon":
        pairs = shapes.points(value["points"])
        return shapes.polygon([(x * width, y * height) for x, y in pairs])
    if name == "ellipse":
        x, y, first, second = shapes.numbers(value, "x", "y", "radiusX", "radiusY")
        return shapes.ellipse(x * width, y * height, first * width, second * height, turn)
    x, y, w, h = shapes.numbers(value, "x", "y", "width", "height")
    x, y, w, h = x * width, y * height, w * width, h * height
    return shapes.turned(x, y, w, h, turn, (x, y))


class _Bits:
    """Numbers of any width from bytes, the highest bit first."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def read(self, count: int) -> int:
        """The next `count` bits. Raises Rejected at the end."""
        first, end = self._at >> 3, self._at + count
        last = (end + 7) >> 3
        if last > len(self._data):
            raise schema.Rejected("broken run lengths", "they are cut")
        number = int.from_bytes(self._data[first:last], "big") >> (8 * last - end)
        self._at = end
        return number & ((1 << count) - 1)


def brush(rle: Any, size: tuple[int, int]) -> np.ndarray:
    """A brush's run lengths -> bool [H, W], the pixels of at least half its alpha.

    The format is rle-pack's (github.com/thi-ng/umbrella): the number of words in 32 bits, a
    word's bits less one in 5, four widths of a length less one in 4 each. Then runs: a bit, two
    bits that choose a width, the run's length less one in that width; where the bit is 1 one
    word that repeats, else the words. Words are bytes here, the channels of a pixel one after
    the other. Raises Rejected where the runs are broken or for another size."""
    runs = [values.whole(n) for n in rle] if isinstance(rle, Sequence) else []
    if not runs or None in runs or min(runs) < 0 or max(runs) > 255:
        raise schema.Rejected("broken run lengths", "they are not a list of bytes")
    bits = _Bits(bytes(runs))
    count, word = bits.read(32), bits.read(5) + 1
    widths = [bits.read(4) + 1 for _ in range(4)]
    if count != _CHANNELS * size[0] * size[1] or word != 8:
        detail = f"{count} words of {word} bits for {size[1]} x {size[0]} pixels of four bytes"
        raise schema.Rejected("run lengths of another size", detail)
    words = np.zeros(count, np.uint8)
    at = 0
    while at < count:
        repeats = bits.read(1)
        end = at + bits.read(widths[bits.read(2)]) + 1
        if end > count:
            raise schema.Rejected("broken run lengths", "they are too long")
        if repeats:
            words[at:end] = bits.read(word)
        else:
            words[at:end] = [bits.read(word) for _ in range(end - at)]
        at = end
    return words.reshape(*size, _CHANNELS)[..., 3] >= _HALF
