"""Masks of one object: polygons, COCO's run lengths, bitmaps, crops to a box, and what a network
says in a box's own frame (numpy).

Bitmaps are uint8 [H, W] of 0 and 1. Polygons are flat [x0, y0, x1, y1, ...] in pixels. Runs go
down the columns (Fortran order) and start with zeros, as in COCO's maskApi.

Axis letters: H height, W width, m cells a side of a box's frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from hotcoco import mask as coco

from tfvision.ops import run_lengths

# What a box may reach into a pixel without claiming it: far above the rounding of a normalised
# float32, far below what anybody annotates.
BOUNDS_TOLERANCE = 1.0 / 64.0
_ROWS = 32  # of pixels that are sampled at a time


def from_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """The union of the polygons' insides, even-odd each, on a canvas of `size` = (H, W).

    By COCO's rule (maskApi's rleFrPoly); what lies outside is cut off."""
    outlines = [coco.fr_poly([float(n) for n in polygon], *size) for polygon in polygons]
    return (
        np.ascontiguousarray(coco.decode(coco.merge(outlines)))
        if outlines
        else np.zeros(size, np.uint8)
    )


def from_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """COCO's {"size": [H, W], "counts": runs or compressed string} -> bitmap [H, W].

    Raises ValueError where the runs are broken or do not fill the size."""
    height, width = (int(n) for n in rle["size"])
    counts = rle["counts"]
    runs = run_lengths.from_string(counts) if isinstance(counts, (str, bytes)) else list(counts)
    if any(not isinstance(n, (int, np.integer)) or n < 0 for n in runs):
        raise ValueError("runs are not all counts")
    if sum(runs) != height * width:
        raise ValueError(f"runs add up to {sum(runs)} of {height} x {width} pixels")
    values = (np.arange(len(runs)) & 1).astype(np.uint8)
    return np.ascontiguousarray(
        np.repeat(values, np.asarray(runs, np.int64)).reshape(width, height).T
    )


def to_rle(mask: np.ndarray) -> dict[str, Any]:
    """Bitmap [H, W] -> COCO's RLE dict, the counts as its string."""
    rle = coco.encode(mask)
    return {"size": list(mask.shape), "counts": rle["counts"].decode("ascii")}


def shrink(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bitmap [H, W] -> [h, w] = `size`, no larger: 1 where at least half of a new pixel is set.

    That is the bitmap that disagrees with the old one on the least area. Where no pixel is half
    set, the fullest one is 1: a mask with pixels keeps one. In whole numbers, so exact."""
    window = bounds(mask)
    small = np.zeros(size, np.uint8)
    if window is None:
        return small
    # Only where the mask is: objects are small beside their image.
    rows = _parts(window[0], window[2], mask.shape[0], size[0])
    columns = _parts(window[1], window[3], mask.shape[1], size[1])
    near = mask[rows.start : rows.end, columns.start : columns.end]
    covered = _covered(_covered(near, rows).T, columns).T
    full = mask.shape[0] * mask.shape[1]  # of a new pixel; an old one counts h * w
    part = (2 * covered >= full).astype(np.uint8)
    if not part.any():
        part.flat[covered.argmax()] = 1
    small[rows.first :, columns.first :][: part.shape[0], : part.shape[1]] = part
    return small


class _Parts(NamedTuple):
    """Consecutive new pixels of one axis, and the old ones under them.

    first: the first new one. start, end: the old ones. edges: of the new ones, counted from
    `start` in parts of an old one; there are `fine` to one."""

    first: int
    start: int
    end: int
    edges: np.ndarray
    fine: int


def _parts(low: int, high: int, old: int, new: int) -> _Parts:
    """The new pixels that share something with the old ones low..high of an axis of `old`."""
    first, last = low * new // old, -(-high * new // old)
    start, end = first * old // new, -(-last * old // new)
    return _Parts(first, start, end, np.arange(first, last + 1) * old - start * new, new)


def _covered(values: np.ndarray, parts: _Parts) -> np.ndarray:
    """Sums of the rows [end - start, ...] under each new one, times `fine`."""
    whole, rest = np.divmod(parts.edges, parts.fine)
    last = len(values) - 1
    # Of whole rows between two edges, then the parts of rows beside them.
    rows = [values[a:b].sum(axis=0, dtype=np.int64) for a, b in itertools.pairwise(whole)]
    beside = values[np.minimum(whole, last)].astype(np.int64) * rest[:, None]
    return np.stack(rows) * parts.fine + np.diff(beside, axis=0)


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
    tolerance = np.float32(BOUNDS_TOLERANCE)
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


def in_window(
    mask: np.ndarray,
    box: Sequence[float],
    size: tuple[int, int],
    *,
    threshold: float = 0.5,
) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """As `from_box_frame`, but only (the part bool [h, w], its window (y1, x1, y2, x2))."""
    mask = np.pad(np.asarray(mask, np.float32), 1)
    (top, bottom), (left, right) = (
        _pixels(float(low), float(high), length)
        for low, high, length in zip(box[:2], box[2:], size, strict=True)
    )
    row, y = _places(top, bottom, box[0], box[2], mask.shape[0])
    column, x = _places(left, right, box[1], box[3], mask.shape[1])
    across = mask[:, column] * (1 - x) + mask[:, column + 1] * x
    part = np.zeros((bottom - top, right - left), bool)
    # Some rows at a time stay in the processor's cache: three times as fast.
    for start in range(0, len(part), _ROWS):
        here = slice(start, start + _ROWS)
        above, weight = across[row[here]], y[here, None]
        part[here] = above + (across[row[here] + 1] - above) * weight > threshold
    return part, (top, left, bottom, right)


def _pixels(low: float, high: float, length: int) -> tuple[int, int]:
    """The pixels whose centers lie in (low, high) on an axis of `length`, end exclusive."""
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        return 0, 0
    start = int(np.floor(np.clip(low - 0.5, -1, length))) + 1
    return start, max(int(np.ceil(np.clip(high - 0.5, 0, length))), start)


def _places(start, end, low, high, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel the padded cell before its center, and how far it is on the way to the next."""
    along = (np.arange(start, end) + 0.5 - low) / (float(high) - float(low) or 1.0)
    places = along * (cells - 2) + 0.5
    cell = np.minimum(places.astype(np.int64), cells - 2)
    return cell, (places - cell).astype(np.float32)


def from_box_frame(
    mask: np.ndarray,
    box: Sequence[float],
    size: tuple[int, int],
    *,
    threshold: float = 0.5,
) -> np.ndarray:
    """A mask in its box's frame -> bitmap uint8 [H, W] of the whole image: 1 where it is above
    `threshold`.

    mask [m, m]: numbers of the cells of a grid that divides the box evenly. box: y x y x in
    pixels, continuous edges; it may reach beyond the image or have no area. size: (H, W).
    Each pixel is sampled at its center (y + 0.5, x + 0.5), bilinearly between the cells'
    centers. Beyond the outermost centers the numbers fall to the 0 of a ring of cells around
    the box, and what lies outside the box is 0: a full mask covers its box but for a tenth of a
    cell in each corner."""
    part, window = in_window(mask, box, size, threshold=threshold)
    return paste(part.astype(np.uint8), window, size)


def rle_from_box_frame(
    mask: np.ndarray, box: Sequence[float], size: tuple[int, int]
) -> dict[str, Any]:
    """As `from_box_frame`, as COCO's RLE dict, with no bitmap of the image on the way."""
    part, window = in_window(mask, box, size)
    rle = {"size": [int(side) for side in size]}
    rle["counts"] = run_lengths.of_part(part, window, size)
    return {**rle, "counts": coco.rle_to_string(rle)}
