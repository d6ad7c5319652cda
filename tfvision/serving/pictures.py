"""Predictions drawn on the original image.

Axis letters: H height, W width, K classes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw

from tfvision import kinds
from tfvision.ops import draw
from tfvision.records import image_files

ROWS = 5  # labels on a classification panel
THRESHOLD = 0.5  # of a score: above it a label holds (sigmoid)
NARROWEST = 300  # width of a drawn picture, pixels; slimmer images get a border

_PANEL = (*draw.DARK, 214)
_TRACK = (66, 72, 86, 225)  # drawing replaces pixels, it does not blend
_BRIGHT = (255, 255, 255, 255)
_DIM = (206, 210, 220, 255)
_ACCENT = (64, 196, 255, 255)
_QUIET = (150, 160, 178, 255)


def open_upright(data: bytes, name: str = "image") -> pillow.Image:
    """An image file's bytes -> RGB, upright. Raises DataError that starts with `name`."""
    ready = image_files.normalise(data, name, bake_orientation=True)
    with pillow.open(io.BytesIO(ready.data)) as image:
        return image.convert("RGB")


def draw_prediction(
    image: pillow.Image,
    prediction: Mapping[str, Any],
    class_names: Sequence[str] = (),
    *,
    several: bool = False,
    threshold: float = draw.THRESHOLD,
) -> pillow.Image:
    """A new RGB picture of `image` (upright RGB) with its prediction.

    prediction: one of `Model.predict`. scores [K] of a classifier become a panel of the best
    labels; everything else is drawn as `draw.prediction` says. class_names: in id order.
    several: the labels do not exclude each other (sigmoid), so all above THRESHOLD are
    highlighted and not the best alone. threshold: boxes of higher scores are drawn. The picture
    has the image's size, but at least draw.SMALLEST."""
    scale = draw.scale_of(image.size)
    canvas = draw.resized(image, scale)
    if kinds.SCORES not in kinds.of(prediction):
        return draw.prediction(canvas, prediction, class_names, scale=scale, threshold=threshold)
    rows = _rows(prediction, class_names, several)
    return _with_panel(canvas, rows)


def _rows(prediction: Mapping, names: Sequence[str], several: bool) -> list[tuple]:
    """[(label, score, highlighted)] by falling score, at most ROWS."""
    scores = np.asarray(prediction["scores"], np.float64)
    best = np.argsort(-scores, kind="stable")[:ROWS]
    label = [draw.name_of(int(i), names) for i in best]
    held = [scores[i] > THRESHOLD if several else n == 0 for n, i in enumerate(best)]
    return list(zip(label, scores[best].tolist(), held, strict=True))


def _with_panel(picture: pillow.Image, rows: Sequence[tuple]) -> pillow.Image:
    """The panel lies on the image's lower left where it covers little, else it is put below."""
    width = max(picture.width, NARROWEST)
    size = min(max(min(width, picture.height) / 34, 13.0), width / 18)
    panel = _panel(rows, size, min(width, round(size * 22)))
    margin = round(size * 0.7)
    inside = panel.height + 2 * margin <= 0.46 * picture.height and picture.width >= NARROWEST
    if inside:
        page = picture.convert("RGBA")
        page.alpha_composite(panel, (margin, picture.height - panel.height - margin))
        return page.convert("RGB")
    page = pillow.new("RGBA", (width, picture.height + panel.height), (*draw.DARK, 255))
    page.paste(picture, ((width - picture.width) // 2, 0))
    page.alpha_composite(panel, ((width - panel.width) // 2, picture.height))
    return page.convert("RGB")


def _panel(rows: Sequence[tuple], size: float, width: int) -> pillow.Image:
    """RGBA; drawn at twice its size, which makes its bars and corners smooth."""
    size, width = size * 2, width * 2
    font, padding = draw.font(size), size * 0.8
    line, bar = size * 2.05, size * 0.3
    height = round(line * len(rows) + 2 * padding - size * 0.45)
    panel = pillow.new("RGBA", (width, height), (*draw.DARK, 0))
    pen = ImageDraw.Draw(panel)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), size * 0.6, fill=_PANEL)
    right = width - padding
    for index, (label, score, held) in enumerate(rows):
        top = padding + index * line
        percent = f"{100 * score:.1f} %"
        room = right - padding - font.getlength("100.0 %") - size * 0.6
        ink = _BRIGHT if held else _DIM
        pen.text(
            (padding, top + size),
            draw.shortened(label, font, room),
            font=font,
            fill=ink,
            anchor="ls",
        )
        pen.text((right, top + size), percent, font=font, fill=ink, anchor="rs")
        y = top + size * 1.34
        pen.rounded_rectangle((padding, y, right, y + bar), bar / 2, fill=_TRACK)
        end = padding + (right - padding) * min(max(score, 0.0), 1.0)
        if end - padding >= 1:
            box = (padding, y, max(end, padding + bar), y + bar)
            pen.rounded_rectangle(box, bar / 2, fill=_ACCENT if held else _QUIET)
    return panel.resize((width // 2, height // 2), pillow.Resampling.LANCZOS)
