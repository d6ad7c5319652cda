"""COCO's instances json: boxes, polygons, run lengths, crowds (cocodataset.org/#format-data).

Category ids may have gaps: classes are 0..K-1 in the order of the ids. What an annotation says
is checked here for its form; what needs the image (clipping, run lengths) when it is encoded.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.sources import stream
from tfvision.sources.source import Source, check_class_names, check_folder, listed

_MIN_POLYGON = 6  # numbers: three points


class _Drop(Exception):
    """Leaves one annotation out: (reason, detail)."""


def read(
    images: str,
    annotations: str | None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
) -> Source:
    """Reads an instances json, or ANNOTATIONS/instances_<split>*.json if that is a folder.

    images: the folder that `file_name` is relative to. Labels of an image are the classes of
    its objects, crowds aside. Raises DataError where the file, its class list or its ids are
    unusable; an annotation or image that is broken by itself is left out with a finding."""
    refuse_labels("coco", labels)
    root = check_folder(images, "image folder")
    path = annotation_file("coco", annotations, f"instances_{split}")
    content = load(path)
    category_ids, class_names, findings = category_names(content.categories, path)
    groups = ("labels", "objects", "masks") if content.has_masks else ("labels", "objects")
    content.findings += findings
    return Source(class_names, groups, _items(content, root, category_ids), category_ids)


def refuse_labels(kind: str, labels: Sequence[str] | None) -> None:
    """For formats that bring their class list themselves."""
    if labels:
        raise errors.UsageError(f"format {kind} has its own class list; drop --labels")


def annotation_file(kind: str, annotations: str | None, prefix: str) -> str:
    """The path of a json file, or of the one <prefix>*.json in a folder."""
    if not annotations:
        raise errors.UsageError(f"format {kind} needs annotations: the path of its json file")
    if os.path.isdir(annotations):
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


@dataclasses.dataclass
class Content:
    """A COCO json: its images and annotations on a shelf, the rest as it is.

    has_masks: whether any annotation has a segmentation."""

    path: str
    shelf: stream.Shelf
    categories: list[Any]
    findings: list[schema.Finding]
    has_masks: bool = False

    @property
    def name(self) -> str:
        """How findings call the file."""
        return os.path.basename(self.path)


def load(path: str) -> Content:
    """Reads the file once; DataError where it is broken or is none of COCO's."""
    content = Content(path, stream.Shelf(), [], [])
    lists: dict[str, int] = {}
    for key, entry, text in stream.entries(path):
        if text == "[":
            lists[key] = 0
            continue
        if key not in lists:
            continue
        lists[key] += 1
        if key == "categories":
            content.categories.append(entry)
        elif key == "images":
            _add_image(entry, text, content)
        elif key == "annotations":
            _add_annotation(entry, text, content)
    for key in ("images", "annotations", "categories"):
        if key not in lists:
            raise errors.DataError(f"{path}: there is no list '{key}'; is it an instances json?")
    if not lists["images"]:
        raise errors.DataError(f"{path}: the list 'images' is empty")
    content.shelf.index()
    return content


def _add_image(entry: Any, text: str, content: Content) -> None:
    name = entry.get("file_name") if isinstance(entry, dict) else None
    number = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name or not isinstance(number, (int, str)):
        raise errors.DataError(f"{content.path}: image {entry!r} needs an id and a file_name")
    if not content.shelf.add_image(number, text):
        content.findings.append(
            schema.Finding("skipped", "image listed twice", name, f"image {number}")
        )


def _add_annotation(entry: Any, text: str, content: Content) -> None:
    if not isinstance(entry, dict):
        detail = f"{text:.60}"
        content.findings.append(
            schema.Finding("dropped", "not an annotation", content.name, detail)
        )
        return
    image, number = entry.get("image_id"), entry.get("id")
    known = number if isinstance(number, (int, str)) else None
    content.shelf.add_annotation(image, known, text)
    content.has_masks = content.has_masks or bool(entry.get("segmentation"))


def category_names(entries: list, path: str) -> tuple[list[int], list[str], list[schema.Finding]]:
    """(ids, names, findings) of the list 'categories', in the order of the ids."""
    by_id: dict[int, str] = {}
    findings = []
    for entry in entries:
        number = entry.get("id") if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if not is_int(number) or not isinstance(name, str):
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


def is_int(value: Any) -> bool:
    """A whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _items(
    content: Content, root: str, category_ids: Sequence[int]
) -> Iterator[schema.Sample | schema.Finding]:
    class_ids = {number: i for i, number in enumerate(category_ids)}
    yield from content.findings
    yield from orphans(content, class_ids)
    for number, count in content.shelf.repeated_ids():
        detail = f"annotation {number}: {count} times"
        yield schema.Finding("noted", "annotation id used twice", content.name, detail)
    for entry, found in content.shelf.images():
        sample = start(entry, root)
        objects, findings = [], []
        for annotation in found:
            name = name_of(annotation)
            class_id = class_of(annotation, class_ids, content, name)
            try:
                objects.append(_object(annotation, class_id, name))
            except _Drop as drop:
                reason, detail = drop.args
                detail = f"{name}: {detail}"
                findings.append(schema.Finding("dropped", reason, entry["file_name"], detail))
        if isinstance(sample, schema.Finding):
            yield sample  # what was wrong inside a skipped image is of no interest
            continue
        yield from findings
        sample.objects = objects
        sample.labels = sorted({o.class_id for o in objects if not o.is_crowd})
        yield sample


def name_of(annotation: dict) -> str:
    """How findings call an annotation."""
    return f"annotation {annotation.get('id', 'without id')}"


def orphans(content: Content, class_ids: dict[int, int]) -> Iterator[schema.Finding]:
    """Findings for annotations whose image is not in the file.

    Raises DataError where it is, but as text instead of a number."""
    for entry in content.shelf.orphans():
        name, number = name_of(entry), entry.get("image_id")
        other: int | str | None = str(number) if is_int(number) else None
        if isinstance(number, str) and number.lstrip("-").isdecimal():
            other = int(number)
        if other is not None and content.shelf.has_image(other):
            raise errors.DataError(
                f"{content.path}: {name} has image_id {number!r}, but 'images' has {other!r};"
                " write both as numbers or both as text"
            )
        class_of(entry, class_ids, content, name)
        detail = f"{name}: image_id {number!r}"
        yield schema.Finding("dropped", "annotation of an unknown image", content.name, detail)


def class_of(entry: dict, class_ids: dict[int, int], content: Content, name: str) -> int:
    """The class id of an annotation or segment; DataError for an unknown category."""
    category = entry.get("category_id")
    if not is_int(category) or category not in class_ids:
        raise errors.DataError(
            f"{content.path}: {name} has the unknown category_id {category!r};"
            " add it to 'categories' or remove the annotation"
        )
    return class_ids[category]


def start(entry: dict, root: str) -> schema.Sample | schema.Finding:
    """The sample of an entry of 'images', without what its annotations say."""
    name, number = entry["file_name"], entry["id"]
    reason = listed(root, name)
    if reason:
        return schema.Finding("skipped", reason, name, f"image {number}")
    size = (entry.get("height"), entry.get("width"))
    known = size if all(is_int(n) and n > 0 for n in size) else None
    filename = os.path.normpath(name).replace(os.sep, "/")
    return schema.Sample(os.path.join(root, name), filename, str(number), known, objects=[])


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
