"""Masks of one object: polygons, COCO's run lengths, bitmaps, and crops to a box (numpy).

Bitmaps are uint8 [H, W] of 0 and 1. Polygons are flat [x0, y0, x1, y1, ...] in pixels. Runs go
down the columns (Fortran order) and start with zeros, as in COCO's maskApi.

Axis letters: H height, W width, P boundary points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# COCO's rasteriser walks the outline on a grid five times as fine as the pixels.
_SCALE = 5
# What a box may reach into a pixel without claiming it: far above the rounding of a normalised
# float32, far below what anybody annotates.
_BOUNDS_TOLERANCE = 1.0 / 64.0


def from_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """The union of the polygons' insides, even-odd each, on a canvas of `size` = (H, W).

    Bit-equal to pycocotools' frPyObjects + merge + decode; what lies outside is cut off."""
    mask = np.zeros(size, np.uint8)
    for polygon in polygons:
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        mask |= _fill(_near(points, size), size)
    return mask


def _near(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cuts a polygon [P, 2] to three times the canvas, so absurd coordinates cost no memory."""
    for axis, length in ((0, size[1]), (1, size[0])):
        for sign, limit in ((1.0, 2.0 * length), (-1.0, 1.0 * length)):
            points = _cut(points, axis, sign, limit)
    return points


def _cut(points: np.ndarray, axis: int, sign: float, limit: float) -> np.ndarray:
    """Keeps the part of a polygon where sign * coordinate <= limit (Sutherland-Hodgman)."""
    inside = sign * points[:, axis] <= limit
    if inside.all():
        return points
    kept = []
    for here, ahead, now, then in zip(
        points, np.roll(points, -1, axis=0), inside, np.roll(inside, -1), strict=True
    ):
        if now:
            kept.append(here)
        if now != then:
            part = (sign * limit - here[axis]) / (ahead[axis] - here[axis])
            kept.append(here + part * (ahead - here))
    return np.array(kept).reshape(-1, 2)


def _outline(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dense points (u, v) along a closed polygon [P, 2] on the fine grid."""
    grid = (_SCALE * points + 0.5).astype(np.int64)
    start, end = grid, np.roll(grid, -1, axis=0)
    lengths = np.abs(end - start)
    along_x = lengths[:, 0] >= lengths[:, 1]
    main = np.where(along_x, 0, 1)
    rows = np.arange(len(grid))
    # COCO always walks an edge upwards along its longer side, then reverses: that fixes how
    # halves are rounded.
    flip = start[rows, main] > end[rows, main]
    low = np.where(flip[:, None], end, start)
    high = np.where(flip[:, None], start, end)
    steps = lengths[rows, main]
    slope = (high - low)[rows, 1 - main] / np.maximum(steps, 1)
    edge = np.repeat(rows, steps + 1)
    d = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - (steps + 1), steps + 1)
    t = np.where(flip[edge], steps[edge] - d, d)
    along = t + low[edge, main[edge]]
    across = (low[edge, 1 - main[edge]] + slope[edge] * t + 0.5).astype(np.int64)
    x_first = along_x[edge]
    return np.where(x_first, along, across), np.where(x_first, across, along)


def _fill(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    if len(points) == 0:
        return np.zeros(size, np.uint8)
    u, v = _outline(points)
    before_u, u, before_v, v = u[:-1], u[1:], v[:-1], v[1:]
    x = (np.where(u < before_u, u, u - 1) + 0.5) / _SCALE - 0.5
    crosses = (u != before_u) & (np.floor(x) == x) & (x >= 0) & (x <= width - 1)
    y = (np.minimum(v, before_v)[crosses] + 0.5) / _SCALE - 0.5
    y = np.ceil(np.clip(y, 0, height)).astype(np.int64)
    toggles = x[crosses].astype(np.int64) * height + y
    flips = np.bincount(toggles, minlength=height * width + 1)[: height * width]
    return _columns((np.cumsum(flips) & 1).astype(np.uint8), size)


def _columns(flat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.ascontiguousarray(flat.reshape(size[1], size[0]).T)


def from_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """COCO's {"size": [H, W], "counts": runs or compressed string} -> bitmap [H, W].

    Raises ValueError where the runs are broken or do not fill the size."""
    height, width = (int(n) for n in rle["size"])
    counts = rle["counts"]
    runs = from_string(counts) if isinstance(counts, (str, bytes)) else list(counts)
    if any(not isinstance(n, (int, np.integer)) or n < 0 for n in runs):
        raise ValueError("runs are not all counts")
    if sum(runs) != height * width:
        raise ValueError(f"runs add up to {sum(runs)} of {height} x {width} pixels")
    values = (np.arange(len(runs)) & 1).astype(np.uint8)
    return _columns(np.repeat(values, np.asarray(runs, np.int64)), (height, width))


def to_rle(mask: np.ndarray, *, compress: bool = True) -> dict[str, Any]:
    """Bitmap [H, W] -> COCO's RLE dict; the counts as its string, or as a list of runs."""
    flat = (np.asarray(mask) != 0).T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    if flat.size and flat[0]:
        edges = np.concatenate([[0], edges])
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": to_string(runs) if compress else runs}


def from_string(text: str | bytes) -> list[int]:
    """COCO's compressed counts -> runs: base 32, six bits a character, differences of every
    second run. Raises ValueError for a character outside or a cut string."""
    data = text.encode("utf-8") if isinstance(text, str) else text
    runs: list[int] = []
    at = 0
    while at < len(data):
        value = shift = 0
        more = True
        while more:
            if at >= len(data) or not 48 <= data[at] < 112 or shift > 60:
                raise ValueError("broken compressed run-length string")
            bits = data[at] - 48
            value |= (bits & 0x1F) << shift
            more = bool(bits & 0x20)
            at += 1
            shift += 5
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


def to_string(runs: Sequence[int]) -> str:
    """The inverse of `from_string`."""
    text = []
    for i, run in enumerate(runs):
        value = int(run) - (int(runs[i - 2]) if i > 2 else 0)
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text.append(chr(bits + (0x20 if more else 0) + 48))
    return "".join(text)


def area(mask: np.ndarray) -> int:
    """Pixels that are set."""
    return int(np.count_nonzero(mask))


def bounds(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """The tightest (y1, x1, y2, x2) around the set pixels, end exclusive; None without any."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def box_bounds(box: Sequence[float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The whole pixels that a normalised float32 y x y x box covers, end exclusive.

    Writer and reader must agree to the pixel, so both start from the float32 numbers that the
    record holds: product in float32, floor and ceil with a tolerance of 1/64 pixel."""
    height, width = size
    scale = np.array([height, width, height, width], np.float32)
    y1, x1, y2, x2 = np.asarray(box, np.float32) * scale
    tolerance = np.float32(_BOUNDS_TOLERANCE)
    top = int(np.clip(np.floor(y1 + tolerance), 0, height - 1))
    left = int(np.clip(np.floor(x1 + tolerance), 0, width - 1))
    bottom = int(np.clip(np.ceil(y2 - tolerance), top + 1, height))
    right = int(np.clip(np.ceil(x2 - tolerance), left + 1, width))
    return top, left, bottom, right


def crop(mask: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
    """The part of a bitmap inside whole-pixel bounds (y1, x1, y2, x2)."""
    y1, x1, y2, x2 = window
    return mask[y1:y2, x1:x2]


def paste(part: np.ndarray, window: tuple[int, int, int, int], size: tuple[int, int]) -> np.ndarray:
    """The inverse of `crop`: a canvas of `size` = (H, W), zero outside the window.

    Raises ValueError where the part's shape is not the window's."""
    y1, x1, y2, x2 = window
    if part.shape != (y2 - y1, x2 - x1):
        raise ValueError(f"a mask of {part.shape} does not fit the window {window}")
    canvas = np.zeros(size, part.dtype)
    canvas[y1:y2, x1:x2] = part
    return canvas
