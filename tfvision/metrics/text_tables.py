"""Per-class tables: ratios that may have no denominator, and aligned text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def ratio(part: np.ndarray, whole: np.ndarray, without: float = 0.0) -> np.ndarray:
    """part / whole, float64, and `without` where whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), without), where=whole > 0)


def table(names: Sequence[str], columns: dict[str, np.ndarray]) -> str:
    """A row a name, a column each; "-" for NaN."""
    width = max([5, *(len(name) for name in names)])
    lines = ["class".ljust(width) + "".join(f"{name:>19}" for name in columns)]
    for row, name in enumerate(names):
        cells = [_cell(values[row]) for values in columns.values()]
        lines.append(name.ljust(width) + "".join(cells))
    return "\n".join(lines)


def _cell(value: np.generic) -> str:
    if value.dtype.kind == "i":
        return f"{value:>19d}"
    return f"{'-':>19}" if np.isnan(value) else f"{value:>19.4f}"
