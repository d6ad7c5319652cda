"""YOLO's output layers: what one is, and its raw numbers -> boxes.

Axis letters: B batch, H, W cells, A anchors (boxes a cell), K classes.
"""

from __future__ import annotations

from typing import NamedTuple


class Head(NamedTuple):
    """One output layer of a YOLO network, in the words of Darknet's cfg files.

    kind: "v1" ([detection]), "v2" ([region]) or "v3" ([yolo]). stride: pixels a cell.
    anchors: (height, width) in pixels of the network's input, of this layer's boxes in order; ()
    for v1. boxes: A, boxes a cell.

    A network's outputs are {"yolo_0": raw, ...} in the order of its heads, float32 before any
    activation: v2 and v3 [B, H, W, A, 5 + K], the last axis being x, y, width, height,
    objectness, classes; v1 [B, H, W, K + 5 A]: classes, A confidences, A times x, y, width,
    height (square roots where `sqrt`)."""

    kind: str
    stride: int
    num_classes: int
    anchors: tuple[tuple[float, float], ...] = ()
    boxes: int = 0
    # every anchor of the network, which v3 picks the best of; `mask`: this layer's among them
    all_anchors: tuple[tuple[float, float], ...] = ()
    mask: tuple[int, ...] = ()
    ignore_threshold: float = 0.5  # cfg: ignore_thresh (v3), thresh (v2)
    softmax: bool = False  # over the classes (v2)
    sqrt: bool = True  # v1
    rescore: bool = True  # the target of the objectness is the IoU (v1, v2)
    object_scale: float = 1.0
    noobject_scale: float = 1.0
    class_scale: float = 1.0
    coord_scale: float = 1.0
    scale_x_y: float = 1.0  # of the sigmoid of x and y (v4 and YOLO-Fastest)
