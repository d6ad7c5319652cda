"""Photos larger than training needs -> images whose longer side is `max_side` pixels.

Annotations speak of the file's own pixels. Boxes are normalised and do not change; masks are drawn
at the original size and reduced by area (`ops.masks.shrink`), label maps by their nearest pixel.

Axis letters: H height, W width of the original; h, w after shrinking.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image as pillow

from tfvision import errors

LEAST_SIDE = 16
QUALITY = 95  # as of JPEGs that are turned upright

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Limit:
    """How large images may be stored.

    max_side: pixels of the longer side, at least LEAST_SIDE. quality: 1..100, of the JPEGs that
    are written for larger ones. Raises UsageError for other numbers."""

    max_side: int
    quality: int = QUALITY

    def __post_init__(self):
        if self.max_side < LEAST_SIDE:
            raise errors.UsageError(
                f"max_side is {self.max_side}; it must be at least {LEAST_SIDE} pixels (leave it"
                " out to store images as they are)"
            )
        if not 1 <= self.quality <= 100:
            raise errors.UsageError(f"quality is {self.quality}; it must be from 1 to 100")

    def size(self, size: Size) -> Size:
        """(H, W) -> (h, w), the shape kept to half a pixel; equal where that is small enough."""
        longer = max(size)
        if longer <= self.max_side:
            return size
        height, width = (
            max((2 * side * self.max_side + longer) // (2 * longer), 1) for side in size
        )
        return height, width

    def stored_bytes(self, file_bytes: int) -> int:
        """About how many bytes a file of `file_bytes` takes at most once it is stored: four bits
        a pixel are a detailed JPEG of quality 95."""
        return min(file_bytes, self.max_side**2 // 2)


def limit(max_side: int | None, quality: int | None) -> Limit | None:
    """The Limit that two flags ask for; None where they ask for none. Raises UsageError."""
    if max_side is None:
        if quality is not None:
            raise errors.UsageError(
                f"--quality={quality} is of shrunk images; give --max_side too, or remove it"
            )
        return None
    return Limit(max_side) if quality is None else Limit(max_side, quality)


def draft(image: pillow.Image, size: Size) -> tuple[float, ...] | None:
    """Lets libjpeg decode a JPEG at a half, quarter or eighth that is no smaller than `size`,
    (h, w) as stored. Returns the part of the decoded image that the file's pixels cover, x y x y
    (libjpeg rounds sides up); None for other images, which stay."""
    drafted = image.draft(None, (size[1], size[0]))
    return drafted and drafted[1]


def resized(image: pillow.Image, size: Size, part: tuple[float, ...] | None) -> pillow.Image:
    """`part` of a loaded image, None for all of it, at `size` = (h, w)."""
    return image.resize((size[1], size[0]), pillow.Resampling.LANCZOS, part)


def nearest(pixels: np.ndarray, size: Size) -> np.ndarray:
    """Whole numbers [H, W] -> [h, w]: of each new pixel the one under its center."""
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for old, new in zip(pixels.shape, size, strict=True)
    )
    return pixels[rows[:, None], columns]
