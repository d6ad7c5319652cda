"""One sample and its image -> the bytes of one record, with what was clipped or left out.

Here annotations meet the real image: objects are drawn and clipped (objects), label maps read
(maps), all turned upright. Rules that hold for every format live here, not in the sources.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfvision import schema
from tfvision.records import example, image_files, label_maps, object_fields, read

Propose = Callable[[np.ndarray], np.ndarray]  # uint8 [H, W, 3], upright -> [R, 4], pixels


@dataclasses.dataclass(frozen=True)
class Encoded:
    """record: the bytes of a tf.train.Example. objects: how many it holds. sha256: of
    the image's bytes, hex. classes: {class id: its objects in the record, or pixels, or 1}, and
    the pixels of VOID. shrunk: the image is smaller than its file's."""

    record: bytes
    objects: int
    sha256: str
    findings: list[schema.Finding]
    classes: dict[int, int]
    shrunk: bool = False


def encode(
    sample: schema.Sample,
    image: image_files.Image,
    class_names: Sequence[str],
    groups: Sequence[str],
    *,
    frame: str = "",
    full_masks: bool = False,
    scale: bool = False,
    propose: Propose | None = None,
) -> Encoded | schema.Finding:
    """Returns one record with the fields of `groups` (names of schema.GROUPS).

    frame: "stored" or "upright", the pixels that annotations and mask files speak of, or "":
    where the annotation's size is that of the pixels as stored and not that of the upright
    image, boxes and masks are turned by the EXIF orientation, and so is a mask file whose own
    size is that of the stored pixels. Where a size is neither, the image's own size wins. Where
    the image was shrunk, these are sizes of its file, and what the record contains is of the image.
    full_masks: object masks of the whole image instead of their box, for the TF Object
    Detection API. scale: scale boxes and polygons from a wrong size to the image's. propose:
    makes the proposals of an image, which become a group of their own. Returns a finding where
    the image must be left out: its mask file is unreadable, lossy or of another size. Raises
    DataError for a label map's value that is no
    class."""
    try:
        return _encode(sample, image, class_names, groups, frame, full_masks, scale, propose)
    except schema.Rejected as rejected:
        return _finding(sample, "skipped", *rejected.args)


def _encode(
    sample: schema.Sample,
    image: image_files.Image,
    class_names: Sequence[str],
    groups: Sequence[str],
    frame: str,
    full_masks: bool,
    scale: bool,
    propose: Propose | None,
) -> Encoded:
    findings: list[schema.Finding] = []
    if image.note:
        reason, _, detail = image.note.partition(": ")
        findings.append(_finding(sample, "noted", reason, detail))
    turn, wrong = _turn(sample, image, frame)
    if wrong:
        detail = (
            f"the annotation says {sample.size[1]} x {sample.size[0]}, the image is"
            f" {image.full_size[1]} x {image.full_size[0]} pixels"
        )
        reason = "annotations scaled to the image" if scale else "recorded size is wrong"
        detail += "" if scale else "; --scale_annotations scales them"
        findings.append(_finding(sample, "noted", reason, detail))
        sample = object_fields.scaled(sample, image, turn) if scale else sample
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
    # Label map and segments may be one file.
    sizes = (image.full_size, image.stored_size)
    indices = functools.cache(lambda path: label_maps.read(path, None, sizes))
    kept: list[object_fields.Kept] = []
    classes: dict[int, int] = {}
    labels = list(sample.labels or [])
    if "objects" in groups:
        canvas = object_fields.Canvas(
            image, turn, object_fields.segments(sample, indices, image, turn, frame), full_masks
        )
        kept, lost = object_fields.fit(sample, canvas, findings)
        labels = [label for label in labels if label not in lost]
        values |= _object_values(kept, class_names, "masks" in groups)
    if "labels" in groups:
        values |= {"labels": labels, "label_texts": _texts(labels, class_names)}
    if "label_map" in groups:
        label_map = sample.label_map
        if label_map is None:
            raise schema.Rejected("no mask", "")
        known = label_map.data is None
        mask = (
            indices(label_map.path)
            if known
            else label_maps.read(label_map.path, label_map.data, sizes)
        )
        encoded, classes = label_maps.label_map(label_map, mask, image, len(class_names), frame)
        values |= {"label_map": encoded, "label_map_format": b"png"}
    elif "objects" in groups:
        classes = dict(collections.Counter(k.object.class_id for k in kept))
    else:
        classes = dict.fromkeys(labels, 1)
    if propose is not None:
        boxes = propose(read.pixels(image.data)).reshape(-1, 4)
        values["proposals"] = boxes / np.array([image.height, image.width] * 2, np.float32)
    record = example.serialize(_features(values))
    shrunk = image.original is not None
    return Encoded(record, len(kept), digest, findings, classes, shrunk)


def _finding(sample: schema.Sample, kind: str, reason: str, detail: str) -> schema.Finding:
    return schema.Finding(kind, reason, sample.filename, detail)


def _turn(sample: schema.Sample, image: image_files.Image, frame: str) -> tuple[int, bool]:
    """The EXIF orientation that the annotation still needs, and whether its size is wrong."""
    known = sample.size in (None, image.full_size, image.stored_size)
    if frame:
        return (image.orientation if frame == "stored" else 1), not known
    if sample.size in (None, image.full_size):
        return 1, False
    return (image.orientation, False) if known else (1, True)


def _texts(class_ids: Sequence[int], class_names: Sequence[str]) -> list[bytes]:
    return [class_names[class_id].encode() for class_id in class_ids]


def _object_values(
    kept: Sequence[object_fields.Kept], class_names: Sequence[str], with_masks: bool
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
