"""COCO's panoptic json with its PNGs of segment ids (cocodataset.org/#format-data).

Things become objects whose masks are segments; things and stuff together give the label map.
Kirillov et al. 2019, arXiv:1801.00868.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.sources import coco, coco_file, values
from tfvision.sources.locate import Images
from tfvision.sources.source import NOTHING_SAID, Options, Source, check_folder

_GROUPS = ("labels", "objects", "masks", "label_map")


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads a panoptic json, or ANNOTATIONS/panoptic_<split>*.json if that is a folder.

    The PNGs lie in the folder of the json's name without .json, or beside it. Class names are
    those of things and stuff; labels of an image are the classes of its things, crowds aside.
    Raises DataError where the file or its class list is unusable."""
    del options
    coco_file.refuse_labels("panoptic", labels)
    root = check_folder(images, "image folder")
    path = coco_file.annotation_file("panoptic", annotations, f"panoptic_{split}")
    content = coco_file.load(path)
    category_ids, class_names, findings = coco_file.category_names(content.categories, path)
    content.findings += findings
    folder = path.removesuffix(".gz").removesuffix(".json")
    folder = folder if os.path.isdir(folder) else os.path.dirname(path)
    items = _items(content, root, folder, category_ids)
    left = {root: f"not listed in {content.name}"} | ({} if folder == root else {folder: ""})
    return Source(class_names, _GROUPS, items, category_ids, left)


def _items(
    content: coco_file.Content, root: str, folder: str, category_ids: Sequence[int]
) -> Iterator[schema.Sample | schema.Finding]:
    class_ids = {number: i for i, number in enumerate(category_ids)}
    things = {
        values.whole(entry["id"])
        for entry in content.categories
        if values.flag(entry.get("isthing", 1)) is not False
    }
    files, masks = Images(root), Images(folder)
    yield from content.findings
    for entry in content.shelf.orphans():
        detail = f"image_id {entry.get('image_id')!r}"
        yield schema.Finding("dropped", "annotation of an unknown image", content.name, detail)
    for entry, entries in content.shelf.images():
        sample, findings = coco.start(entry, files)
        if isinstance(sample, schema.Finding):
            yield sample
            continue
        yield from findings
        name = sample.filename
        png = entries[0].get("file_name") if entries else None
        if not isinstance(png, str) or not png:
            yield schema.Finding("skipped", "no mask", name, "no annotation names a PNG")
            continue
        mask = masks.find(png, name)
        if isinstance(mask, schema.Finding):
            detail = os.path.join(folder, png)
            yield schema.Finding("skipped", "mask file missing", name, detail)
            continue
        yield from mask[1]
        if len(entries) > 1:
            yield schema.Finding("noted", "second annotation of an image", name, "not used")
        sample.segments = os.path.join(folder, mask[0])
        classes = {0: schema.VOID}
        for segment in _segments(entries[0], content, name):
            number = values.whole(segment["id"])
            what = f"segment {number} of {name}"
            classes[number] = class_id = coco.class_of(segment, class_ids, content, what)
            if values.whole(segment["category_id"]) in things:
                crowd = coco.is_crowd(segment, content, what)
                sample.objects.append(_object(segment, number, class_id, crowd))
        sample.labels = sorted({o.class_id for o in sample.objects if not o.is_crowd})
        sample.label_map = schema.LabelMap(sample.segments, values=classes, segments=True)
        yield sample


def _segments(entry: dict, content: coco_file.Content, name: str) -> list[dict]:
    segments = entry.get("segments_info")
    if not isinstance(segments, list):
        raise errors.DataError(
            f"{content.path}: the annotation of {name} has no list 'segments_info';"
            " is it a panoptic json?"
        )
    for segment in segments:
        if not isinstance(segment, dict) or values.whole(segment.get("id")) is None:
            raise errors.DataError(
                f"{content.path}: segment {segment!r:.60} of {name} needs a whole id"
            )
    return segments


def _object(segment: dict, number: int, class_id: int, crowd: bool) -> schema.Object:
    return schema.Object(
        class_id,
        _box(segment.get("bbox")),
        number,
        is_crowd=crowd,
        area=values.number(segment.get("area")),
        name=f"segment {number}",
    )


def _box(value: Any) -> tuple[float, float, float, float] | None:
    """COCO's x y width height -> y1 x1 y2 x2; None, so that the mask gives it, where broken."""
    numbers = [values.number(n) for n in value] if isinstance(value, list) else []
    if len(numbers) != 4 or None in numbers:
        return None
    x, y, width, height = numbers
    return (y, x, y + height, x + width) if width > 0 and height > 0 else None
