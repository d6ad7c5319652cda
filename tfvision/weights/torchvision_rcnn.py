"""State dicts of torchvision's Faster and Mask R-CNN -> the names and the order of ours.

What differs: the backbone is called "backbone.body.", published files have older names for some
modules and 90 classes, class 0 is the background (ours is the last), and deltas are dx, dy, dw, dh
(ours dy, dx, dh, dw).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

_MARK = "rpn.head."  # what every such state dict has, and no other
_BODY = "backbone.body."
CLASSES = "roi_heads.box_predictor.cls_score/bias"  # our variable [K + 1]
# torchvision renamed these modules in 0.14 and 0.15; its published files were not written again
_RENAMED = (
    (r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2"),
    (r"^(rpn\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2"),
)
_OLD_MASK = re.compile(r"^(roi_heads\.mask_head)\.mask_fcn(\d+)\.(weight|bias)$")
# COCO numbers 90 classes and has objects of 80; torchvision's published detectors know all 90.
_NUMBERED, _UNUSED = 90, (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
USED = tuple(i for i in range(1, _NUMBERED + 1) if i not in _UNUSED)  # in the order of our ids
_BY_CLASS = {"roi_heads.box_predictor.cls_score", "roi_heads.mask_predictor.mask_fcn_logits"}
_DELTAS = {"rpn.head.bbox_pred", "roi_heads.box_predictor.bbox_pred"}
_TO_YX = [1, 0, 3, 2]


def is_rcnn(state: Mapping[str, np.ndarray]) -> bool:
    """Is it the state dict of a detector with a region proposal network?"""
    return any(name.startswith(_MARK) for name in state)


def ours(state: Mapping[str, np.ndarray], num_classes: int | None = None) -> dict[str, np.ndarray]:
    """The same arrays by today's names, in our order of classes and coordinates, torch's axes.

    num_classes: of the net; for 80, a state of COCO's 90 numbers keeps those that are USED."""
    return {
        _name(name): _ordered(name, np.asarray(array), num_classes) for name, array in state.items()
    }


def _name(name: str) -> str:
    for pattern, new in _RENAMED:
        name = re.sub(pattern, new, name)
    old = _OLD_MASK.match(name)
    if old:
        name = f"{old[1]}.{int(old[2]) - 1}.0.{old[3]}"
    return name.removeprefix(_BODY)


def _ordered(name: str, array: np.ndarray, num_classes: int | None) -> np.ndarray:
    module = name.rpartition(".")[0]
    if module in _DELTAS:
        boxes = array.reshape(-1, 4, *array.shape[1:])[:, _TO_YX]
        if module.startswith("roi_heads"):
            boxes = _classes(boxes, num_classes)
        return boxes.reshape(-1, *array.shape[1:])
    return _classes(array, num_classes) if module in _BY_CLASS else array


def _classes(rows: np.ndarray, num_classes: int | None) -> np.ndarray:
    """Rows of the background, class 1, 2 ... -> of our classes and the background, last."""
    if len(rows) == _NUMBERED + 1 and num_classes == len(USED):
        return rows[[*USED, 0]]
    return np.roll(rows, -1, axis=0)
