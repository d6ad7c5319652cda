"""YOLO version 1 (Redmon et al. 2015, arXiv:1506.02640), 2 (arXiv:1612.08242) and 3
(arXiv:1804.02767), written with their layers from the image to the heads.

Each function takes (net, num_classes, options): `net` makes the layers and collects the heads'
outputs (`yolo_layers.Layers`). x: [B, H, W, C]. `width`: channels of the first convolution; every
other count scales with it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from tfvision import errors
from tfvision.architectures.yolo_layers import Layers

# (height, width) in pixels, small ones first; version 2's are in cells of 32 in the cfg files.
V2_COCO = tuple(
    (h * 32, w * 32)
    for w, h in (
        (0.57273, 0.677385),
        (1.87446, 2.06253),
        (3.33843, 5.47434),
        (7.88282, 3.52778),
        (9.77052, 9.16828),
    )
)
V2_VOC = tuple(
    (h * 32, w * 32)
    for w, h in (
        (1.3221, 1.73145),
        (3.19275, 4.00944),
        (5.05587, 8.09892),
        (9.47112, 4.84053),
        (11.2364, 10.0071),
    )
)
V3_COCO = (
    (13, 10),
    (30, 16),
    (23, 33),
    (61, 30),
    (45, 62),
    (119, 59),
    (90, 116),
    (198, 156),
    (326, 373),
)
TINY_COCO = ((14, 10), (27, 23), (58, 37), (82, 81), (169, 135), (319, 344))


@dataclasses.dataclass(frozen=True)
class V1Options:
    """head: "dense" (the paper's two dense layers, 2 boxes a cell, no normalisation) or "local"
    (yolov1.cfg of Darknet: a locally connected layer, 3 boxes, normalisation). hidden: of the
    first dense layer. units: pairs of 1x1 and 3x3 at strides 16 and 32."""

    width: int = 64
    boxes: int | None = None
    head: str = "dense"
    hidden: int = 4096
    batch_norm: bool | None = None
    dropout: float = 0.5
    units: Sequence[int] = (4, 2)


def v1(net: Layers, num_classes: int, options: V1Options) -> None:
    """Figure 3."""
    errors.choose(dict.fromkeys(("dense", "local")), options.head, "YOLOv1 head")
    rows, columns = net.image_size
    if rows is None or rows != columns or rows % 64:
        raise errors.UsageError(
            f"YOLOv1 takes square images of a known multiple of 64 pixels, not {rows} x {columns}"
        )
    local, w, batch_norm = options.head == "local", options.width, options.batch_norm
    conv = functools.partial(net.conv, batch_norm=local if batch_norm is None else batch_norm)
    x = net.pool(conv(net.image, w, 7, stride=2))
    x = net.pool(conv(x, 3 * w, 3))
    x = conv(conv(x, 2 * w, 1), 4 * w, 3)
    x = net.pool(conv(conv(x, 4 * w, 1), 8 * w, 3))
    for _ in range(options.units[0]):
        x = conv(conv(x, 4 * w, 1), 8 * w, 3)
    x = net.pool(conv(conv(x, 8 * w, 1), 16 * w, 3))
    for _ in range(options.units[1]):
        x = conv(conv(x, 8 * w, 1), 16 * w, 3)
    x = conv(conv(x, 16 * w, 3), 16 * w, 3, stride=2)
    x = conv(conv(x, 16 * w, 3), 16 * w, 3)
    x = net.local(x, 4 * w) if local else net.dense(x, options.hidden)
    x = net.dropout(x, options.dropout)
    boxes = options.boxes or (3 if local else 2)
    net.detection(x, num_classes, boxes=boxes, side=rows // 64)


@dataclasses.dataclass(frozen=True)
class V2Options:
    """anchors: (height, width) in pixels. units: convolutions at strides 1, 2, 4, 8, 16, 32; every
    second is 1x1 to half the channels. head_convs: 3x3 before the passthrough."""

    anchors: Sequence[tuple[float, float]] = V2_COCO
    width: int = 32
    units: Sequence[int] = (1, 1, 3, 3, 5, 5)
    head_convs: int = 2


def v2(net: Layers, num_classes: int, options: V2Options) -> None:
    """Darknet-19 (Table 6) with the passthrough (section 2)."""
    x, width = net.image, options.width
    for stage, count in enumerate(options.units):
        if stage:
            x = net.pool(x)
        filters = width * 2**stage
        for i in range(count):
            x = net.conv(x, filters // 2, 1) if i % 2 else net.conv(x, filters, 3)
        if stage == 4:
            fine = x  # of stride 16
    for _ in range(options.head_convs):
        x = net.conv(x, 32 * width, 3)
    passed = net.reorg(net.conv(fine, 2 * width, 1))
    x = net.conv(net.concat([passed, x]), 32 * width, 3)
    net.region(x, num_classes, anchors=options.anchors)


@dataclasses.dataclass(frozen=True)
class V3Options:
    """anchors: (height, width) in pixels, small ones first, a third per level. units: residual
    units at strides 2 to 32. head_pairs: 1x1 and 3x3 before each head. pyramid: spatial pyramid
    pooling before the coarsest (yolov3-spp.cfg)."""

    anchors: Sequence[tuple[float, float]] = V3_COCO
    width: int = 32
    units: Sequence[int] = (1, 2, 8, 8, 4)
    head_pairs: int = 3
    pyramid: bool = False


def v3(net: Layers, num_classes: int, options: V3Options) -> None:
    """Darknet-53 (Table 1) with three levels (section 2.3)."""
    anchors, width = options.anchors, options.width
    x, stages = net.conv(net.image, width, 3), []
    for stage, count in enumerate(options.units):
        filters = width * 2 ** (stage + 1)
        x = net.conv(x, filters, 3, stride=2)
        for _ in range(count):
            x = net.add(_pair(net, x, filters), x)
        stages.append(x)
    branch = x
    for level, mask in enumerate(_masks(anchors, 3)):
        filters, pairs = width * 2 ** (5 - level), options.head_pairs
        if level:
            x = net.upsample(net.conv(branch, filters // 2, 1))
            x = net.concat([x, stages[-1 - level]])
        elif options.pyramid:
            x, pairs = _pair(net, x, filters), pairs - 1
            x = _pyramid(net, net.conv(x, filters // 2, 1))
        for _ in range(pairs):
            x = _pair(net, x, filters)
        branch = net.done[-2]  # the last 1x1
        net.yolo(x, num_classes, anchors=anchors, mask=mask)


@dataclasses.dataclass(frozen=True)
class V3TinyOptions:
    """anchors: (height, width) in pixels, small ones first, half per level."""

    anchors: Sequence[tuple[float, float]] = TINY_COCO
    width: int = 16


def v3_tiny(net: Layers, num_classes: int, options: V3TinyOptions) -> None:
    """yolov3-tiny.cfg: seven convolutions with pooling between, two levels."""
    x, anchors, width = net.image, options.anchors, options.width
    for stage in range(6):
        x = net.conv(x, width * 2**stage, 3)
        if stage == 4:
            fine = x  # of stride 16
        x = net.pool(x, stride=1 if stage == 5 else 2)
    coarse_mask, fine_mask = _masks(anchors, 2)
    branch = net.conv(net.conv(x, 64 * width, 3), 16 * width, 1)
    x = net.conv(branch, 32 * width, 3)
    net.yolo(x, num_classes, anchors=anchors, mask=coarse_mask)
    x = net.upsample(net.conv(branch, 8 * width, 1))
    x = net.conv(net.concat([x, fine]), 16 * width, 3)
    net.yolo(x, num_classes, anchors=anchors, mask=fine_mask)


def _pair(net: Layers, x, filters: int):
    """1x1 to half the channels, then 3x3."""
    return net.conv(net.conv(x, filters // 2, 1), filters, 3)


def _pyramid(net: Layers, x):
    """x beside its maxima over 5x5, 9x9 and 13x13 (He et al. 2014, arXiv:1406.4729)."""
    small, middle, large = (net.pool(x, size, stride=1) for size in (5, 9, 13))
    return net.concat([large, middle, small, x])


def _masks(anchors, levels: int) -> list[range]:
    """The anchors of each level, the coarse one first: the largest."""
    per_level, left = divmod(len(anchors), levels)
    if left or not per_level:
        raise errors.UsageError(f"{len(anchors)} anchors cannot be shared by {levels} levels")
    return [range(per_level * level, per_level * (level + 1)) for level in reversed(range(levels))]
