"""The plots of a report as SVG data URIs, drawn with matplotlib's Figure alone.

Axis letters: K classes.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

CLASSES = 30  # in the confusion matrix at most
NUMBERED = 15  # classes up to which the confusion matrix shows its counts
PREFIXES = ("mask_", "")  # of the entries of an evaluation; without one are those of boxes
_POINTS = 400  # of a curve; longer logs are averaged
_INK = ("#2563eb", "#ea580c", "#059669", "#9333ea", "#dc2626", "#0891b2", "#ca8a04", "#64748b")
_GRID, _TEXT = "#e2e8f0", "#334155"
_STYLE = {"font.size": 9, "axes.titlesize": 10, "text.color": _TEXT, "svg.hashsalt": "tfvision"}
_STYLE |= {f"{part}.color": _TEXT for part in ("xtick", "ytick")} | {"axes.labelcolor": _TEXT}
_STYLE |= {"text.parse_math": False}  # a "$" in a class's name is one


def plots(report: Mapping[str, Any]) -> dict[str, str]:
    """{name: SVG as a data URI} of what the run has: curves, confusion, reliability, and precision
    against recall of boxes and of masks."""
    import matplotlib

    drawn = {}
    names = report["config"]["data"]["class_names"]
    # A browser has the letters that matplotlib's font lacks.
    style = _STYLE if "".join(names).isascii() else _STYLE | {"svg.fonttype": "none"}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        if report["log"]["train"] or report["log"]["val"]:
            drawn["curves"] = _curves(report["log"], report["step"])
        if report.get("confusion"):
            drawn["confusion"] = _confusion(np.array(report["confusion"]), names)
        for prefix in PREFIXES:
            if report.get(f"{prefix}curves"):
                drawn[f"{prefix}precision_recall"] = _precision_recall(report[f"{prefix}curves"])
        if report.get("reliability"):
            drawn["reliability"] = _reliability(report["reliability"], report["metrics"])
    return drawn


def _figure(width: float, height: float, columns: int = 1):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = np.atleast_1d(figure.subplots(1, columns))
    for axis in axes:
        axis.grid(color=_GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color("#94a3b8")
    return figure, axes


def _uri(figure) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(stream.getvalue()).decode()}"


def series(entries: Sequence[Mapping], name: str) -> tuple[np.ndarray, np.ndarray]:
    """(steps, values) of a log's entries that have a value, at most _POINTS, averaged."""
    pairs = [(e["step"], e[name]) for e in entries if e.get(name) is not None]
    if not pairs:
        return np.zeros(0), np.zeros(0)
    parts = np.array_split(np.array(pairs, float), min(_POINTS, len(pairs)))
    steps, values = np.array([part.mean(axis=0) for part in parts]).T
    return steps, values


def _line(axis, entries, name, label, **style) -> None:
    steps, values = series(entries, name)
    if len(steps) == 1:
        style["marker"] = "o"  # a line of one point would not be seen
    axis.plot(steps, values, label=label, markersize=3, linewidth=1.4, **style)


def _legend(axis) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False, fontsize=8)


def _curves(log: Mapping[str, Sequence[Mapping]], step: int) -> str:
    train, val = log["train"], log["val"]
    figure, (loss, rate, scores) = _figure(11.4, 3.4, 3)
    apart = ("step", "time", "loss", "gradient_norm", "learning_rate", "images_per_second", "epoch")
    terms = [name for name in (train[0] if train else {}) if name not in apart]
    _line(loss, train, "loss", "training", color=_INK[0])
    for name, ink in zip(terms if len(terms) > 1 else (), _INK[2:], strict=False):
        _line(loss, train, name, f"training: {name}", color=ink, alpha=0.6)
    _line(loss, val, "loss", "validation", color=_INK[1], marker="o")
    loss.set_title("loss")
    _line(rate, train, "learning_rate", "learning rate", color=_INK[0])
    rate.set_title("learning rate")
    rate.set_ylim(bottom=0)
    names = leading([n for n in (val[-1] if val else {}) if is_score(n)], len(_INK))
    for name, ink in zip(names, _INK, strict=False):
        _line(scores, val, name, name.replace("_", " "), color=ink, marker="o")
    scores.set_title("validation metrics")
    for axis in (loss, rate, scores):
        axis.set_xlabel("step")
        axis.axvline(step, color="#475569", linewidth=1.2, linestyle=":")
        axis.set_xlim(left=0)
    _legend(loss)
    _legend(scores)
    return _uri(figure)


def is_score(name: str) -> bool:
    """Is an entry of a validation's log a metric, and no loss, count or time?"""
    return name not in ("step", "time", "images") and not name.startswith("loss")


def leading(names: Sequence[str], count: int) -> list[str]:
    """The first `count` names of metrics; of masks and of boxes about as many, where both are."""
    parts = [[n for n in names if n.startswith("mask_") == masks] for masks in (True, False)]
    if not all(parts):
        return list(names[:count])
    kept = {*parts[0][: count - count // 2], *parts[1][: count // 2]}
    return [name for name in names if name in kept]


def confused(confusion: np.ndarray) -> np.ndarray:
    """The rows to show, in id order: all, or the CLASSES with the most mistakes."""
    if len(confusion) <= CLASSES:
        return np.arange(len(confusion))
    wrong = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * np.diag(confusion)
    return np.sort(np.argsort(-wrong, kind="stable")[:CLASSES])


def _confusion(confusion: np.ndarray, names: Sequence[str]) -> str:
    from matplotlib import colors

    rows = confused(confusion)
    counts = confusion[np.ix_(rows, rows)]
    fractions = counts / np.maximum(confusion[rows].sum(axis=1, keepdims=True), 1)
    side = 2.6 + (0.34 if len(rows) <= NUMBERED else 0.24) * max(len(rows), 5)
    figure, (axis,) = _figure(side + 0.4, side)
    axis.grid(visible=False)
    # Without numbers the few mistakes of many classes must be seen by their color.
    power = colors.PowerNorm(1.0 if len(rows) <= NUMBERED else 0.5, 0, 1)
    image = axis.imshow(fractions, cmap="Blues", norm=power)
    labels = [names[i] if len(names[i]) <= 20 else names[i][:19] + "…" for i in rows]
    axis.set_xticks(range(len(rows)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(rows)), labels)
    axis.set_xlabel("called")
    axis.set_ylabel("is")
    for y, x in np.argwhere(counts) if len(rows) <= NUMBERED else ():
        ink = "white" if fractions[y, x] > 0.55 else _TEXT
        axis.text(x, y, f"{counts[y, x]}", ha="center", va="center", color=ink, fontsize=8)
    figure.colorbar(image, ax=axis, shrink=0.6, aspect=30, label="share of the row's images")
    return _uri(figure)


def _precision_recall(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Precision against recall of each class at IoU 0.5; few classes by name."""
    figure, (axis,) = _figure(5.2, 4.4)
    areas = {name: np.mean(curve["precision"]) for name, curve in curves.items()}
    for place, name in enumerate(sorted(areas, key=areas.get, reverse=True)):
        curve = curves[name]
        named = len(curves) <= len(_INK)
        label = f" {name}" if name.startswith("_") else name  # matplotlib hides such ones
        style = {"color": _INK[place], "label": label} if named else {"color": "#94a3b8"}
        axis.plot(curve["recall"], curve["precision"], linewidth=1.5 if named else 0.8, **style)
    if len(curves) > 1:
        mean = np.mean([curve["precision"] for curve in curves.values()], axis=0)
        axis.plot(curve["recall"], mean, color="#0f172a", linewidth=2, label="mean")
    axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    _legend(axis)
    return _uri(figure)


def _reliability(bins: Sequence[Mapping], numbers: Mapping[str, float]) -> str:
    figure, (axis,) = _figure(4.6, 4.4)
    width = bins[0]["upper"]
    full = [row for row in bins if row["images"]]
    middle = [row["upper"] - width / 2 for row in full]
    axis.plot([0, 1], [0, 1], color="#94a3b8", linestyle="--", linewidth=1, label="calibrated")
    accuracy = [row["accuracy"] for row in full]
    axis.bar(middle, accuracy, width * 0.92, color="#93c5fd", label="accuracy")
    axis.plot(
        [row["score"] for row in full],
        accuracy,
        "o",
        color=_INK[0],
        markersize=4,
        label="mean score",
    )
    most = max((row["images"] for row in full), default=1)
    for row, x in zip(full, middle, strict=True):
        text = f"{row['images']}" if most < 10_000 else f"{row['images'] / 1000:.1f}k"
        axis.text(x, 0.015, text, ha="center", fontsize=6.5, rotation=90, color=_TEXT)
    axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="score of the called class", ylabel="accuracy")
    error = numbers.get("calibration_error")
    axis.set_title("" if error is None else f"calibration error {error:.3f}")
    _legend(axis)
    return _uri(figure)
