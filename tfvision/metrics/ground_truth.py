"""The objects of an evaluation batch, at the original image's size, as NumPy.

A batch carries them undecoded, one serialized tensor an image and field (tf.io.serialize_tensor
in `prepare`), because images have any number of objects.

Axis letters: B batch, N objects, H, W.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image as pillow
from tensorflow.core.framework import tensor_pb2

from tfvision.ops import masks

# What a missing or empty field means: one value an object.
_DEFAULTS = {"is_crowd": np.int64, "difficult": np.int64}


def read(batch: dict, row: int) -> dict[str, Any]:
    """The truth of image `row` of a batch with `truth/*`: bytes [B].

    Returns boxes float32 [N, 4] yxyx in pixels of the original image, class_ids int64 [N],
    is_crowd and difficult int64 [N] (0 where the batch has none), area float32 [N] and masks, a
    list of N PNGs (both empty where there are none), and size (height, width)."""
    objects = {
        key.removeprefix("truth/"): _tensor(values[row])
        for key, values in batch.items()
        if key.startswith("truth/") and key != "truth/label_map"
    }
    objects["boxes"] = objects["boxes"].reshape(-1, 4).astype(np.float32)
    count = len(objects["boxes"])
    for name, dtype in _DEFAULTS.items():
        if not np.size(objects.get(name, ())):
            objects[name] = np.zeros(count, dtype)
    objects["area"] = objects.get("area", np.zeros(0, np.float32))
    objects["masks"] = list(objects.get("masks", ()))
    objects["size"] = tuple(int(side) for side in objects["size"])
    for name in ("class_ids", "is_crowd", "difficult", "area", "masks"):
        if len(objects[name]) != count and not (
            name in ("area", "masks") and not len(objects[name])
        ):
            raise ValueError(f"image {row}: {count} boxes, but {len(objects[name])} of {name}")
    return objects


def _tensor(data: bytes) -> np.ndarray:
    # A protocol buffer contains it: five times cheaper to read here than by an op, and the same.
    return tf.make_ndarray(tensor_pb2.TensorProto.FromString(data))


def run_lengths(png: bytes, box: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
    """COCO's RLE of an object's mask: a PNG of the whole image, or of its box's pixels.

    box: yxyx in pixels. size: (H, W) of the image. ValueError for a mask of another size."""
    with pillow.open(io.BytesIO(png)) as image:
        mask = (np.asarray(image) != 0).astype(np.uint8)
    if mask.shape != size:
        window = masks.box_bounds(box / np.array([*size, *size], np.float32), size)
        mask = masks.paste(mask, window, size)
    return masks.to_rle(mask)
