"""What all pictures of these pages share: figures, colors, where they go."""

from __future__ import annotations

import io
import pathlib

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

FOLDER = pathlib.Path(__file__).parent / "pictures"
INK = ("#2563eb", "#ea580c", "#059669", "#9333ea", "#dc2626", "#0891b2", "#ca8a04", "#64748b")
INK += ("#db2777", "#1e293b")


def figure(rows: int, columns: int, width: float = 11.0, height: float = 3.2):
    """A figure and its axes, flat, with a quiet grid."""
    page = Figure(figsize=(width, height * rows), layout="constrained", facecolor="white")
    axes = np.atleast_1d(page.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.grid(color="#e2e8f0", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return page, axes


def save(page: Figure, name: str) -> None:
    """Writes FOLDER/name.png with 128 colors, which these pictures do not exceed by much."""
    stream = io.BytesIO()
    page.savefig(stream, dpi=85)
    with Image.open(stream) as picture:
        few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(FOLDER / f"{name}.png", optimize=True)
