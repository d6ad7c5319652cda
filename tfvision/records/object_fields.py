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
from tfvision.records import image_files, label_maps

# Formats round to hundredths of a pixel; less than that beyond the border is not a finding.
_BOX_TOLERANCE = 0.01
# A polygon on the border's far side of the last pixel is how many tools draw the border.
_POLYGON_TOLERANCE = 1.0
# Of a mask's bounds, the part in its box below which the two are of different things. Areas of
# small masks differ by how they are drawn.
_INSIDE, _FEW_PIXELS = 0.5, 400


@dataclasses.dataclass(frozen=True)
class Kept:
    """One object as the record contains it."""

    object: schema.Object
    box: np.ndarray  # float32 [4], normalised, upright
    mask: bytes  # PNG; empty where the object has none
    area: float  # square pixels of the image as the record contains it


@dataclasses.dataclass(frozen=True)
class Canvas:
    """Where objects are drawn: the pixels that the annotation speaks of.

    turn: the EXIF orientation that makes them upright. segments: ids [H, W], or None.
    full_masks: masks are stored whole."""

    image: image_files.Image
    turn: int
    segments: np.ndarray | None
    full_masks: bool

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return _size(self.image, self.turn)


def scaled(sample: schema.Sample, image: image_files.Image, turn: int) -> schema.Sample:
    """The sample with boxes, polygons and areas of its recorded size on the image's pixels."""
    size = _size(image, turn)
    y, x = size[0] / sample.size[0], size[1] / sample.size[1]
    items = []
    for item in sample.objects or []:
        box, mask = item.box, item.mask
        if box is not None:
            box = (box[0] * y, box[1] * x, box[2] * y, box[3] * x)
        if isinstance(mask, list):
            mask = [[n * (y if i % 2 else x) for i, n in enumerate(part)] for part in mask]
        area = None if item.area is None else item.area * y * x
        items.append(dataclasses.replace(item, box=box, mask=mask, area=area))
    objects = None if sample.objects is None else items
    return dataclasses.replace(sample, objects=objects, size=size)


def _size(image: image_files.Image, turn: int) -> tuple[int, int]:
    return image.stored_size if turn > 1 else image.full_size


def segments(
    sample: schema.Sample,
    read: Callable[[str], label_maps.Indices],
    image: image_files.Image,
    turn: int,
    frame: str,
) -> np.ndarray | None:
    """The sample's segment ids on the pixels that its annotation speaks of."""
    if sample.segments is None:
        return None
    mask = read(sample.segments)
    if mask.pixels.shape == _size(image, turn):
        return mask.pixels
    if turn > 1:
        detail = f"{sample.segments}: it is upright, the annotation is not"
        raise schema.Rejected("mask of another size", detail)
    return label_maps.upright(mask, image, frame)


def fit(
    sample: schema.Sample, canvas: Canvas, findings: list[schema.Finding]
) -> tuple[list[Kept], set[int]]:
    """The objects that stay, and the classes that nothing but dropped objects had."""
    kept: list[Kept] = []
    dropped: set[int] = set()
    for item in sample.objects or []:
        try:
            kept.append(_object(sample, item, canvas, findings))
        except schema.Rejected as rejected:
            dropped.add(item.class_id)
            findings.append(rejected.finding("dropped", sample.filename, item.name))
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
        raise schema.Rejected("mask without pixels", "nothing of it lies inside the image")
    clipped = _clip(box, size)
    beyond = max(abs(a - b) for a, b in zip(box, clipped, strict=True))
    if not (clipped[2] > clipped[0] and clipped[3] > clipped[1]):
        raise schema.Rejected("box outside the image", f"box y x y x {_numbers(box)}")
    if beyond > _BOX_TOLERANCE:
        detail = f"{item.name}: box y x y x {_numbers(box)} in {size[1]} x {size[0]} pixels"
        findings.append(schema.Finding("clipped", "box beyond the image", sample.filename, detail))
    if cut:
        detail = f"{item.name}: polygon in {size[1]} x {size[0]} pixels"
        findings.append(
            schema.Finding("clipped", "polygon beyond the image", sample.filename, detail)
        )
    if mask is not None and tight is None:
        detail = f"{item.name}: the mask covers no pixel's center"
        findings.append(schema.Finding("noted", "mask without pixels", sample.filename, detail))
    if tight is not None and not (item.is_crowd or cut or beyond > _BOX_TOLERANCE):
        findings += _doubts(sample, item, tight, masks.area(mask))
    area = item.area
    if area is None:
        y1, x1, y2, x2 = clipped
        area = (y2 - y1) * (x2 - x1) if mask is None else masks.area(mask)
    upright = image_files.upright_box(clipped, size, canvas.turn)
    normalised = _normalised(upright, canvas.image.full_size)
    if not (normalised[2] > normalised[0] and normalised[3] > normalised[1]):
        raise schema.Rejected("box without area", f"box y x y x {_numbers(box)}")
    encoded = b""
    if mask is not None:
        mask = image_files.upright(mask, canvas.turn)
        if canvas.image.original:
            mask = masks.shrink(mask, canvas.image.size)
        encoded = label_maps.png(mask if canvas.full_masks else _cropped(mask, normalised))
    shrunk = math.prod(canvas.image.size) / math.prod(canvas.image.full_size)
    return Kept(item, normalised, encoded, float(area) * shrunk)


def _doubts(
    sample: schema.Sample, item: schema.Object, tight: Sequence[float], pixels: int
) -> list[schema.Finding]:
    """Findings where most of a mask is outside its box, or an area is not the mask's.

    A box that is too large is common, and the source compares all of them together."""
    if item.box is not None:
        inside = _overlap(item.box, tight) / _area(tight)
        if inside < _INSIDE:
            detail = f"{item.name}: box y x y x {_numbers(item.box)}, mask in {_numbers(tight)}"
            reason = "box disagrees with the mask"
            return [schema.Finding("noted", reason, sample.filename, detail)]
    is_tight = item.box is None or _area(tight) >= _INSIDE * _area(item.box)
    if item.area and is_tight and pixels >= _FEW_PIXELS and not 0.5 <= item.area / pixels <= 2:
        detail = f"{item.name}: area {item.area:g}, its mask has {pixels} pixels"
        reason = "area disagrees with the mask"
        return [schema.Finding("noted", reason, sample.filename, detail)]
    return []


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(height, 0.0) * max(width, 0.0)


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
            raise schema.Rejected(
                "broken mask", f"segment {item.mask}, and there is no image of segments"
            )
        return (canvas.segments == item.mask).astype(np.uint8), False
    points = np.concatenate([np.asarray(p, np.float64) for p in item.mask]).reshape(-1, 2)
    beyond = max(-points.min(), (points - (size[1], size[0])).max())
    return masks.from_polygons(item.mask, size), bool(beyond > _POLYGON_TOLERANCE)


def _from_rle(rle: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    try:
        claimed = tuple(int(n) for n in rle["size"])
        if claimed != size:
            raise schema.Rejected(
                "run lengths of another size",
                f"they are for {claimed[::-1]}, the image is {size[1]} x {size[0]} pixels",
            )
        return masks.from_rle(rle)
    except (ValueError, TypeError, KeyError) as error:
        raise schema.Rejected("broken run lengths", str(error)) from error


def _from_png(item: schema.Object, data: bytes, size: tuple[int, int]) -> np.ndarray:
    """A mask of the whole image or of the box's pixels; its own size tells which."""
    window = (0, 0, *size)
    sizes = [size]
    if item.box is not None:
        window = masks.box_bounds(_normalised(_clip(item.box, size), size), size)
        sizes.append((window[2] - window[0], window[3] - window[1]))
    try:
        pixels = label_maps.read("mask", data, sizes).pixels
    except schema.Rejected as error:
        raise schema.Rejected("broken mask", ": ".join(error.args)) from error
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
