"""The balloons data set: one generated folder that serves all four tasks.

    images/train/00000.jpg ...                   scenes
    annotations/instances_train.json             COCO: boxes, polygons, areas of what is visible
    masks/train/00000.png, masks/labels.txt      label maps: background, then the kinds
    classes/train/<none|round|heart|star>/*.jpg  crops: is there a balloon, and of which kind

and the same for val, which shows other parts of the photographs.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from PIL import Image as pillow

from tfvision import errors
from tfvision.synthetic import drawing, drawn_scenes, outline
from tfvision.synthetic import output as outputs

_QUALITY = 92
_MIN_PIXELS = 12  # smaller visible objects do not come about; a guard for tiny scenes
_CROP_VISIBLE = 0.75  # of a balloon that a class crop shows
_CROP_OTHERS = 0.12  # other balloons in its crop, of its own pixels
_SPLITS = ("train", "val")


def write(
    output: str,
    *,
    train: int | None = None,
    val: int | None = None,
    size: tuple[int, int] = (256, 320),
    seed: int = 0,
) -> None:
    """Writes `train` + `val` scenes (400 and 100 by default) of `size` = (H, W) pixels.

    The same arguments give the same bytes. Raises UsageError for numbers that make no data
    set, DataError for an output that contains something else."""
    counts = {"train": 400 if train is None else train, "val": 100 if val is None else val}
    if min(counts.values()) < 1 or min(size) < 48:
        raise errors.UsageError(
            f"train is {counts['train']}, val is {counts['val']} and the size {size};"
            " at least one scene each and 48 pixels are needed"
        )
    made_by = {"generator": "balloons", **counts, "size": list(size), "seed": seed}
    with outputs.folder(output, made_by) as folder:
        for number, split in enumerate(_SPLITS):
            _write_split(folder, split, counts[split], size, (seed, number))
        with open(os.path.join(folder, "masks", "labels.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in ("background", *drawing.KINDS))


def _write_split(
    folder: str, split: str, count: int, size: tuple[int, int], seed: tuple[int, int]
) -> None:
    images, masks = (os.path.join(folder, kind, split) for kind in ("images", "masks"))
    classes = {
        kind: os.path.join(folder, "classes", split, kind) for kind in ("none", *drawing.KINDS)
    }
    for path in (images, masks, *classes.values(), os.path.join(folder, "annotations")):
        os.makedirs(path, exist_ok=True)
    content = _empty_json()
    for index in range(count):
        rng = np.random.default_rng([*seed, index])
        scene = drawn_scenes.make(rng, size, split)
        name = f"{index:05d}.jpg"
        _save(scene.image, os.path.join(images, name))
        label_map = pillow.fromarray(_label_map(scene))
        label_map.save(os.path.join(masks, f"{index:05d}.png"))
        entry = {"id": index + 1, "file_name": name, "height": size[0], "width": size[1]}
        content["images"].append(entry)
        content["annotations"] += _annotations(scene, index + 1, len(content["annotations"]))
        for kind, crop in _crops(scene, rng):
            _save(crop, os.path.join(classes[kind], f"{index:05d}.jpg"))
    path = os.path.join(folder, "annotations", f"instances_{split}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, separators=(",", ":"))


def _save(pixels: np.ndarray, path: str) -> None:
    pillow.fromarray(np.ascontiguousarray(pixels)).save(path, quality=_QUALITY)


def _empty_json() -> dict[str, list[Any]]:
    categories = [
        {"id": number, "name": kind, "supercategory": "balloon"}
        for number, kind in enumerate(drawing.KINDS, start=1)
    ]
    return {"images": [], "annotations": [], "categories": categories}


def _annotations(scene: drawn_scenes.Scene, image_id: int, before: int) -> list[dict[str, Any]]:
    entries = []
    for index, kind in enumerate(scene.kinds):
        mask = scene.mask(index)
        area = int(mask.sum())
        if area < _MIN_PIXELS:
            continue
        top, left, bottom, right = _bounds(mask)
        entries.append(
            {
                "id": before + len(entries) + 1,
                "image_id": image_id,
                "category_id": drawing.KINDS.index(kind) + 1,
                "bbox": [left, top, right - left, bottom - top],
                "area": area,
                "iscrowd": 0,
                "segmentation": outline.trace(mask)[0],
            }
        )
    return entries


def _label_map(scene: drawn_scenes.Scene) -> np.ndarray:
    """uint8 [H, W]: 0 for the background, 1 + its kind's place for a balloon."""
    ids = [drawing.KINDS.index(kind) + 1 for kind in scene.kinds]
    return np.array([*ids, 0], np.uint8)[scene.owner]  # the owner -1 is the background


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _crops(scene: drawn_scenes.Scene, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    """Class crops of one scene, at most one per class: (class name, pixels)."""
    crops: dict[str, np.ndarray] = {}
    for index in rng.permutation(len(scene.kinds)):
        kind = scene.kinds[index]
        if kind in crops or scene.visible[index] < _CROP_VISIBLE:
            continue
        window = _window_around(scene, int(index), rng)
        owners = scene.owner[window]
        others = np.count_nonzero((owners >= 0) & (owners != index))
        if others <= _CROP_OTHERS * np.count_nonzero(owners == index):
            crops[kind] = scene.image[window]
    window = _clear_window(scene, rng)
    if window is not None:
        crops["none"] = scene.image[window]
    return list(crops.items())


def _window_around(
    scene: drawn_scenes.Scene, index: int, rng: np.random.Generator
) -> tuple[slice, slice]:
    """A square around a balloon with some margin, off center, inside the picture."""
    top, left, bottom, right = _bounds(scene.mask(index))
    size = scene.owner.shape
    side = min(round(max(bottom - top, right - left) * rng.uniform(1.15, 1.7)), *size)
    y = (top + bottom - side) / 2 + rng.uniform(-0.08, 0.08) * side
    x = (left + right - side) / 2 + rng.uniform(-0.08, 0.08) * side
    y, x = round(np.clip(y, 0, size[0] - side)), round(np.clip(x, 0, size[1] - side))
    return slice(y, y + side), slice(x, x + side)


def _clear_window(
    scene: drawn_scenes.Scene, rng: np.random.Generator
) -> tuple[slice, slice] | None:
    """A square without balloon or string, of the sizes that balloons' crops have."""
    height, width = scene.clear.shape
    for _ in range(8):
        side = round(rng.uniform(0.2, 0.55) * min(height, width))
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        window = (slice(y, y + side), slice(x, x + side))
        if scene.clear[window].all():
            return window
    return None
