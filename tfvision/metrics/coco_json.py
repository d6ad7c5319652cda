"""COCO's json, in and out: ground truth and detections with the data set's own category ids.

Inside, classes are 0..K-1 and boxes yxyx; in the files, `category_id` may have gaps and `bbox` is
x, y, width, height.

Axis letters: N objects, D detections, H, W.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvision import atomic, errors, schema


@dataclasses.dataclass(frozen=True)
class Image:
    """One image: what is there and what was found.

    name: its source_id. size: (H, W). boxes float32 [N, 4], class_ids int [N], is_crowd int [N],
    area float32 [N]; masks: N RLE dicts, or (). found_*: likewise, with float32 scores [D].
    file: the file's name, where it is known."""

    name: str
    size: tuple[int, int]
    boxes: np.ndarray
    class_ids: np.ndarray
    is_crowd: np.ndarray
    area: np.ndarray
    found_boxes: np.ndarray
    found_scores: np.ndarray
    found_class_ids: np.ndarray
    masks: Sequence[Mapping[str, Any]] = ()
    found_masks: Sequence[Mapping[str, Any]] = ()
    file: str = ""


def ground_truth(
    images: Sequence[Image],
    class_names: Sequence[str],
    category_ids: Sequence[int] | None = None,
) -> dict[str, Any]:
    """An instances json. category_ids: of the classes in order; 1..K where there are none."""
    ids = _category_ids(category_ids, len(class_names))
    annotations = []
    for number, image in zip(_image_ids(images), images, strict=True):
        for i, box in enumerate(_xywh(image.boxes)):
            entry = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": ids[int(image.class_ids[i])],
                "bbox": box,
                "area": float(image.area[i]),
                "iscrowd": int(image.is_crowd[i]),
            }
            if len(image.masks):
                entry["segmentation"] = dict(image.masks[i])
            annotations.append(entry)
    return {
        "images": [
            {
                "id": number,
                "height": image.size[0],
                "width": image.size[1],
                "file_name": image.file or image.name,
            }
            for number, image in zip(_image_ids(images), images, strict=True)
        ],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name} for number, name in zip(ids, class_names, strict=True)
        ],
    }


def detections(
    images: Sequence[Image], classes: int, category_ids: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """A results json: what COCO's server takes, and each image's `file_name`.

    classes: K. category_ids: as above."""
    ids = _category_ids(category_ids, classes)
    entries = []
    for number, image in zip(_image_ids(images), images, strict=True):
        for i, box in enumerate(_xywh(image.found_boxes)):
            entry = {
                "image_id": number,
                "file_name": image.file or image.name,
                "category_id": ids[int(image.found_class_ids[i])],
                "bbox": box,
                "score": float(image.found_scores[i]),
            }
            if len(image.found_masks):
                entry["segmentation"] = dict(image.found_masks[i])
            entries.append(entry)
    return entries


def _image_ids(images: Sequence[Image]) -> list[int]:
    return schema.image_ids([image.name for image in images])


def _category_ids(given: Sequence[int] | None, classes: int) -> list[int]:
    ids = list(range(1, classes + 1)) if given is None else [int(number) for number in given]
    if len(ids) != classes:
        raise errors.UsageError(f"there are {len(ids)} category ids for {classes} classes")
    return ids


def _xywh(boxes: np.ndarray) -> list[list[float]]:
    top, left, bottom, right = np.asarray(boxes, np.float64).reshape(-1, 4).T
    return np.stack([left, top, right - left, bottom - top], axis=1).tolist()


def write(path: str, content: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Writes the file; it is whole or not there."""
    atomic.write_text(path, json.dumps(content))


def load(source: Any, what: str) -> tuple[Any, str]:
    """(content, how errors call it) of a path, or of the content itself."""
    if not isinstance(source, (str, os.PathLike)):
        return source, what
    path = os.fspath(source)
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file), path
    except OSError as error:
        raise errors.DataError(f"{what} {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise errors.DataError(f"{path}: not valid JSON: {error}") from error


def ground_truth_of(source: Any) -> dict[str, Any]:
    """The lists that an evaluation needs, with `iscrowd` and `area` everywhere, as a new dict.

    Raises DataError where they are not there or an annotation cannot be placed."""
    content, name = load(source, "ground truth")
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, Mapping) or not isinstance(content.get(key), (list, tuple)):
            raise errors.DataError(f"{name}: there is no list '{key}'; is it an instances json?")
    annotations = []
    for entry in content["annotations"]:
        for key in ("id", "image_id", "category_id"):
            if key not in entry:
                raise errors.DataError(f"{name}: annotation {entry.get('id')} has no '{key}'")
        area = entry.get("area")
        if area is None:
            area = entry["bbox"][2] * entry["bbox"][3] if entry.get("bbox") else 0.0
        annotations.append({**entry, "iscrowd": int(entry.get("iscrowd") or 0), "area": area})
    images, categories = ([dict(e) for e in content[key]] for key in ("images", "categories"))
    return {"images": images, "annotations": annotations, "categories": categories}


def detections_of(
    source: Any, ground_truth: Mapping[str, Any], needed: str
) -> list[dict[str, Any]]:
    """The entries of a results json (or of a json's `annotations`) as new dicts.

    needed: "bbox" or "segmentation"; a box is found from a segmentation too. Raises DataError
    for entries without what is needed and for images that the truth does not have."""
    content, name = load(source, "detections")
    if isinstance(content, Mapping):
        content = content.get("annotations")
    if not isinstance(content, (list, tuple)):
        raise errors.DataError(f"{name}: not a list of detections (a COCO results json)")
    known = {image["id"] for image in ground_truth["images"]}
    for place, entry in enumerate(content):
        for key in ("image_id", "category_id", "score"):
            if key not in entry:
                raise errors.DataError(f"{name}: detection {place} has no '{key}'")
        if entry["image_id"] not in known:
            raise errors.DataError(
                f"{name}: detection {place} is of image {entry['image_id']!r},"
                " which the ground truth does not have"
            )
        if needed not in entry and "segmentation" not in entry:
            raise errors.DataError(f"{name}: detection {place} has no '{needed}'")
    return [dict(entry) for entry in content]
