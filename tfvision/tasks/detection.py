"""Object detection: boxes with a class and a score.

Axis letters: B batch, D detections at most.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfvision.task import Task
from tfvision.tasks import boxes


def detection(config, class_names: Sequence[str]) -> Task:
    """The task of a config, for classes in id order.

    Outputs: those of the model's family (`models.detectors`). Predictions: boxes float32
    [B, D, 4] in the original images' pixels, scores [B, D], class_ids int32 [B, D] (-1: padding)
    by falling score, num_detections int32 [B]. Evaluation samples carry `truth/*`."""
    return boxes.build(config, class_names, "detection")
