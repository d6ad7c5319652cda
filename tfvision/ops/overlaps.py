"""The overlap of boxes outside the graph (numpy).

Axis letters: N, M boxes.
"""

from __future__ import annotations

import numpy as np


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of yxyx boxes [N, 4] and [M, 4], float64 [N, M]; 0 for two boxes without area."""
    a, b = a.astype(np.float64)[:, None], b.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    common = sides.clip(0).prod(axis=-1)
    union = sum((box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (a, b)) - common
    return np.divide(common, union, out=np.zeros(common.shape), where=union > 0)
