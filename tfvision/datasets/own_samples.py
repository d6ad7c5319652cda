"""A sample of somebody's own data set, as NumPy values -> `schema.Sample`, with every check.

Axis letters: H, W, K classes, N objects.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from PIL import Image as pillow

from tfvision import errors, schema
from tfvision.ops import header, sniff
from tfvision.records import label_maps

KEYS = (
    *("image", "label", "labels", "boxes", "class_ids", "masks", "label_map"),
    *("is_crowd", "difficult", "area", "filename", "source_id"),
)
_OF_OBJECTS = ("class_ids", "masks", "is_crowd", "difficult", "area")
_FORM = (
    "it is a dict with the keys of datasets.from_tf, or (image, label), (image, label map) or"
    " (image, dict)"
)
_IMAGE = "it must be uint8 [H, W, 3] or [H, W, 1], or the bytes of an image file"


def as_dict(element: Any, index: int) -> dict[str, Any]:
    """An element of a data set by the keys of KEYS. Raises DataError where it is none."""
    if isinstance(element, tuple) and len(element) == 2:
        image, target = element
        if not isinstance(target, Mapping):
            target = {"label_map" if np.ndim(target) >= 2 else "label": target}
        element = {"image": image, **target}
    if not isinstance(element, Mapping):
        raise errors.DataError(f"sample {index} is a {type(element).__name__}; {_FORM}")
    for key in element:
        if key not in KEYS:
            raise errors.DataError(
                f"sample {index} has an unknown key '{key}'{errors.suggestion(key, KEYS)} (known"
                f" are {', '.join(KEYS)}); leave it out with map"
            )
    return dict(element)


def groups(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of schema.GROUPS that a sample's keys make."""
    there = {
        "labels": "label" in values or "labels" in values,
        "objects": "boxes" in values or "masks" in values,
        "masks": "masks" in values,
        "label_map": "label_map" in values,
    }
    return tuple(name for name, is_there in there.items() if is_there)


class Reader:
    """Turns samples into `schema.Sample`s; all of them have the keys of the first one.

    class_names: in id order. frame: "stored" where boxes speak of EXIF-rotated images as they
    are stored."""

    def __init__(self, class_names: Sequence[str], keys: Sequence[str], frame: str = ""):
        self._classes, self._keys, self._frame = len(class_names), set(keys), frame

    def sample(self, values: Mapping[str, Any], index: int) -> schema.Sample:
        """Raises DataError that names the sample, the key and the value."""
        for key in self._keys ^ set(values):
            raise errors.DataError(
                f"sample {index} has {'a' if key in values else 'no'} key '{key}', and sample 0 has"
                f" {'none' if key in values else 'one'}; all samples need the same keys"
            )
        if "image" not in values:
            raise errors.DataError(f"sample {index} has no key 'image'")
        value = _Value(index, values)
        data, size, extension = _image(value)
        if self._frame == "stored" and isinstance(values["image"], bytes):
            size = (header.sizes(io.BytesIO(data)) or (size,))[0]
        objects = label_map = None
        if "boxes" in values or "masks" in values:
            objects = self._objects(value, size)
        if "label_map" in values:
            label_map = schema.LabelMap(f"sample {index}", self._label_map(value, size))
        return schema.Sample(
            f"sample {index}",
            value.text("filename") or f"{index:08d}.{extension}",
            value.text("source_id") or str(index),
            labels=self._labels(value),
            objects=objects,
            label_map=label_map,
            data=data,
        )

    def _labels(self, value: _Value) -> list[int] | None:
        if "labels" in value.values:
            ids = value.numbers("labels", rank=1)
        elif "label" in value.values:
            label = np.asarray(value.values["label"])
            if label.ndim != 1:
                ids = value.numbers("label", rank=0).reshape(1)
            elif len(label) != self._classes or not np.isin(label, (0, 1)).all():
                value.wrong(
                    "label", label, f"it is a class id, or 0 and 1 for {self._classes} classes"
                )
            else:
                ids = np.flatnonzero(label)
        else:
            return None
        self._check_ids(value, "labels" if "labels" in value.values else "label", ids)
        return ids.tolist()

    def _check_ids(self, value: _Value, key: str, ids: np.ndarray) -> None:
        wrong = ids[(ids < 0) | (ids >= self._classes)]
        if len(wrong):
            hint = "; leave out what pads boxes" if key == "class_ids" and wrong[0] < 0 else ""
            value.wrong(
                key, wrong[0], f"class_names has {self._classes}, 0 to {self._classes - 1}{hint}"
            )

    def _objects(self, value: _Value, size: tuple[int, int] | None) -> list[schema.Object]:
        values = value.values
        if "class_ids" not in values:
            raise errors.DataError(f"sample {value.index} has objects and no key 'class_ids'")
        ids = value.numbers("class_ids", rank=1)
        self._check_ids(value, "class_ids", ids)
        boxes = _boxes(value, size) if "boxes" in values else [None] * len(ids)
        masks = _masks(value, size) if "masks" in values else [None] * len(ids)
        columns = {"boxes": boxes, "masks": masks}
        for key in ("is_crowd", "difficult", "area"):
            given = key in values
            columns[key] = value.array(key, rank=1).tolist() if given else [None] * len(ids)
        for key, column in columns.items():
            if len(column) != len(ids):
                value.wrong(key, f"of {len(column)} objects", f"class_ids has {len(ids)}")
        return [
            schema.Object(
                int(class_id),
                columns["boxes"][n],
                columns["masks"][n],
                bool(columns["is_crowd"][n]),
                bool(columns["difficult"][n]),
                columns["area"][n],
                f"object {n}",
            )
            for n, class_id in enumerate(ids)
        ]

    def _label_map(self, value: _Value, size: tuple[int, int] | None) -> bytes:
        if isinstance(value.values["label_map"], bytes):
            return value.values["label_map"]
        ids = value.array("label_map")
        if ids.ndim == 3 and ids.shape[-1] == 1:
            ids = ids[:, :, 0]
        if (
            ids.ndim != 2
            or not np.issubdtype(ids.dtype, np.integer)
            or ids.shape != (size or ids.shape)
        ):
            value.wrong("label_map", _shape(ids), f"it must be whole numbers {list(size or 'HW')}")
        odd = ids[((ids < 0) | (ids >= self._classes)) & (ids != schema.VOID)]
        if odd.size:
            value.wrong(
                "label_map",
                odd[0],
                f"class_names has {self._classes}, 0 to {self._classes - 1}; 255 is void",
            )
        return label_maps.png(ids.astype(np.uint8))


class _Value:
    """The values of a sample, and the errors that name them."""

    def __init__(self, index: int, values: Mapping[str, Any]):
        self.index, self.values = index, values

    def wrong(self, key: str, said: Any, wanted: str) -> NoReturn:
        """Raises the DataError."""
        raise errors.DataError(f"sample {self.index}: {key} is {said}; {wanted}")

    def array(self, key: str, rank: int | None = None) -> np.ndarray:
        """A value of numbers."""
        array = np.asarray(self.values[key])
        if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
            self.wrong(key, _shape(array), "it must be numbers")
        if rank is not None and array.ndim != rank:
            self.wrong(key, _shape(array), f"it must have {rank} axes")
        return array

    def numbers(self, key: str, rank: int) -> np.ndarray:
        """A value of whole numbers."""
        array = self.array(key, rank)
        if array.size and not np.issubdtype(array.dtype, np.integer):
            self.wrong(key, f"{array.dtype} {array.tolist()}", "it must be a whole number")
        return array.astype(np.int64)

    def text(self, key: str) -> str:
        """A value of text, "" where there is none."""
        value = self.values.get(key, "")
        return os.fsdecode(value) if isinstance(value, (bytes, str)) else str(value)


def _shape(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"


def _image(value: _Value) -> tuple[bytes, tuple[int, int] | None, str]:
    """The bytes of an image file, its (height, width) where it is known, and its extension."""
    image = value.values["image"]
    if isinstance(image, bytes):
        sizes = header.sizes(io.BytesIO(image))
        kind = sniff.image_format(image[: sniff.HEAD_BYTES]) or "image"
        return image, sizes and sizes[1], {"jpeg": "jpg"}.get(kind, kind)
    pixels = np.asarray(image)
    if pixels.ndim == 4:
        value.wrong("image", _shape(pixels), "the data set is batched; give dataset.unbatch()")
    if pixels.dtype != np.uint8:
        way = "; tf.cast(image, tf.uint8) makes it of values 0..255"
        value.wrong("image", _shape(pixels), _IMAGE + way)
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3) or not pixels.size:
        value.wrong("image", _shape(pixels), _IMAGE)
    buffer = io.BytesIO()
    pillow.fromarray(pixels[:, :, 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "png")
    return buffer.getvalue(), pixels.shape[:2], "png"


def _boxes(value: _Value, size: tuple[int, int] | None) -> list[tuple[float, ...]]:
    """Boxes y1 x1 y2 x2 in pixels, each at least partly inside the image."""
    boxes = value.array("boxes")
    if boxes.size == 0:
        return []
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        value.wrong("boxes", _shape(boxes), "they must be [N, 4]: y1, x1, y2, x2 in pixels")
    boxes = boxes.astype(np.float64)
    height, width = size or (np.inf, np.inf)
    for n, (y1, x1, y2, x2) in enumerate(boxes.tolist()):
        if not (np.isfinite(boxes[n]).all() and y2 > y1 and x2 > x1):
            value.wrong(
                f"boxes[{n}]",
                [y1, x1, y2, x2],
                "it must be y1, x1, y2, x2 with y2 > y1 and x2 > x1",
            )
        if y1 >= height or x1 >= width or y2 <= 0 or x2 <= 0:
            value.wrong(
                f"boxes[{n}]",
                [y1, x1, y2, x2],
                f"it is outside the image of {height} x {width} pixels; boxes are y1, x1, y2, x2",
            )
    return [tuple(box) for box in boxes.tolist()]


def _masks(value: _Value, size: tuple[int, int] | None) -> list[bytes]:
    """Masks [N, H, W] of 0 and 1, or the bytes of N PNGs, as PNGs."""
    given = np.asarray(value.values["masks"])
    if given.dtype == object:
        return [bytes(mask) for mask in given]
    masks = value.array("masks")
    if masks.size and (masks.ndim != 3 or masks.shape[1:] != (size or masks.shape[1:])):
        value.wrong("masks", _shape(masks), f"they must be [N, H, W], the image is {size}")
    if not np.isin(masks, (0, 1)).all():
        value.wrong("masks", f"of {masks.max()} somewhere", "their values are 0 and 1")
    return [label_maps.png(mask.astype(np.uint8)) for mask in masks]
