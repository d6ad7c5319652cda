"""Region proposal network (Ren et al. 2015, arXiv:1506.01497, section 3) on a feature pyramid
(Lin et al. 2017, arXiv:1612.03144, section 4.1): one head for all levels.

Layers carry the module paths of torchvision's state dict.

Axis letters: B batch, H, W, A anchors a place, N = H W A anchors of a level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfvision import errors, layers
from tfvision.layers import rcnn_layers
from tfvision.ops import rpn_anchors

_NAME = "rpn.head"


def head(
    image,
    pyramid: Mapping,
    *,
    sizes: Sequence[Sequence[float]] = rpn_anchors.SIZES,
    ratios: Sequence[float] = rpn_anchors.RATIOS,
) -> dict:
    """Answers for every anchor of every level, lists from the finest level on.

    image: the network's input [B, H, W, 3]. sizes: the anchors' of each level, in pixels; ratios:
    their heights / widths. Returns {"logits": [[B, N], ...], "deltas": [[B, N, 4], ...] (dy, dx,
    dh, dw), "anchors": [[N, 4], ...]}."""
    levels = list(pyramid)
    if len(sizes) != len(levels) or len({len(row) for row in sizes}) != 1:
        raise errors.UsageError(
            f"anchor sizes are {sizes}; the levels {', '.join(levels)} need one row each, all of"
            " one length"
        )
    cells = [rpn_anchors.cells(row, ratios) for row in sizes]
    # standard deviation 0.01: section 3.1.3
    shared, count = {"use_bias": True, "std": 0.01}, len(cells[0])
    channels = pyramid[levels[0]].shape[-1]
    conv = layers.Conv2D(channels, 3, name=f"{_NAME}.conv.0.0", **shared)
    activate = layers.Activation("relu", name=f"{_NAME}.conv.0.1")
    wide = {**shared, "dtype": "float32"}
    classify = layers.Conv2D(count, 1, name=f"{_NAME}.cls_logits", **wide)
    regress = layers.Conv2D(4 * count, 1, name=f"{_NAME}.bbox_pred", **wide)
    logits, deltas = [], []
    for level in levels:
        x = activate(conv(pyramid[level]))
        logits.append(rcnn_layers.Places(1, name=f"rpn_logits.{level}")(classify(x)))
        deltas.append(rcnn_layers.Places(4, name=f"rpn_deltas.{level}")(regress(x)))
    anchors = rcnn_layers.Anchors(cells, name="anchors")([image, *pyramid.values()])
    return {"logits": logits, "deltas": deltas, "anchors": anchors}
