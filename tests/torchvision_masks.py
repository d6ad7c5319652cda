"""torchvision's rule of pasting a mask, for comparisons with it."""

from collections.abc import Sequence

import numpy as np

from tfvision.ops import masks


def from_box_frame(
    mask: np.ndarray,
    box: Sequence[float],
    size: tuple[int, int],
    *,
    threshold: float = 0.5,
) -> np.ndarray:
    """As `masks.from_box_frame`, by torchvision's rule.

    The box is grown by the ring of zeros, its corners are cut to whole pixels and the last one
    counts as inside (`paste_masks_in_image`), which moves a mask by up to a pixel."""
    box = np.asarray(box, np.float64)
    grown = (mask.shape[0] + 2) / mask.shape[0]
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * grown
    low, high = np.trunc(middle - half), np.trunc(middle + half)
    box = np.concatenate([low, np.maximum(high, low) + 1])
    return masks.from_box_frame(np.pad(mask, 1), box, size, threshold=threshold)
