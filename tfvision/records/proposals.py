"""Boxes that may contain an object of any class, for Fast R-CNN: Selective Search (Uijlings et al.
2013, doi:10.1007/s11263-013-0620-5).

OpenCV segments the image (Felzenszwalb & Huttenlocher 2004) in several color spaces and at
several scales, and merges what is alike in color, texture, size and fill; the boxes of all
regions on the way are the proposals. No TensorFlow here.

Axis letters: H, W, N true boxes, R proposals.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from PIL import Image as pillow

from tfvision import errors
from tfvision.ops import overlaps

# The paper's two sets of strategies (section 5.1), by the name of OpenCV's method.
MODES = {"fast": "switchToSelectiveSearchFast", "quality": "switchToSelectiveSearchQuality"}
LIMIT = 2000  # "typically around 2000" in Fast R-CNN (Girshick 2015, arXiv:1504.08083, section 3)

_SIDE = 500  # of the searched image, the longer one; the scales of the segmentation are for it
_LEAST_SIDE = 4  # pixels of the searched image, and at least _LEAST_OWN of the image itself
_LEAST_OWN = 2
_GOLDEN = (5**0.5 - 1) / 2


def check(mode: str, limit: int) -> None:
    """Raises UsageError for an unknown mode, a limit below 1, and where OpenCV is missing."""
    errors.choose(MODES, mode, "way of making proposals")
    if limit < 1:
        raise errors.UsageError(f"the limit of proposals is {limit}; it must be at least 1")
    _segmentation()


def selective_search(image: np.ndarray, *, mode: str = "fast", limit: int = LIMIT) -> np.ndarray:
    """Boxes float32 [R, 4] y x y x in the pixels of the image, R <= limit, the best first.

    image: uint8 [H, W, 3], RGB, upright. mode: "fast" (6 segmentations, 2 ways of merging) or
    "quality" (25 and 4). Equal images give equal boxes; no two are the same, none is outside.
    Raises UsageError as `check`, and for an image of another kind."""
    check(mode, limit)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise errors.UsageError(
            f"Selective Search takes uint8 [H, W, 3], not {image.dtype} {list(image.shape)}"
        )
    height, width = image.shape[:2]
    factor = _SIDE / max(height, width)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    searched = np.asarray(pillow.fromarray(image).resize(size, pillow.Resampling.BILINEAR))
    search = _segmentation().createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(searched[:, :, ::-1]))  # OpenCV has blue first
    getattr(search, MODES[mode])()
    x, y, w, h = np.asarray(search.process(), np.int64).reshape(-1, 4).T
    boxes = np.stack([y, x, y + h, x + w], axis=1)
    least = max(_LEAST_SIDE, _LEAST_OWN * factor)
    large = boxes[np.minimum(w, h) >= least]
    boxes = ranked(large if len(large) else boxes)[:limit]
    scale = np.array([height / size[1], width / size[0]] * 2)
    return np.minimum(boxes * scale, [height, width] * 2).astype(np.float32)


def ranked(boxes: np.ndarray) -> np.ndarray:
    """Whole-numbered boxes [R, 4] y x y x, the best first, in an order of their own.

    The paper (section 3.3) ranks a region by its place in the hierarchy, the whole image first,
    times a random number. OpenCV draws that number from C's rand(), so that two calls differ,
    puts small regions first, and does not tell the places: here the larger box comes first in
    the hierarchy, and the multiples of the golden ratio are the numbers."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    boxes = boxes[np.lexsort((*boxes.T, -area))]
    place = np.arange(1, len(boxes) + 1)
    return boxes[np.argsort(place * (place * _GOLDEN % 1.0), kind="stable")]


def best_overlaps(boxes: np.ndarray, proposals: np.ndarray) -> np.ndarray:
    """The IoU [N] of each true box [N, 4] with the proposal [R, 4] that covers it best."""
    return overlaps.iou_matrix(boxes, proposals).max(axis=1, initial=0.0)


@functools.cache
def _segmentation() -> Any:
    try:
        import cv2

        return cv2.ximgproc.segmentation
    except (ImportError, AttributeError) as error:  # plain OpenCV lacks the contributed modules
        raise errors.UsageError(
            "Selective Search needs OpenCV with its contributed modules:"
            " pip install 'tfvision[proposals]' (opencv-contrib-python-headless; plain"
            " opencv-python, if it is installed, must go)"
        ) from error
