"""The layers of YOLO version 1 (Redmon et al. 2015, arXiv:1506.02640), 2 (arXiv:1612.08242) and 3
(arXiv:1804.02767), as lists of Darknet sections made from a few numbers.

Each function takes (num_classes, image_size, options) and gives what the cfg file of that name
says. `width`: channels of the first convolution; every other count scales with it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from tfvision import errors
from tfvision.darknet.cfg import Section, section

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


def _conv(filters: int, size: int, *, stride: int = 1, batch_norm: bool = True) -> Section:
    return section(
        "convolutional",
        filters=filters,
        size=size,
        stride=stride,
        pad=1,
        batch_normalize=int(batch_norm),
        activation="leaky",
    )


def _head(filters: int) -> Section:
    return section("convolutional", filters=filters, activation="linear")


def _pool(stride: int = 2, size: int = 2) -> Section:
    return section("maxpool", size=size, stride=stride)


def _route(*layers: int) -> Section:
    return section("route", layers=list(layers))


def _flat(anchors, unit: int = 1) -> list[float]:
    """The numbers of a cfg's anchors= : width, height."""
    return [side / unit for height, width in anchors for side in (width, height)]


def _alternating(filters: int, count: int, conv=_conv) -> list[Section]:
    """`count` convolutions, 3x3 and, between them, 1x1 to half the channels."""
    return [conv(filters // 2, 1) if i % 2 else conv(filters, 3) for i in range(count)]


def v1(
    num_classes: int,
    image_size: tuple[int, int],
    *,
    width: int = 64,
    boxes: int | None = None,
    head: str = "dense",
    hidden: int = 4096,
    batch_norm: bool | None = None,
    dropout: float = 0.5,
    units: Sequence[int] = (4, 2),
) -> list[Section]:
    """Figure 3. head: "dense" (the paper's two dense layers, 2 boxes a cell, no normalisation) or
    "local" (yolov1.cfg of Darknet: a locally connected layer, 3 boxes, normalisation). hidden:
    of the first dense layer. width: channels of the first convolution; the others scale with
    it. units: pairs of 1x1 and 3x3 at strides 16 and 32."""
    errors.choose(dict.fromkeys(("dense", "local")), head, "YOLOv1 head")
    rows, columns = image_size
    if rows is None or rows != columns or rows % 64:
        raise errors.UsageError(
            f"YOLOv1 takes square images of a known multiple of 64 pixels, not {rows} x {columns}"
        )
    local, side = head == "local", rows // 64
    boxes = boxes or (3 if local else 2)
    conv = functools.partial(_conv, batch_norm=local if batch_norm is None else batch_norm)
    w = width
    body = [conv(w, 7, stride=2), _pool(), conv(3 * w, 3), _pool()]
    body += [conv(2 * w, 1), conv(4 * w, 3), conv(4 * w, 1), conv(8 * w, 3), _pool()]
    body += [conv(4 * w, 1), conv(8 * w, 3)] * units[0]
    body += [conv(8 * w, 1), conv(16 * w, 3), _pool()]
    body += [conv(8 * w, 1), conv(16 * w, 3)] * units[1]
    body += [conv(16 * w, 3), conv(16 * w, 3, stride=2), conv(16 * w, 3), conv(16 * w, 3)]
    if local:
        body += [section("local", size=3, pad=1, filters=4 * w, activation="leaky")]
    else:
        body += [section("connected", output=hidden, activation="leaky")]
    detection = section(
        "detection",
        classes=num_classes,
        side=side,
        num=boxes,
        sqrt=1,
        rescore=1,
        noobject_scale=0.5,  # section 2.2
        coord_scale=5.0,
    )
    output = section("connected", output=side**2 * (num_classes + 5 * boxes), activation="linear")
    return [*body, section("dropout", probability=dropout), output, detection]


def v2(
    num_classes: int,
    image_size: tuple[int | None, int | None],
    *,
    anchors: Sequence[tuple[float, float]] = V2_COCO,
    width: int = 32,
    units: Sequence[int] = (1, 1, 3, 3, 5, 5),
    head_convs: int = 2,
) -> list[Section]:
    """Darknet-19 (Table 6) with the passthrough (section 2). anchors: (height, width) in pixels.
    width: channels of the first convolution; the others scale with it. units: convolutions at
    strides 1, 2, 4, 8, 16, 32. head_convs: 3x3 before the passthrough."""
    w, body = width, []
    for stage, count in enumerate(units):
        body += [*([_pool()] if stage else []), *_alternating(w * 2**stage, count)]
        if stage == 4:
            fine = len(body) - 1  # the last layer of stride 16
    body += [_conv(32 * w, 3)] * head_convs
    deep = len(body) - 1
    body += [_route(fine), _conv(2 * w, 1), section("reorg", stride=2), _route(-1, deep)]
    region = section(
        "region",
        anchors=_flat(anchors, 32),
        classes=num_classes,
        num=len(anchors),
        softmax=1,
        rescore=1,
        object_scale=5.0,
        thresh=0.6,
    )
    return [*body, _conv(32 * w, 3), _head(len(anchors) * (5 + num_classes)), region]


def _yolo(anchors, mask, num_classes: int) -> list[Section]:
    """A head of version 3 with the convolution before it."""
    head = section(
        "yolo",
        anchors=_flat(anchors),
        mask=list(mask),
        num=len(anchors),
        classes=num_classes,
        ignore_thresh=0.7,
    )
    return [_head(len(mask) * (5 + num_classes)), head]


def _masks(anchors, levels: int) -> list[range]:
    """The anchors of each level, the coarse one first: the largest."""
    share, left = divmod(len(anchors), levels)
    if left or not share:
        raise errors.UsageError(f"{len(anchors)} anchors cannot be shared by {levels} levels")
    return [range(share * level, share * (level + 1)) for level in reversed(range(levels))]


def v3(
    num_classes: int,
    image_size: tuple[int | None, int | None],
    *,
    anchors: Sequence[tuple[float, float]] = V3_COCO,
    width: int = 32,
    units: Sequence[int] = (1, 2, 8, 8, 4),
    head_pairs: int = 3,
    pyramid: bool = False,
) -> list[Section]:
    """Darknet-53 (Table 1) with three levels (section 2.3). anchors: (height, width) in pixels,
    small ones first, a third a level. width: channels of the first convolution; the others scale
    with it. units: residual units at strides 2 to 32. head_pairs: 1x1 and 3x3 before each head.
    pyramid: spatial pyramid pooling before the coarsest (yolov3-spp.cfg)."""
    w, body, ends = width, [_conv(width, 3)], []
    for stage, count in enumerate(units):
        filters = w * 2 ** (stage + 1)
        body += [_conv(filters, 3, stride=2)]
        for _ in range(count):
            body += [_conv(filters // 2, 1), _conv(filters, 3)]
            body += [section("shortcut", **{"from": -3})]
        ends.append(len(body) - 1)
    for level, mask in enumerate(_masks(anchors, 3)):
        filters = w * 2 ** (5 - level)
        if level:
            body += [_route(-4), _conv(filters // 2, 1), section("upsample")]
            body += [_route(-1, ends[-1 - level])]
        pairs = [_conv(filters // 2, 1), _conv(filters, 3)]
        if pyramid and not level:
            body += [*pairs, _conv(filters // 2, 1), *_pyramid(), *pairs * (head_pairs - 1)]
        else:
            body += pairs * head_pairs
        body += _yolo(anchors, mask, num_classes)
    return body


def _pyramid() -> list[Section]:
    """A layer beside its maxima over 5x5, 9x9 and 13x13 (He et al. 2014, arXiv:1406.4729)."""
    body = [_pool(1, 5), _route(-2), _pool(1, 9), _route(-4), _pool(1, 13)]
    return [*body, _route(-1, -3, -5, -6)]


def v3_tiny(
    num_classes: int,
    image_size: tuple[int | None, int | None],
    *,
    anchors: Sequence[tuple[float, float]] = TINY_COCO,
    width: int = 16,
) -> list[Section]:
    """yolov3-tiny.cfg: seven convolutions with pooling between, two levels. anchors: (height,
    width) in pixels, small ones first, half a level. width: channels of the first convolution;
    the others scale with it."""
    w, body = width, []
    for stage in range(6):
        body += [_conv(w * 2**stage, 3), _pool(1 if stage == 5 else 2)]
    coarse, fine = _masks(anchors, 2)
    body += [_conv(64 * w, 3), _conv(16 * w, 1), _conv(32 * w, 3)]
    body += _yolo(anchors, coarse, num_classes)
    body += [_route(-4), _conv(8 * w, 1), section("upsample"), _route(-1, 8), _conv(16 * w, 3)]
    return body + _yolo(anchors, fine, num_classes)
