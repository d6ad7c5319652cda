"""Export, client and development server. Knows `Task`, not the tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from tfvision.serving.client import Model


def load(path: str) -> Model:
    """An exported model: BASE (its highest version) or BASE/N; see `client.load`."""
    from tfvision.serving import client

    return client.load(path)


def full_masks(answer: Mapping[str, np.ndarray]) -> np.ndarray:
    """An answer's masks on its image, uint8 [num_detections, H, W]; see `client.full_masks`."""
    from tfvision.serving import client

    return client.full_masks(answer)
