"""One sample and its image -> the bytes of one record, with what was clipped or left out.

Here annotations meet the real image: boxes are clipped, rasterised masks cropped, all turned
upright and normalised. Rules that hold for every format live here, not in the sources.

Axis letters: H height, W width.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image as pillow

from tfvision import schema
from tfvision.ops import masks
from tfvision.records import example, images

# Formats round to hundredths of a pixel; less than that beyond the border is no finding.
_BOX_TOLERANCE = 0.01
# A polygon on the border's far side of the last pixel is how many tools draw the border.
_POLYGON_TOLERANCE = 1.0


@dataclasses.dataclass(frozen=True)
class Encoded:
    """record: the bytes of a tf.train.Example. objects: how many it holds. stored: sha256 of
    the image's bytes, hex."""

    record: bytes
    objects: int
    sha256: str
    findings: list[schema.Finding]


@dataclasses.dataclass(frozen=True)
class _Kept:
    object: schema.Object
    box: np.ndarray  # float32 [4], normalised, upright
    mask: bytes  # PNG; empty where the object has none
    area: float


class _Drop(Exception):
    """Leaves one object out: (reason, detail)."""


def encode(
    sample: schema.Sample,
    image: images.Image,
    class_names: Sequence[str],
    groups: Sequence[str],
) -> Encoded:
    """Returns one record with the fields of `groups` (names of schema.GROUPS).

    Where the annotation's size is that of the pixels as stored and not that of the upright
    image, boxes and masks are turned by the EXIF orientation. Where it is neither, the image's
    own size wins."""
    findings: list[schema.Finding] = []
    turn, wrong = _frame(sample, image)
    if wrong:
        detail = (
            f"the annotation says {sample.size[1]} x {sample.size[0]}, the image is"
            f" {image.width} x {image.height} pixels"
        )
        findings.append(_finding(sample, "noted", "recorded size is wrong", detail))
    digest = hashlib.sha256(image.data).hexdigest()
    values: dict[str, Any] = {
        "image": image.data,
        "format": image.format.encode(),
        "height": image.height,
        "width": image.width,
        "filename": os.fsencode(sample.filename),
        "source_id": os.fsencode(sample.source_id),
        "sha256": digest.encode(),
    }
    kept: list[_Kept] = []
    labels = list(sample.labels or [])
    if "objects" in groups:
        kept, lost = _objects(sample, image, turn, findings)
        labels = [label for label in labels if label not in lost]
        values |= _object_values(kept, class_names, "masks" in groups)
    if "labels" in groups:
        values |= {"labels": labels, "label_texts": _texts(labels, class_names)}
    return Encoded(example.serialize(_features(values)), len(kept), digest, findings)


def _finding(sample: schema.Sample, kind: str, reason: str, detail: str) -> schema.Finding:
    return schema.Finding(kind, reason, sample.filename, detail)


def _frame(sample: schema.Sample, image: images.Image) -> tuple[int, bool]:
    """The EXIF orientation that the annotation still needs, and whether its size is wrong."""
    upright = (image.height, image.width)
    if sample.size is None or sample.size == upright:
        return 1, False
    if sample.size == image.stored_size:
        return image.orientation, False
    return 1, True


def _objects(
    sample: schema.Sample, image: images.Image, turn: int, findings: list[schema.Finding]
) -> tuple[list[_Kept], set[int]]:
    """The objects that stay, and the classes that nothing but dropped objects had."""
    kept: list[_Kept] = []
    dropped: set[int] = set()
    for item in sample.objects or []:
        try:
            kept.append(_object(sample, item, image, turn, findings))
        except _Drop as drop:
            reason, detail = drop.args
            dropped.add(item.class_id)
            findings.append(_finding(sample, "dropped", reason, f"{item.name}: {detail}"))
    return kept, dropped - {k.object.class_id for k in kept if not k.object.is_crowd}


def _object(
    sample: schema.Sample,
    item: schema.Object,
    image: images.Image,
    turn: int,
    findings: list[schema.Finding],
) -> _Kept:
    size = image.stored_size if turn > 1 else (image.height, image.width)
    mask, cut = _bitmap(item, size)
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
        findings.append(_finding(sample, "clipped", "box beyond the image", detail))
    if cut:
        detail = f"{item.name}: polygon in {size[1]} x {size[0]} pixels"
        findings.append(_finding(sample, "clipped", "polygon beyond the image", detail))
    if mask is not None and tight is None:
        detail = f"{item.name}: the mask covers no pixel's centre"
        findings.append(_finding(sample, "noted", "mask without pixels", detail))
    area = item.area
    if area is None:
        y1, x1, y2, x2 = clipped
        area = (y2 - y1) * (x2 - x1) if mask is None else masks.area(mask)
    normalised = _normalised(images.upright_box(clipped, size, turn), image)
    if not (normalised[2] > normalised[0] and normalised[3] > normalised[1]):
        raise _Drop("box without area", f"box y x y x {_numbers(box)}")
    encoded = b"" if mask is None else _png(images.upright(mask, turn), normalised)
    return _Kept(item, normalised, encoded, float(area))


def _bitmap(item: schema.Object, size: tuple[int, int]) -> tuple[np.ndarray | None, bool]:
    """The object's mask on `size` = (H, W), and whether a polygon had to be cut."""
    if item.mask is None:
        return None, False
    if isinstance(item.mask, dict):
        try:
            claimed = tuple(int(n) for n in item.mask["size"])
            if claimed != size:
                raise _Drop(
                    "run lengths of another size",
                    f"they are for {claimed[::-1]}, the image is {size[1]} x {size[0]} pixels",
                )
            return masks.from_rle(item.mask), False
        except (ValueError, TypeError, KeyError) as error:
            raise _Drop("broken run lengths", str(error)) from error
    points = np.concatenate([np.asarray(p, np.float64) for p in item.mask]).reshape(-1, 2)
    beyond = max(-points.min(), (points - (size[1], size[0])).max())
    return masks.from_polygons(item.mask, size), bool(beyond > _POLYGON_TOLERANCE)


def _clip(box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    height, width = size
    y1, x1, y2, x2 = (float(edge) for edge in box)
    return (
        min(max(y1, 0.0), height),
        min(max(x1, 0.0), width),
        min(max(y2, 0.0), height),
        min(max(x2, 0.0), width),
    )


def _normalised(box: Sequence[float], image: images.Image) -> np.ndarray:
    scale = np.array([image.height, image.width, image.height, image.width], np.float64)
    return (np.asarray(box, np.float64) / scale).astype(np.float32)


def _png(mask: np.ndarray, box: np.ndarray) -> bytes:
    """The mask cropped to its box; the whole canvas where the box would cut pixels off."""
    part = masks.crop(mask, masks.box_bounds(box, mask.shape))
    if masks.area(part) < masks.area(mask):
        part = mask
    buffer = io.BytesIO()
    pillow.fromarray(np.ascontiguousarray(part)).save(buffer, "png")
    return buffer.getvalue()


def _numbers(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


def _texts(class_ids: Sequence[int], class_names: Sequence[str]) -> list[bytes]:
    return [class_names[class_id].encode() for class_id in class_ids]


def _object_values(
    kept: Sequence[_Kept], class_names: Sequence[str], with_masks: bool
) -> dict[str, Any]:
    class_ids = [k.object.class_id for k in kept]
    values: dict[str, Any] = {
        "boxes": np.array([k.box for k in kept], np.float32).reshape(-1, 4),
        "class_ids": class_ids,
        "class_texts": _texts(class_ids, class_names),
        "is_crowd": [int(k.object.is_crowd) for k in kept],
        "difficult": [int(k.object.difficult) for k in kept],
        "area": [k.area if math.isfinite(k.area) else 0.0 for k in kept],
    }
    if with_masks:
        values["masks"] = [k.mask for k in kept]
    return values


def _features(values: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Field values -> the features of the schema's keys."""
    features = {}
    for name, value in values.items():
        field = schema.FIELDS[name]
        columns = value.T if len(field.keys) > 1 else [value if field.many else [value]]
        for key, column in zip(field.keys, columns, strict=True):
            features[key] = (field.dtype, column)
    return features
