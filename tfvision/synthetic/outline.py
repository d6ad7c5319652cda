"""A bitmap's outline as polygons that COCO's rasteriser turns into the same bitmap again."""

from __future__ import annotations

import numpy as np

Point = tuple[int, int]


def trace(mask: np.ndarray) -> tuple[list[list[int]], bool]:
    """Polygons [x0, y0, x1, y1, ...] along the pixel edges of a bitmap [H, W].

    One for each part that hangs together by pixel sides. Also returns whether there is a hole,
    which such polygons cannot say."""
    ahead = _edges(mask)
    polygons, has_hole = [], False
    while ahead:
        loop = _walk(ahead)
        twice_area = sum(
            x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(loop, [*loop[1:], loop[0]], strict=True)
        )
        if twice_area < 0:
            has_hole = True
        else:
            polygons.append([n for point in loop for n in point])
    return polygons, has_hole


def _edges(mask: np.ndarray) -> dict[Point, list[Point]]:
    """Start -> ends of unit edges with the set pixel on the right (y points down)."""
    padded = np.pad(np.asarray(mask, bool), 1)
    inner = padded[1:-1, 1:-1]
    sides = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),  # above: walk right
        (padded[1:-1, 2:], (1, 0), (1, 1)),  # right: walk down
        (padded[2:, 1:-1], (1, 1), (0, 1)),  # below: walk left
        (padded[1:-1, :-2], (0, 1), (0, 0)),  # left: walk up
    )
    ahead: dict[Point, list[Point]] = {}
    for neighbour, (x0, y0), (x1, y1) in sides:
        rows, columns = np.nonzero(inner & ~neighbour)
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
            ahead.setdefault((x + x0, y + y0), []).append((x + x1, y + y1))
    return ahead


def _walk(ahead: dict[Point, list[Point]]) -> list[Point]:
    """Takes one closed loop out of the edges and returns its corners."""
    start = here = next(iter(ahead))
    heading, corners = (0, 0), []
    while True:
        ends = ahead[here]
        # Where two pixels touch at a corner, the right turn stays with the same pixel.
        right = (here[0] - heading[1], here[1] + heading[0])
        there = right if right in ends else ends[0]
        ends.remove(there)
        if not ends:
            del ahead[here]
        step = (there[0] - here[0], there[1] - here[1])
        if step != heading:
            corners.append(here)
        heading, here = step, there
        if here == start:
            return corners
