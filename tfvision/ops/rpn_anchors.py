"""Anchors of a region proposal network (Ren et al. 2015, arXiv:1506.01497, section 3.1.1; on a
pyramid Lin et al. 2017, arXiv:1612.03144, section 4.1), laid out as torchvision does.

Boxes are yxyx in pixels of the padded image.

Axis letters: H, W of a level's map, A anchors a place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

SIZES = ((32,), (64,), (128,), (256,), (512,))  # of levels 2 to 6; roots of the areas, in pixels
RATIOS = (0.5, 1.0, 2.0)  # height / width


def cells(sizes: Sequence[float], ratios: Sequence[float] = RATIOS) -> np.ndarray:
    """The anchors of one place around its corner (0, 0): float32 [A, 4], whole pixels.

    A = ratios x sizes, the ratios outermost. A box of ratio r and size s is s sqrt(r) high and
    s / sqrt(r) wide; edges are rounded to even halves."""
    root = np.sqrt(np.asarray(ratios, np.float32))[:, None]
    size = np.asarray(sizes, np.float32)[None]
    half = np.stack([(root * size).ravel(), (size / root).ravel()], axis=1) / 2
    return np.round(np.concatenate([-half, half], axis=1))


def grid(cell: np.ndarray, map_size, image_size) -> tf.Tensor:
    """A level's anchors float32 [H * W * A, 4], by rows, columns, anchors of the place.

    map_size: (H, W) of the level; image_size: (height, width) of the padded image, numbers or
    int32 tensors. Places are image_size // map_size apart, and an anchor's middle is its place's
    upper left corner: an image of 800 rows with 13 on level 6 has 61 to a place, not 64."""
    rows, columns = (
        tf.cast(tf.range(count) * (length // count), tf.float32)
        for count, length in zip(map_size, image_size, strict=True)
    )
    y, x = tf.meshgrid(rows, columns, indexing="ij")
    places = tf.stack([y, x, y, x], axis=-1)
    return tf.reshape(places[:, :, None] + cell, [-1, 4])
