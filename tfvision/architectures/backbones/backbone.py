"""What DeepLab and R-CNN stand on: a function of an image, and the defaults of its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Backbone(NamedTuple):
    """stages: (image [B, H, W, 3] RGB 0..255, options) -> {"c1": ..., "c5": ...}, [B, H, W, C] of
    strides 2 to 32. options: its dataclass, with the defaults of the network that stands on it."""

    stages: Callable
    options: Any
