"""The statistics of a data set as one picture of plots."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from tfvision import atomic
from tfvision.records import statistics

_BARS = 30  # classes with a bar; the rarest are left out beyond
_INK, _QUIET = "#1f77b4", "#9aa4b2"
_TEXT = {"parse_math": False}  # a "$" in a class's name is one


def save(stats: statistics.Statistics, names: Sequence[str], title: str, path: str) -> None:
    """Draws what the split has (classes, sizes, boxes, co-occurrence) and saves it as PNG."""
    from matplotlib.figure import Figure

    panels = [_classes, _sizes]
    if stats.per_image:
        panels += [_per_image, _boxes, _ratios]
    if stats.pixels.any():
        panels.append(_pixels)
    if stats.together is not None and stats.together.any():
        panels.append(_together)
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.4 * columns, 4.4 * rows), layout="constrained")
    figure.suptitle(title, parse_math=False)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        panel(axis, stats, names)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    with warnings.catch_warnings():  # letters that the font lacks are boxes
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        with atomic.file(path) as aside:
            figure.savefig(aside, dpi=110, format="png")


def _bars(axis, values: np.ndarray, names: Sequence[str], title: str) -> None:
    order = np.argsort(-values, kind="stable")[:_BARS]
    axis.barh(np.arange(len(order)), values[order], color=_INK)
    axis.set_yticks(np.arange(len(order)), [names[i] for i in order], fontsize=8, **_TEXT)
    axis.invert_yaxis()
    more = f", the {_BARS} most frequent of {len(values)}" if len(values) > _BARS else ""
    axis.set_title(title + more, fontsize=10)


def _classes(axis, stats, names) -> None:
    if stats.per_image:
        _bars(axis, stats.objects, names, "objects by class")
    else:
        _bars(axis, stats.images, names, "images by class")


def _pixels(axis, stats, names) -> None:
    percent = 100 * stats.pixels / stats.pixels.sum()
    _bars(axis, percent, [*names, "void"], "% of pixels by class")


def _sizes(axis, stats, names) -> None:
    sizes = np.array(list(stats.sizes))
    counts = np.array(list(stats.sizes.values()))
    area = 12 + 240 * counts / counts.max()
    axis.scatter(sizes[:, 1], sizes[:, 0], s=area, alpha=0.5, color=_INK, edgecolors="none")
    axis.set_xlim(0, sizes[:, 1].max() * 1.1)
    axis.set_ylim(0, sizes[:, 0].max() * 1.1)
    axis.set_xlabel("width, pixels")
    axis.set_ylabel("height, pixels")
    axis.set_title(f"image sizes ({len(sizes)} different)", fontsize=10)


def _per_image(axis, stats, names) -> None:
    counts = np.array(sorted(stats.per_image))
    axis.bar(counts, [stats.per_image[c] for c in counts], color=_INK, width=0.9)
    axis.set_xlabel("objects in an image")
    axis.set_title("images by number of objects", fontsize=10)


def _steps(axis, counts: np.ndarray, edges: np.ndarray, marks: Sequence[float]) -> None:
    axis.stairs(counts, edges, fill=True, color=_INK)
    axis.set_xscale("log", base=2)
    for mark in marks:
        axis.axvline(mark, color=_QUIET, linewidth=1, linestyle="--")


def _boxes(axis, stats, names) -> None:
    _steps(axis, stats.box_sides, statistics.side_edges(), (32, 96))
    axis.set_xlabel("sqrt(height x width) of the box, pixels; dashed: COCO's 32 and 96")
    small, medium, large = stats.areas
    axis.set_title(f"box sizes: {small} small, {medium} medium, {large} large", fontsize=10)


def _ratios(axis, stats, names) -> None:
    _steps(axis, stats.ratios, statistics.ratio_edges(), (1,))
    axis.set_xlabel("height / width of the box")
    axis.set_title("box shapes", fontsize=10)


def _together(axis, stats, names) -> None:
    used = np.argsort(-stats.images, kind="stable")[:_BARS]
    used = [i for i in used if stats.images[i]]
    fractions = stats.together[np.ix_(used, used)] / stats.images[used][:, None]
    picture = axis.imshow(fractions, cmap="viridis", vmin=0)
    labels = [names[i] for i in used]
    axis.set_xticks(range(len(used)), labels, rotation=90, fontsize=7, **_TEXT)
    axis.set_yticks(range(len(used)), labels, fontsize=7, **_TEXT)
    axis.set_title("share of a row's images that have the column's class", fontsize=10)
    axis.figure.colorbar(picture, ax=axis, shrink=0.8)
