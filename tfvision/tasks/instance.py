"""Instance segmentation: boxes with a class, a score and a mask.

Axis letters: B batch, D detections at most, h, w cells of a mask in the frame of its box.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfvision import errors
from tfvision.task import Task
from tfvision.tasks import boxes

# These keep the whole image on the canvas, so that a mask stays that of its whole box.
RESIZES = ("stretch", "letterbox", "short_side")


def instance(config, class_names: Sequence[str]) -> Task:
    """The task of a config, for classes in id order.

    Predictions: those of `tasks.detection` and masks float32 [B, D, h, w], probabilities in the
    frame of each box (0 of padding), and image_size int32 [B, 2], height and width of the
    original. `ops.masks.from_box_frame` puts a mask onto its image."""
    if config.inputs.resize not in RESIZES:
        raise errors.UsageError(
            f"config.inputs.resize is '{config.inputs.resize}'; instances take one of:"
            f" {', '.join(RESIZES)}"
        )
    if config.inputs.mix.name or config.inputs.multi_scale:
        raise errors.UsageError(
            "config.inputs.mix and multi_scale are for detection; instances have no use for them"
        )
    return boxes.build(config, class_names, "instance", masks=True)
