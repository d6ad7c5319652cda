"""Every architecture by name.

`keras.models.load_model` finds our layers, losses, metrics and optimizers in a process that has
imported this package.
"""

from __future__ import annotations

from tfvision import (
    errors,
    metrics,  # noqa: F401  registers its classes with Keras
    optimizers,  # noqa: F401  so does this
)
from tfvision.models.classifiers import CLASSIFIERS
from tfvision.models.detectors import DETECTORS
from tfvision.models.segmenters import SEGMENTERS
from tfvision.net import Net

__all__ = ["CLASSIFIERS", "DETECTORS", "MODELS", "SEGMENTERS", "build", "names"]
MODELS = {**CLASSIFIERS, **SEGMENTERS, **DETECTORS}


def names() -> list[str]:
    """Every architecture's name."""
    return list(MODELS)


def build(name: str, *, num_classes: int, image_size: tuple[int, int], **options) -> Net:
    """Builds a network with fresh weights.

    num_classes: never counts background. image_size: (height, width) in pixels. options: those
    of the architecture. Raises UsageError for an unknown name or option."""
    function = errors.choose(MODELS, name, "model")
    if num_classes < 1:
        raise errors.UsageError(f"num_classes is {num_classes}; a model needs at least 1")
    height, width = (int(side) for side in image_size)
    if min(height, width) < 1:
        raise errors.UsageError(f"image_size is {height} x {width}; both must be positive")
    return function(num_classes=int(num_classes), image_size=(height, width), **options)
