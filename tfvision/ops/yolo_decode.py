"""YOLO's output layers: what one is, and its raw numbers -> boxes.

Axis letters: B batch, H, W cells, A anchors (boxes a cell), K classes, N = H W A boxes of a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfvision import errors

# exp of more would not fit a float32 area; a trained network stays below 5
_LARGEST_LOG = 20.0


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


def decode(
    raw: tf.Tensor, head: Head, image_size: tuple[int, int] | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One head's raw numbers -> (boxes, objectness, class_probabilities), rows by row, column, box.

    raw: as `Head` says. image_size: (height, width) of the network's input in pixels, numbers
    or tensors. Returns boxes [B, N, 4] y1, x1, y2, x2 in pixels of that input, unclipped;
    objectness [B, N] and class_probabilities [B, N, K] in 0..1; all float32. A box's score for a
    class is the product of the last two."""
    raw = tf.cast(raw, tf.float32)
    shape = tf.shape(raw)
    grid = _Grid(shape[1], shape[2], image_size)
    kinds = {"v1": _decode_v1, "v2": _decode_anchors, "v3": _decode_anchors}
    boxes, objectness, classes = errors.choose(kinds, head.kind, "YOLO head")(raw, head, grid)
    count = grid.rows * grid.columns * head.boxes
    return (
        tf.reshape(boxes, [shape[0], count, 4]),
        tf.reshape(objectness, [shape[0], count]),
        tf.reshape(classes, [shape[0], count, head.num_classes]),
    )


def decode_all(
    outputs: Mapping[str, tf.Tensor],
    heads: Sequence[Head],
    image_size: tuple[int, int] | tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """`decode` of every head, side by side along N, in the order of the heads.

    outputs: {"yolo_0": raw, ...}."""
    parts = [decode(outputs[f"yolo_{i}"], head, image_size) for i, head in enumerate(heads)]
    boxes, objectness, classes = (tf.concat(part, axis=1) for part in zip(*parts, strict=True))
    return boxes, objectness, classes


class _Grid(NamedTuple):
    """The cells of a head on the image."""

    rows: tf.Tensor
    columns: tf.Tensor
    image_size: tuple[int, int] | tf.Tensor

    def boxes(self, y, x, height, width) -> tf.Tensor:
        """Centers in cells from their own cell's corner and sizes in pixels, each [B, H, W, A].

        Returns [B, H, W, A, 4] y1, x1, y2, x2 in pixels."""
        rows = tf.range(tf.cast(self.rows, tf.float32))[:, None, None]
        columns = tf.range(tf.cast(self.columns, tf.float32))[:, None]
        y = (y + rows) * (tf.cast(self.image_size[0], tf.float32) / tf.cast(self.rows, tf.float32))
        x = (x + columns) * (
            tf.cast(self.image_size[1], tf.float32) / tf.cast(self.columns, tf.float32)
        )
        half_height, half_width = height / 2, width / 2
        return tf.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=-1)


def _decode_anchors(raw, head, grid):
    """YOLOv2, section 2 (arXiv:1612.08242), and YOLOv3, section 2.1 (arXiv:1804.02767)."""
    # the sigmoid is stretched about its middle, so that it reaches the cell's edges (YOLOv4)
    overlap = (head.scale_x_y - 1.0) / 2
    x, y = (tf.sigmoid(raw[..., i]) * head.scale_x_y - overlap for i in (0, 1))
    width, height = (tf.exp(tf.minimum(raw[..., i], _LARGEST_LOG)) for i in (2, 3))
    anchors = tf.constant(head.anchors, tf.float32)
    boxes = grid.boxes(y, x, height * anchors[:, 0], width * anchors[:, 1])
    classes = tf.nn.softmax(raw[..., 5:]) if head.softmax else tf.sigmoid(raw[..., 5:])
    return boxes, tf.sigmoid(raw[..., 4]), classes


def _decode_v1(raw, head, grid):
    """YOLOv1, section 2 (arXiv:1506.02640): no activation, so probabilities are cut to 0..1."""
    cells = tf.shape(raw)[:3]
    classes, objectness, coordinates = tf.split(
        raw, [head.num_classes, head.boxes, 4 * head.boxes], axis=-1
    )
    coordinates = tf.reshape(coordinates, tf.concat([cells, [head.boxes, 4]], axis=0))
    x, y, width, height = tf.unstack(coordinates, axis=-1)
    sizes = [tf.square(v) if head.sqrt else tf.maximum(v, 0.0) for v in (height, width)]
    height, width = (
        v * tf.cast(n, tf.float32)
        for v, n in zip(sizes, (grid.image_size[0], grid.image_size[1]), strict=True)
    )
    if head.softmax:
        classes = tf.nn.softmax(classes)
    classes = tf.repeat(classes[..., None, :], head.boxes, axis=3)
    boxes = grid.boxes(y, x, height, width)
    return boxes, tf.clip_by_value(objectness, 0.0, 1.0), tf.clip_by_value(classes, 0.0, 1.0)
