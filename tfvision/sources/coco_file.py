"""COCO's json as a file: its lists on a shelf, its categories, what is wrong with its ids."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.sources import coco_shapes, stream, texts, values
from tfvision.sources.source import BOXES, check_class_names

_JSON = (".json", ".json.gz")


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
            n for n in os.listdir(annotations) if n.startswith(prefix) and n.endswith(_JSON)
        )
        if len(names) != 1:
            listed = ", ".join(names) or "none"
            raise errors.DataError(
                f"{annotations}: expected one {prefix}*.json, found {listed}; give the file's path"
            )
        return os.path.join(annotations, names[0])
    return texts.check(annotations)


@dataclasses.dataclass
class Content:
    """A COCO json: its images and annotations on a shelf, the rest as it is.

    has_masks: whether any annotation has a segmentation. used: category ids of the annotations.
    boxes: how their boxes are read."""

    path: str
    shelf: stream.Shelf
    categories: list[Any]
    findings: list[schema.Finding]
    boxes: coco_shapes.Boxes
    has_masks: bool = False
    used: set[int] = dataclasses.field(default_factory=set)

    @property
    def name(self) -> str:
        """How findings call the file."""
        return os.path.basename(self.path)


def load(path: str, boxes: str = BOXES[0]) -> Content:
    """Reads the file once; DataError where it is broken or is none of COCO's."""
    content = Content(path, stream.Shelf(), [], [], coco_shapes.Boxes(boxes))
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
    number = key_of(entry.get("id")) if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name or number is None:
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
    content.shelf.add_annotation(key_of(entry.get("image_id")), key_of(entry.get("id")), text)
    content.has_masks = content.has_masks or bool(entry.get("segmentation"))
    content.used.add(values.whole(entry.get("category_id")))
    content.boxes.compare(entry)


def key_of(value: Any) -> int | str | None:
    """An id: a whole number, 1.0 too, or text as it is; None for anything else."""
    return value if isinstance(value, str) else values.whole(value)


def category_names(entries: list, path: str) -> tuple[list[int], list[str], list[schema.Finding]]:
    """(ids, names, findings) of the list 'categories', in the order of the ids."""
    by_id: dict[int, str] = {}
    findings = []
    for entry in entries:
        number = values.whole(entry.get("id")) if isinstance(entry, dict) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        if number is None or not isinstance(name, str):
            raise errors.DataError(f"{path}: category {entry!r} needs a whole id and a name")
        if number in by_id:
            raise errors.DataError(f"{path}: category id {number} appears twice")
        by_id[number] = name.strip()
        if name != name.strip():
            findings.append(
                schema.Finding("noted", "name trimmed", os.path.basename(path), repr(name))
            )
    category_ids = sorted(by_id)
    names = check_class_names([by_id[number] for number in category_ids], path)
    return category_ids, names, findings
