"""Annotated objects meet their image: drawn, clipped, cropped, turned upright and normalised.

Axis letters: H height, W width.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfvision import schema
from tfvision.ops import masks
from tfvision.records import images, maps

# Formats round to hundredths of a pixel; less than that beyond the border is no finding.
_BOX_TOLERANCE = 0.01
# A polygon on the border's far side of the last pixel is how many tools draw the border.
_POLYGON_TOLERANCE = 1.0


@dataclasses.dataclass(frozen=True)
class Kept:
    """One object as the record holds it."""

    object: schema.Object
    box: np.ndarray  # float32 [4], normalised, upright
    mask: bytes  # PNG; empty where the object has none
    area: float  # square pixels of the image as the record holds it


@dataclasses.dataclass(frozen=True)
class Canvas:
    """Where objects are drawn: the pixels that the annotation speaks of.

    turn: the EXIF orientation that makes them upright. segments: ids [H, W], or None.
    full_masks: masks are stored whole."""

    image: images.Image
    turn: int
    segments: np.ndarray | None
    full_masks: bool

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return _size(self.image, self.turn)


class _Drop(Exception):
    """Leaves one object out: (reason, detail)."""


def _size(image: images.Image, turn: int) -> tuple[int, int]:
    return image.stored_size if turn > 1 else image.full_size


def segments(
    sample: schema.Sample, read: Callable[[str], maps.Indices], image: images.Image, turn: int
) -> np.ndarray | None:
    """The sample's segment ids on the pixels that its annotation speaks of."""
    if sample.segments is None:
        return None
    mask = read(sample.segments)
    if mask.pixels.shape == _size(image, turn):
        return mask.pixels
    if turn > 1:
        detail = f"{sample.segments}: it is upright, the annotation is not"
        raise maps.Skip("mask of another size", detail)
    return maps.upright(mask, image)


def fit(
    sample: schema.Sample, canvas: Canvas, findings: list[schema.Finding]
) -> tuple[list[Kept], set[int]]:
    """The objects that stay, and the classes that nothing but dropped objects had."""
    kept: list[Kept] = []
    dropped: set[int] = set()
    for item in sample.objects or []:
        try:
            kept.append(_object(sample, item, canvas, findings))
        except _Drop as drop:
            reason, detail = drop.args
            dropped.add(item.class_id)
            findings.append(
                schema.Finding("dropped", reason, sample.filename, f"{item.name}: {detail}")
            )
    return kept, dropped - {k.object.class_id for k in kept if not k.object.is_crowd}


def _object(
    sample: schema.Sample,
    item: schema.Object,
    canvas: Canvas,
    findings: list[schema.Finding],
) -> Kept:
    size = canvas.size
    mask, cut = _bitmap(item, canvas)
    tight = None if mask is None else masks.bounds(mask)
    box = tight if item.box is None else item.box
    if box is None:
        raise _Drop("mask without pixels", "nothing of it lies inside the image")
    clipped = _clip(box, size)
    beyond = max(abs(a - b) for a, b in zip(box, clipped, strict=True))
    if not (clipped[2] > clipped[0] and clipped[3] > clipped[1]):
        raise _Drop("box outside the image", f"box y x y x {_numbers(box)}")
    if beyond > _BOX_TOLERANCE:
        detail = f"{item.name}: box y x y x {_numbers(box)} in {size[1]} x {size[0]} pixels"
        findings.append(schema.Finding("clipped", "box beyond the image", sample.filename, detail))
    if cut:
        detail = f"{item.name}: polygon in {size[1]} x {size[0]} pixels"
        findings.append(
            schema.Finding("clipped", "polygon beyond the image", sample.filename, detail)
        )
    if mask is not None and tight is None:
        detail = f"{item.name}: the mask covers no pixel's centre"
        findings.append(schema.Finding("noted", "mask without pixels", sample.filename, detail))
    area = item.area
    if area is None:
        y1, x1, y2, x2 = clipped
        area = (y2 - y1) * (x2 - x1) if mask is None else masks.area(mask)
    upright = images.upright_box(clipped, size, canvas.turn)
    normalised = _normalised(upright, canvas.image.full_size)
    if not (normalised[2] > normalised[0] and normalised[3] > normalised[1]):
        raise _Drop("box without area", f"box y x y x {_numbers(box)}")
    encoded = b""
    if mask is not None:
        mask = masks.shrink(images.upright(mask, canvas.turn), canvas.image.size)
        encoded = maps.png(mask if canvas.full_masks else _cropped(mask, normalised))
    shrunk = math.prod(canvas.image.size) / math.prod(canvas.image.full_size)
    return Kept(item, normalised, encoded, float(area) * shrunk)


def _bitmap(item: schema.Object, canvas: Canvas) -> tuple[np.ndarray | None, bool]:
    """The object's mask on the canvas, and whether a polygon had to be cut."""
    size = canvas.size
    if item.mask is None:
        return None, False
    if isinstance(item.mask, dict):
        return _from_rle(item.mask, size), False
    if isinstance(item.mask, bytes):
        return _from_png(item, item.mask, size), False
    if isinstance(item.mask, int):
        if canvas.segments is None:
            raise _Drop("broken mask", f"segment {item.mask}, and there is no image of segments")
        return (canvas.segments == item.mask).astype(np.uint8), False
    points = np.concatenate([np.asarray(p, np.float64) for p in item.mask]).reshape(-1, 2)
    beyond = max(-points.min(), (points - (size[1], size[0])).max())
    return masks.from_polygons(item.mask, size), bool(beyond > _POLYGON_TOLERANCE)


def _from_rle(rle: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    try:
        claimed = tuple(int(n) for n in rle["size"])
        if claimed != size:
            raise _Drop(
                "run lengths of another size",
                f"they are for {claimed[::-1]}, the image is {size[1]} x {size[0]} pixels",
            )
        return masks.from_rle(rle)
    except (ValueError, TypeError, KeyError) as error:
        raise _Drop("broken run lengths", str(error)) from error


def _from_png(item: schema.Object, data: bytes, size: tuple[int, int]) -> np.ndarray:
    """A mask of the whole image or of the box's pixels; its own size tells which."""
    window = (0, 0, *size)
    sizes = [size]
    if item.box is not None:
        window = masks.box_bounds(_normalised(_clip(item.box, size), size), size)
        sizes.append((window[2] - window[0], window[3] - window[1]))
    try:
        pixels = maps.read("mask", data, sizes).pixels
    except maps.Skip as skip:
        raise _Drop("broken mask", ": ".join(skip.args)) from skip
    bitmap = (pixels != 0).astype(np.uint8)
    return bitmap if bitmap.shape == size else masks.paste(bitmap, window, size)


def _clip(box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    height, width = size
    y1, x1, y2, x2 = (float(edge) for edge in box)
    return (
        min(max(y1, 0.0), height),
        min(max(x1, 0.0), width),
        min(max(y2, 0.0), height),
        min(max(x2, 0.0), width),
    )


def _normalised(box: Sequence[float], size: tuple[int, int]) -> np.ndarray:
    scale = np.array([*size, *size], np.float64)
    return (np.asarray(box, np.float64) / scale).astype(np.float32)


def _cropped(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The mask inside its box; the whole canvas where the box would cut pixels off."""
    part = masks.crop(mask, masks.box_bounds(box, mask.shape))
    return part if masks.area(part) == masks.area(mask) else mask


def _numbers(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"
