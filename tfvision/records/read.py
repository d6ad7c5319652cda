"""Records as plain Python values, one after the other, for those that look at data sets.

Training reads through inputs.decode; this is for verify and inspect.

Axis letters: H height, W width, N objects.
"""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image as pillow

from tfvision import errors, schema
from tfvision.ops import masks, wire
from tfvision.records import image_files

Features = dict[str, list[Any]]


def records(path: str) -> Iterator[bytes]:
    """The records of one shard; DataError that names the shard and the record at damage."""
    import tensorflow as tf

    number = 0
    try:
        for record in tf.data.TFRecordDataset(os.fsencode(path)).as_numpy_iterator():
            yield record
            number += 1
    except tf.errors.OpError as error:
        detail = errors.one_line(error)
        raise errors.DataError(
            f"{path}: record {number}{_image(path, number)} is damaged: {detail}"
        ) from error


def _image(path: str, number: int) -> str:
    """The image of a record whose checksum is wrong, where it can still be read: " (NAME)"."""
    try:
        (_, data) = next(itertools.islice(wire.records(path), number, None))
        found = features(data)
        return f" ({text(found, 'filename') or text(found, 'source_id')})"
    except (errors.DataError, ValueError, StopIteration):
        return ""


def features(record: bytes) -> Features:
    """{key: values} of a serialized tf.train.Example; ValueError where it is none."""
    import tensorflow as tf

    try:
        example = tf.train.Example.FromString(record)
    except Exception as error:  # protobuf's own, which is of another place in every version
        raise ValueError(f"not a tf.train.Example: {error}") from error
    parsed = {}
    for key, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        parsed[key] = list(getattr(feature, kind).value) if kind else []
    return parsed


def values(features: Features, field: str) -> list[Any] | None:
    """A field's values, boxes as [N, 4] rows; None where the record lacks it."""
    keys = schema.FIELDS[field].keys
    if any(key not in features for key in keys):
        return None
    columns = [features[key] for key in keys]
    return columns[0] if len(columns) == 1 else [list(row) for row in zip(*columns, strict=True)]


def text(features: Features, field: str) -> str:
    """A string field's single value, "" where there is none."""
    value = values(features, field)
    return value[0].decode("utf-8", "replace") if value else ""


def picture(features: Features) -> pillow.Image:
    """The upright RGB image of a record."""
    return pillow.fromarray(pixels(values(features, "image")[0]))


def pixels(data: bytes) -> np.ndarray:
    """The upright pixels uint8 [H, W, 3] of a record's image, RGB."""
    with pillow.open(io.BytesIO(data)) as image:
        stored = np.asarray(image.convert("RGB"))
    return np.ascontiguousarray(image_files.upright(stored, image_files.orientation(data)))


def png(data: bytes) -> np.ndarray:
    """A grey PNG -> uint8 [H, W]; ValueError where it is none."""
    try:
        with pillow.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.mode not in ("L", "1"):
                raise ValueError(f"mode {image.mode}, not 8-bit grey")
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"unreadable PNG: {error}") from error


def mask(data: bytes, box: list[float], size: tuple[int, int]) -> np.ndarray:
    """An object's mask PNG -> bool [H, W] of the whole image of `size`.

    box: y x y x, normalised as in the record. Empty bytes: the box has no mask; nothing is set.
    ValueError where its size is neither the image's nor the box's."""
    if not data:
        return np.zeros(size, bool)
    part = png(data)
    if part.shape == size:
        return part > 0
    return masks.paste(part, masks.box_bounds(np.asarray(box, np.float32), size), size) > 0
