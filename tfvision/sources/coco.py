"""COCO's instances json: boxes, polygons, run lengths, crowds (cocodataset.org/#format-data).

Category ids may have gaps: classes are 0..K-1 in the order of the ids. What an annotation says
is checked here for its form; what needs the image (clipping, run lengths) when it is encoded.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

from tfvision import errors, schema
from tfvision.sources.source import Source, check_class_names, check_folder, is_inside

_MIN_POLYGON = 6  # numbers: three points


class _Drop(Exception):
    """Leaves one annotation out: (reason, detail)."""


def read(images: str, annotations: str | None, *, split: str = "train") -> Source:
    """Reads an instances json, or ANNOTATIONS/instances_<split>*.json if that is a folder.

    images: the folder that `file_name` is relative to. Labels of an image are the classes of
    its objects, crowds aside. Raises DataError where the file, its class list or its ids are
    unusable; an annotation or image that is broken by itself is left out with a finding."""
    root = check_folder(images, "image folder")
    path = _annotation_file(annotations, split)
    content = _load(path)
    category_ids, class_names, findings = _categories(content["categories"], path)
    source = Source(class_names, ("labels", "objects"), [], findings, category_ids)
    samples = _images(content["images"], root, path, source)
    has_masks = _annotations(content["annotations"], samples, path, source)
    if has_masks:
        source.groups = ("labels", "objects", "masks")
    for sample in source.samples:
        sample.labels = sorted({o.class_id for o in sample.objects if not o.is_crowd})
    return source


def _annotation_file(annotations: str | None, split: str) -> str:
    if not annotations:
        raise errors.UsageError("format coco needs annotations: the path of an instances json")
    if os.path.isdir(annotations):
        prefix = f"instances_{split}"
        names = sorted(
            n for n in os.listdir(annotations) if n.startswith(prefix) and n.endswith(".json")
        )
        if len(names) != 1:
            found = ", ".join(names) or "none"
            raise errors.DataError(
                f"{annotations}: expected one {prefix}*.json, found {found}; give the file's path"
            )
        return os.path.join(annotations, names[0])
    if not os.path.isfile(annotations):
        raise errors.DataError(f"annotation file {annotations} does not exist")
    return annotations


def _load(path: str) -> dict[str, list]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (ValueError, RecursionError) as error:
        raise errors.DataError(f"{path}: not a sound json file: {error}") from error
    if not isinstance(content, dict):
        raise errors.DataError(
            f"{path}: holds a {type(content).__name__}, not COCO's object with images,"
            " annotations and categories"
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise errors.DataError(f"{path}: there is no list '{key}'; is it an instances json?")
    if not content["images"]:
        raise errors.DataError(f"{path}: the list 'images' is empty")
    return content


def _categories(entries: list, path: str) -> tuple[list[int], list[str], list[schema.Finding]]:
    by_id: dict[int, str] = {}
    findings = []
    for entry in entries:
        number = entry.get("id") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if not _is_int(number) or not isinstance(name, str):
            raise errors.DataError(f"{path}: category {entry!r} needs a whole id and a name")
        if number in by_id:
            raise errors.DataError(f"{path}: category id {number} is there twice")
        by_id[number] = name.strip()
        if name != name.strip():
            findings.append(
                schema.Finding("noted", "name trimmed", os.path.basename(path), repr(name))
            )
    category_ids = sorted(by_id)
    names = check_class_names([by_id[number] for number in category_ids], path)
    return category_ids, names, findings


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _images(entries: list, root: str, path: str, source: Source) -> dict[Any, schema.Sample | None]:
    """Fills source.samples; returns them by image id, None for those that were skipped."""
    samples: dict[Any, schema.Sample | None] = {}
    for entry in entries:
        name = entry.get("file_name") if isinstance(entry, dict) else None
        number = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or not isinstance(number, (int, str)):
            raise errors.DataError(f"{path}: image {entry!r} needs an id and a file_name")
        file = os.path.join(root, name)
        reason = None
        if number in samples:
            reason = "image listed twice"
        elif not is_inside(file, root):
            reason = "path that leaves the image folder"
        elif not os.path.isfile(file):
            reason = "image file missing"
        if reason:
            source.findings.append(schema.Finding("skipped", reason, name, f"image {number}"))
            samples.setdefault(number, None)
            continue
        size = (entry.get("height"), entry.get("width"))
        known = size if all(_is_int(n) and n > 0 for n in size) else None
        filename = os.path.normpath(name).replace(os.sep, "/")
        sample = schema.Sample(file, filename, str(number), known, objects=[])
        samples[number] = sample
        source.samples.append(sample)
    return samples


def _annotations(
    entries: list, samples: dict[Any, schema.Sample | None], path: str, source: Source
) -> bool:
    """Gives every sample its objects; returns whether any has a mask."""
    class_ids = {number: i for i, number in enumerate(source.category_ids)}
    texts = {str(number): number for number in samples}
    seen: set[Any] = set()
    has_masks = False
    for at, entry in enumerate(entries):
        name = f"annotation {entry.get('id', f'number {at}')}" if isinstance(entry, dict) else ""
        try:
            if not name:
                raise _Drop("not an annotation", f"number {at} is {entry!r:.60}")
            sample = _sample_of(entry, samples, texts, f"{path}: {name}")
            file = os.path.basename(path) if sample is None else sample.filename
            category = entry.get("category_id")
            if not _is_int(category) or category not in class_ids:
                raise errors.DataError(
                    f"{path}: {name} has the unknown category_id {category!r};"
                    " add it to 'categories' or remove the annotation"
                )
            if sample is None:  # its image was skipped, and the report says so
                continue
            item = _object(entry, class_ids[category], name)
        except _Drop as drop:
            reason, detail = drop.args
            file = _file_of(entry, samples, path)
            detail = f"{name}: {detail}".removeprefix(": ")
            source.findings.append(schema.Finding("dropped", reason, file, detail))
            continue
        if _id(entry) in seen:
            source.findings.append(schema.Finding("noted", "annotation id used twice", file, name))
        seen.add(_id(entry))
        has_masks = has_masks or item.mask is not None
        sample.objects.append(item)
    return has_masks


def _id(entry: dict) -> Any:
    number = entry.get("id")
    return number if isinstance(number, (int, str)) else id(entry)


def _file_of(entry: Any, samples: dict[Any, schema.Sample | None], path: str) -> str:
    number = entry.get("image_id") if isinstance(entry, dict) else None
    sample = samples.get(number) if isinstance(number, (int, str)) else None
    return os.path.basename(path) if sample is None else sample.filename


def _sample_of(
    entry: dict, samples: dict[Any, schema.Sample | None], texts: dict[str, Any], where: str
) -> schema.Sample | None:
    number = entry.get("image_id")
    if isinstance(number, (int, str)) and number in samples:
        return samples[number]
    if str(number) in texts:
        raise errors.DataError(
            f"{where} has image_id {number!r}, but 'images' has {texts[str(number)]!r};"
            " write both as numbers or both as text"
        )
    raise _Drop("annotation of an unknown image", f"image_id {number!r}")


def _object(entry: dict, class_id: int, name: str) -> schema.Object:
    box = None
    if entry.get("bbox") is not None:
        box = _box(entry["bbox"])
    mask = _mask(entry.get("segmentation"))
    if box is None and mask is None:
        raise _Drop("neither box nor mask", "no bbox, no segmentation")
    area = entry.get("area")
    return schema.Object(
        class_id,
        box,
        mask,
        is_crowd=bool(entry.get("iscrowd", 0)),
        area=float(area) if _is_number(area) else None,
        name=name,
    )


def _box(value: Any) -> tuple[float, float, float, float]:
    """COCO's x y width height -> y1 x1 y2 x2."""
    if not isinstance(value, list) or len(value) != 4:
        raise _Drop("broken box", f"bbox {value!r:.80} is not four numbers")
    if not all(_is_number(n) for n in value):
        raise _Drop("broken box", f"bbox {value!r:.80} holds what is no finite number")
    x, y, width, height = (float(n) for n in value)
    if width <= 0 or height <= 0:
        raise _Drop("box without area", f"bbox {value!r:.80}")
    return y, x, y + height, x + width


def _mask(value: Any) -> list[list[float]] | dict[str, Any] | None:
    """Polygons or run lengths as they are; None where there are none."""
    if value is None or isinstance(value, dict):
        return value or None
    if not isinstance(value, list) or any(not isinstance(p, list) for p in value):
        raise _Drop("broken polygon", f"segmentation {value!r:.60} is not a list of polygons")
    polygons = [p for p in value if p]
    for polygon in polygons:
        if len(polygon) < _MIN_POLYGON:
            raise _Drop("broken polygon", f"{polygon!r:.60} has fewer than three points")
        if len(polygon) % 2:
            raise _Drop("broken polygon", f"{len(polygon)} numbers are no pairs of x and y")
        if not all(_is_number(n) for n in polygon):
            raise _Drop("broken polygon", f"{polygon!r:.60} holds what is no finite number")
    return polygons or None
