"""COCO's panoptic json with its PNGs of segment ids (cocodataset.org/#format-data).

Things become objects whose masks are segments; things and stuff together give the label map.
Kirillov et al. 2019, arXiv:1801.00868.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.sources import coco
from tfvision.sources.source import Source, check_folder, listed

_GROUPS = ("labels", "objects", "masks", "label_map")


def read(
    images: str,
    annotations: str | None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
) -> Source:
    """Reads a panoptic json, or ANNOTATIONS/panoptic_<split>*.json if that is a folder.

    The PNGs lie in the folder of the json's name without .json, or beside it. Class names are
    those of things and stuff; labels of an image are the classes of its things, crowds aside.
    Raises DataError where the file or its class list is unusable."""
    coco.refuse_labels("panoptic", labels)
    root = check_folder(images, "image folder")
    path = coco.annotation_file("panoptic", annotations, f"panoptic_{split}")
    content = coco.load(path)
    category_ids, class_names, findings = coco.category_names(content.categories, path)
    content.findings += findings
    folder = path.removesuffix(".json")
    folder = folder if os.path.isdir(folder) else os.path.dirname(path)
    return Source(class_names, _GROUPS, _items(content, root, folder, category_ids), category_ids)


def _items(
    content: coco.Content, root: str, folder: str, category_ids: Sequence[int]
) -> Iterator[schema.Sample | schema.Finding]:
    class_ids = {number: i for i, number in enumerate(category_ids)}
    things = {entry["id"] for entry in content.categories if entry.get("isthing", 1)}
    yield from content.findings
    for entry in content.shelf.orphans():
        detail = f"image_id {entry.get('image_id')!r}"
        yield schema.Finding("dropped", "annotation of an unknown image", content.name, detail)
    for entry, found in content.shelf.images():
        sample = coco.start(entry, root)
        if isinstance(sample, schema.Finding):
            yield sample
            continue
        name = sample.filename
        png = found[0].get("file_name") if found else None
        if not isinstance(png, str) or not png:
            yield schema.Finding("skipped", "no mask", name, "no annotation names a PNG")
            continue
        if listed(folder, png):
            yield schema.Finding("skipped", "mask file missing", name, os.path.join(folder, png))
            continue
        if len(found) > 1:
            yield schema.Finding("noted", "second annotation of an image", name, "not used")
        sample.segments = os.path.join(folder, png)
        values = {0: schema.VOID}
        for segment in _segments(found[0], content, name):
            what = f"segment {segment['id']} of {name}"
            class_id = coco.class_of(segment, class_ids, content, what)
            values[segment["id"]] = class_id
            if segment["category_id"] in things:
                sample.objects.append(_object(segment, class_id))
        sample.labels = sorted({o.class_id for o in sample.objects if not o.is_crowd})
        sample.label_map = schema.LabelMap(sample.segments, values=values)
        yield sample


def _segments(entry: dict, content: coco.Content, name: str) -> list[dict]:
    segments = entry.get("segments_info")
    if not isinstance(segments, list):
        raise errors.DataError(
            f"{content.path}: the annotation of {name} has no list 'segments_info';"
            " is it a panoptic json?"
        )
    for segment in segments:
        if not isinstance(segment, dict) or not coco.is_int(segment.get("id")):
            raise errors.DataError(
                f"{content.path}: segment {segment!r:.60} of {name} needs a whole id"
            )
    return segments


def _object(segment: dict, class_id: int) -> schema.Object:
    area = segment.get("area")
    return schema.Object(
        class_id,
        _box(segment.get("bbox")),
        segment["id"],
        is_crowd=bool(segment.get("iscrowd", 0)),
        area=float(area) if _is_number(area) else None,
        name=f"segment {segment['id']}",
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _box(value: Any) -> tuple[float, float, float, float] | None:
    """COCO's x y width height -> y1 x1 y2 x2; None, so that the mask gives it, where broken."""
    if not isinstance(value, list) or len(value) != 4 or not all(map(_is_number, value)):
        return None
    x, y, width, height = (float(n) for n in value)
    return (y, x, y + height, x + width) if width > 0 and height > 0 else None
