"""Boxes, masks, label maps and labels drawn on pictures with Pillow, and contact sheets.

Pictures are Pillow's RGB images, upright; every function returns a new one.

Axis letters: H height, W width, N objects, m cells of a box's frame.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from tfvision import atomic, kinds, schema
from tfvision.ops import masks as shapes

SMALLEST = 480  # longest side of a drawn picture, pixels; smaller images are enlarged
THRESHOLD = 0.5  # of the scores of boxes that are drawn
DARK = (18, 20, 26)
_MASK_ALPHA = 0.45
_LINES = 240  # outlines of masks that the shorter side of a picture has room for
_SMOOTH = 1600  # longest side, pixels, of pictures that are small
_THIN = 0.5  # lines of a box beside its mask's outline
_MAP_ALPHA = 0.6
_VOID = (96, 96, 96)
_LEGEND_ROWS = 8


def color(index: int) -> tuple[int, int, int]:
    """A bright color of its own for each number: hues by the golden angle."""
    values = colorsys.hsv_to_rgb((0.55 + index * 0.381966) % 1.0, 0.68, 1.0)
    return tuple(round(255 * value) for value in values)


def scale_of(size: tuple[int, int], longest: int = 0) -> float:
    """What a picture of `size` is scaled by: to `longest`, or (0) to at least SMALLEST."""
    side = max(size)
    return longest / side if longest else max(1.0, SMALLEST / side)


def resized(picture: pillow.Image, scale: float) -> pillow.Image:
    """The picture scaled; few pixels stay recognisable as pixels."""
    if scale == 1.0:
        return picture.copy()
    width, height = (max(1, round(side * scale)) for side in picture.size)
    way = pillow.Resampling.NEAREST if max(picture.size) <= 64 else pillow.Resampling.LANCZOS
    return picture.resize((width, height), way)


def font(size: float) -> ImageFont.ImageFont:
    """Pillow's own font, at least ten pixels high."""
    return ImageFont.load_default(size=max(round(size), 10))


def shortened(text: str, face: ImageFont.ImageFont, room: float) -> str:
    """`text` on one line, with dots where it is longer than `room` pixels."""
    text = " ".join(text.split())
    if face.getlength(text) <= room:
        return text
    while text and face.getlength(text + "...") > room:
        text = text[:-1]
    return text.rstrip() + "..."


def name_of(class_id: int, class_names: Sequence[str]) -> str:
    """The class's name, or its number where it has none."""
    known = 0 <= class_id < len(class_names)
    return str(class_names[class_id]) if known else f"class {class_id}"


def boxes(
    picture: pillow.Image,
    boxes: np.ndarray,
    texts: Sequence[str],
    inks: Sequence[tuple[int, int, int]],
    *,
    strength: float = 1.0,
) -> pillow.Image:
    """Boxes [N, 4] (y x y x, pixels of the picture) with their texts above all boxes, the last
    on top.

    strength: of the lines, 1 as a box needs that stands alone."""
    size = max(min(picture.size) / 30, 13.0)
    face, line = font(size), max(round(strength * max(size / 5, 2)), 1)
    page = picture.convert("RGB")
    pen = ImageDraw.Draw(page)
    boxes = np.asarray(boxes, float)
    for (y1, x1, y2, x2), ink in zip(boxes, inks, strict=True):
        pen.rectangle((x1, y1, max(x2, x1), max(y2, y1)), outline=ink, width=line)
    for (y1, x1, _, _), text, ink in zip(boxes, texts, inks, strict=True):
        if not text:
            continue
        text = shortened(text, face, picture.width - size * 0.6)
        width, height = face.getlength(text) + size * 0.6, size * 1.4
        left = min(max(x1, 0.0), max(picture.width - width, 0.0))
        top = y1 - height if y1 >= height else max(y1, 0.0)
        pen.rectangle((left, top, left + width, top + height), fill=ink)
        pen.text((left + size * 0.3, top + size * 1.05), text, font=face, fill=DARK, anchor="ls")
    return page


def masks(
    picture: pillow.Image, masks: np.ndarray, inks: Sequence[tuple[int, int, int]]
) -> pillow.Image:
    """Translucent masks [N, H, W] (any size; scaled to the picture) with an outline each."""
    pixels = np.array(picture.convert("RGB"), np.float32)
    for mask, ink in zip(masks, inks, strict=True):
        inside = _to_picture(np.asarray(mask, np.uint8) * 255, picture) > 127
        _tint(pixels, inside, (0, 0, *inside.shape), ink)
    return pillow.fromarray(pixels.round().astype(np.uint8))


def instances(
    picture: pillow.Image,
    masks: np.ndarray,
    boxes: np.ndarray,
    inks: Sequence[tuple[int, int, int]],
) -> pillow.Image:
    """Translucent masks [N, m, m], each in the frame of its box, with a smooth outline each.

    boxes [N, 4]: y x y x in pixels of the picture."""
    pixels = np.array(picture.convert("RGB"), np.float32)
    # Outlines of small pictures are drawn at twice the size, which makes them smooth.
    fine = 2 if max(picture.size) < _SMOOTH else 1
    size = (picture.height * fine, picture.width * fine)
    for mask, box, ink in zip(masks, np.asarray(boxes, float), inks, strict=True):
        _tint(pixels, *shapes.in_window(mask, box * fine, size), ink, fine)
    return pillow.fromarray(pixels.round().astype(np.uint8))


def _tint(pixels: np.ndarray, inside: np.ndarray, window: tuple, ink: tuple, fine: int = 1) -> None:
    """Colors what is `inside` of a window (y1, x1, y2, x2) of float pixels [H, W, 3].

    inside, window: of a grid `fine` times as dense as the pixels."""
    line = max(round(min(pixels.shape[:2]) / _LINES), 1)
    # A margin, where there is room, closes the outline at the window's own edge.
    y1, x1 = (max(edge // fine - line, 0) for edge in window[:2])
    sides = zip(window[2:], pixels.shape[:2], strict=True)
    y2, x2 = (min(-(-edge // fine) + line, side) for edge, side in sides)
    y, x = y1 * fine, x1 * fine
    moved = (window[0] - y, window[1] - x, window[2] - y, window[3] - x)
    inside = shapes.paste(inside, moved, ((y2 - y1) * fine, (x2 - x1) * fine))
    outline = inside & ~_eroded(inside, line * fine)
    part, ink = pixels[y1:y2, x1:x2], np.array(ink, np.float32)
    for drawn, alpha in ((inside, _MASK_ALPHA), (outline, 1.0)):
        cells = drawn.reshape(y2 - y1, fine, x2 - x1, fine).mean(axis=(1, 3), dtype=np.float32)
        part += (ink - part) * (alpha * cells[..., None])


def _to_picture(mask: np.ndarray, picture: pillow.Image) -> np.ndarray:
    image = pillow.fromarray(mask)
    if image.size != picture.size:
        image = image.resize(picture.size, pillow.Resampling.NEAREST)
    return np.asarray(image)


def _eroded(mask: np.ndarray, times: int) -> np.ndarray:
    for _ in range(times):
        padded = np.pad(mask, 1, mode="edge")
        mask = mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask


def prediction(
    picture: pillow.Image,
    prediction: Mapping[str, Any],
    class_names: Sequence[str] = (),
    *,
    scale: float = 1.0,
    explained: bool = True,
    threshold: float = THRESHOLD,
) -> pillow.Image:
    """What a model says of an image, drawn on it; its labels are not (see serving.pictures).

    prediction: with `class_map` [H, W], which is laid over the picture, `explained` by a legend;
    or with `boxes` [N, 4] (y x y x), `scores` and `class_ids` [N], those above `threshold`, the
    best on top, in the colors of their classes; and where there are `masks` [N, m, m] in the
    boxes' frames, these in colors of their own. scale: pixels of `picture` for one of the
    boxes'."""
    if kinds.MAPS in kinds.of(prediction):
        return label_map(picture, prediction["class_map"], class_names, explained=explained)
    corners, scores = (np.asarray(prediction[key]) for key in ("boxes", "scores"))
    ids = np.asarray(prediction["class_ids"])
    count = int(prediction.get("num_detections", len(corners)))
    kept = [i for i in np.argsort(scores[:count], kind="stable") if scores[i] > threshold]
    texts = [f"{name_of(int(ids[i]), class_names)} {100 * scores[i]:.0f} %" for i in kept]
    corners = corners[kept] * scale
    if "masks" not in prediction:
        return boxes(picture, corners, texts, [color(int(ids[i])) for i in kept])
    inks = [color(rank) for rank in reversed(range(len(kept)))]
    picture = instances(picture, np.asarray(prediction["masks"])[kept], corners, inks)
    return boxes(picture, corners, texts, inks, strength=_THIN)


def label_map(
    picture: pillow.Image,
    values: np.ndarray,
    class_names: Sequence[str],
    *,
    explained: bool = True,
) -> pillow.Image:
    """A label map [H, W] of class ids over the picture.

    explained: with a legend of the largest classes."""
    values = _to_picture(np.asarray(values, np.uint8), picture)
    palette = np.array([color(i) for i in range(256)], np.float32)
    palette[schema.VOID] = _VOID
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    pixels = pixels + (palette[values] - pixels) * _MAP_ALPHA
    page = pillow.fromarray(pixels.round().astype(np.uint8))
    if not explained:
        return page
    counts = np.bincount(values.reshape(-1), minlength=256)
    present = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]][:_LEGEND_ROWS]
    rows = [("void" if i == schema.VOID else name_of(i, class_names)) for i in present]
    return legend(page, rows, [tuple(int(v) for v in palette[i]) for i in present])


def legend(
    picture: pillow.Image, texts: Sequence[str], inks: Sequence[tuple[int, int, int]]
) -> pillow.Image:
    """Rows of a colored square and a text in the upper left corner."""
    size = max(min(picture.size) / 34, 11.0)
    face = font(size)
    width = min(max(map(face.getlength, texts), default=0) + size * 2.8, picture.width)
    page = picture.convert("RGBA")
    panel = pillow.new("RGBA", (round(width), round(size * (1.5 * len(texts) + 0.7))))
    pen = ImageDraw.Draw(panel)
    pen.rounded_rectangle((0, 0, width - 1, panel.height - 1), size * 0.4, fill=(*DARK, 205))
    for row, (text, ink) in enumerate(zip(texts, inks, strict=True)):
        top = size * (0.55 + 1.5 * row)
        pen.rectangle((size * 0.6, top, size * 1.6, top + size), fill=(*ink, 255))
        text = shortened(text, face, width - size * 2.6)
        at = (size * 2.1, top + size * 0.88)
        pen.text(at, text, font=face, fill=(235, 238, 245, 255), anchor="ls")
    margin = min(round(size * 0.5), page.width - 1, page.height - 1)
    room = (0, 0, page.width - margin, page.height - margin)
    page.alpha_composite(panel.crop(room), (margin, margin))
    return page.convert("RGB")


def caption(picture: pillow.Image, text: str) -> pillow.Image:
    """The picture with a line of text below it."""
    size = max(picture.width / 26, 12.0)
    face = font(size)
    page = pillow.new("RGB", (picture.width, picture.height + round(size * 1.9)), DARK)
    page.paste(picture, (0, 0))
    text = shortened(text, face, picture.width - size)
    at = (picture.width / 2, picture.height + size * 1.3)
    ImageDraw.Draw(page).text(at, text, font=face, fill=(206, 210, 220), anchor="ms")
    return page


def save(picture: pillow.Image, path: str) -> None:
    """Writes a PNG; it is whole or not there. DataError where it cannot be written."""
    with atomic.file(path, durable=False) as aside:
        picture.save(aside, "PNG")


def sheet(pictures: Sequence[pillow.Image], columns: int = 4, *, cell: int = 360) -> pillow.Image:
    """One contact sheet: pictures of `cell` pixels at most either way, row by row.

    Each is centerd in a cell that is as wide and as high as the largest of them."""
    columns = max(1, min(columns, len(pictures)))
    rows = -(-len(pictures) // columns)
    gap = max(cell // 30, 4)
    small = [picture.copy() for picture in pictures]
    for picture in small:
        picture.thumbnail((cell, cell), pillow.Resampling.LANCZOS)
    width = max((picture.width for picture in small), default=cell) + gap
    height = max((picture.height for picture in small), default=cell) + gap
    page = pillow.new("RGB", (columns * width + gap, max(rows, 1) * height + gap), DARK)
    for index, picture in enumerate(small):
        row, column = divmod(index, columns)
        left = gap + column * width + (width - gap - picture.width) // 2
        page.paste(picture, (left, gap + row * height + (height - gap - picture.height) // 2))
    return page
