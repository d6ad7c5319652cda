"""COCO's run lengths: written, read, and compared as they are (numpy).

Runs go down the columns of an image and start with zeros, as in COCO's maskApi.

Axis letters: H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hotcoco import mask

# A number's characters hold five bits each and whether there are more; the last one's highest bit
# is its sign. More characters than these no number of an image has.
_MORE, _SIGN, _DIGITS = 32, 16, 12


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
    data = np.frombuffer(text.encode("utf-8") if isinstance(text, str) else text, np.uint8)
    digits = data.astype(np.int64) - 48
    if not len(digits):
        return []
    last = np.flatnonzero((digits & _MORE) == 0)  # characters that end a number
    whole = len(last) and last[-1] == len(digits) - 1
    first = np.concatenate([[0], last[:-1] + 1])[: len(last)]
    known = (digits >= 0).all() and (digits < 2 * _MORE).all()
    if not whole or not known or (last - first >= _DIGITS).any():
        raise ValueError("broken compressed run-length string")
    shifts = 5 * (np.arange(len(digits)) - np.repeat(first, last - first + 1))
    runs = np.add.reduceat((digits & (_MORE - 1)) << shifts, first)
    runs -= np.where(digits[last] & _SIGN, 1 << (shifts[last] + 5), 0)
    for start in (1, 2):
        runs[start::2] = np.cumsum(runs[start::2])
    return runs.tolist()


def iou_matrix(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """IoU of masks of one image as COCO's RLE dicts, float64 [N, M]; 0 for two empty masks."""
    if not (len(a) and len(b)):
        return np.zeros((len(a), len(b)))
    return mask.iou(list(a), list(b), [False] * len(b))
