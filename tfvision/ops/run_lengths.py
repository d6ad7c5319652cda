"""COCO's run lengths: written, read, and compared as they are (numpy).

Runs go down the columns of an image and start with zeros, as in COCO's maskApi. Spans, int64
[R, 2], are the ones among them: (start, end) in the image's pixels in that order, end exclusive.

Axis letters: H height, W width, R spans of a mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def of_part(
    part: np.ndarray, window: tuple[int, int, int, int], size: tuple[int, int]
) -> list[int]:
    """Runs of an image of `size` = (H, W) that is zero outside a window (y1, x1, y2, x2).

    part [y2 - y1, x2 - x1]: what is in the window, zero or not."""
    height, width = size
    padded = np.zeros((part.shape[1], part.shape[0] + 2), bool)
    padded[:, 1:-1] = np.asarray(part, bool).T
    steps = np.flatnonzero(padded[:, 1:] != padded[:, :-1])
    columns, rows = np.divmod(steps, part.shape[0] + 1)
    edges = (columns + window[1]) * height + rows + window[0]
    # Ones that reach a column's end and begin the next one are one run, and the image's own
    # end needs no edge.
    twice = np.flatnonzero(np.diff(edges) == 0)
    edges = np.delete(edges, np.concatenate([twice, twice + 1]))
    if edges.size and edges[-1] == height * width:
        edges = edges[:-1]
    return np.diff(np.concatenate([[0], edges, [height * width]]).astype(np.int64)).tolist()


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


def spans(rle: Mapping[str, Any]) -> np.ndarray:
    """COCO's RLE dict -> int64 [R, 2]."""
    counts = rle["counts"]
    runs = from_string(counts) if isinstance(counts, (str, bytes)) else counts
    ends = np.cumsum(np.asarray(runs, np.int64))
    return np.stack([ends[: len(ends) // 2 * 2 : 2], ends[1::2]], axis=1)


def iou_matrix(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """IoU of masks of one image as COCO's RLE dicts, float64 [N, M]; 0 for two empty masks."""
    ones, others = ([spans(rle) for rle in rles] for rles in (a, b))
    joined = np.concatenate([np.zeros((0, 2), np.int64), *others])
    owner = np.repeat(np.arange(len(others)), [len(mask) for mask in others])
    common = np.zeros((len(ones), len(others)))
    for row, mask in enumerate(ones):
        if len(mask):
            shared = np.diff(_below(mask, joined), axis=1)[:, 0]
            common[row] = np.bincount(owner, shared, minlength=len(others))
    areas = [np.array([np.diff(mask).sum() for mask in masks]) for masks in (ones, others)]
    union = areas[0][:, None] + areas[1][None] - common
    return np.divide(common, union, out=np.zeros(common.shape), where=union > 0)


def _below(mask: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How many pixels of a mask, as spans, come before each place."""
    before = np.concatenate([[0], np.cumsum(mask[:, 1] - mask[:, 0])])
    span = np.searchsorted(mask[:, 0], places, side="right") - 1
    inside = np.minimum(places, mask[span, 1]) - mask[span, 0]
    return np.where(span < 0, 0, before[span] + inside)
