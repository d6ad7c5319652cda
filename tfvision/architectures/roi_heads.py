"""The heads of Faster and Mask R-CNN on a feature pyramid: boxes (Lin et al. 2017,
arXiv:1612.03144, section 4.2) and masks (He et al. 2017, arXiv:1703.06870, figure 4, right).

Layers carry the module paths of torchvision's state dict. Each head is made once and called on
the regions of training and of serving.

Axis letters: B batch, R regions, C channels, K classes (the background comes on top, last).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tfvision import errors, layers
from tfvision.layers import rcnn_layers

_NAME = "roi_heads"
_LEVELS = ("p2", "p3", "p4", "p5")
ONE_MAP = 4  # the level that regions are of where there is no pyramid
POOLINGS = {"align": rcnn_layers.RoiAlign, "pool": rcnn_layers.RoiPool}


def _levels(pyramid):
    return [pyramid[level] for level in _LEVELS]


def regions(
    size: int,
    *,
    name: str,
    pooling: str = "align",
    sampling_ratio: int = 2,
    aligned: bool = False,
    lowest: int = 2,
):
    """A layer: {"levels": [[B, H, W, C], ...] from level `lowest` on, "boxes": [B, R, 4]} ->
    [B, R, size, size, C].

    pooling: a key of POOLINGS, ROI Align or ROI Pool; sampling_ratio, aligned: of ROI Align alone,
    see `ops.roi.align`. Raises UsageError for a name or a ratio that is none."""
    kind = errors.choose(POOLINGS, pooling, "pooling of regions")
    align = {"sampling_ratio": sampling_ratio, "aligned": aligned}
    return kind(size, lowest=lowest, name=name, **(align if pooling == "align" else {}))


def box_predictor(num_classes: int) -> Callable:
    """(x [B * R, C], boxes [B, R, 4], prefix) -> class_logits, box_deltas [B, R, K + 1], [..., 4].

    The two answers, float32."""
    at = f"{_NAME}.box_predictor"
    # standard deviations: Girshick 2015, arXiv:1504.08083, section 2.3
    classify = layers.Dense(num_classes + 1, std=0.01, name=f"{at}.cls_score", dtype="float32")
    size = 4 * (num_classes + 1)
    regress = layers.Dense(size, std=0.001, name=f"{at}.bbox_pred", dtype="float32")

    def call(x, boxes, prefix=""):
        logits = rcnn_layers.UnfoldRegions(name=f"{prefix}class_logits")([classify(x), boxes])
        x = rcnn_layers.UnfoldRegions(name=f"{prefix}box_head.unfold")([regress(x), boxes])
        return logits, rcnn_layers.ClassDeltas(name=f"{prefix}box_deltas")(x)

    return call


def box_head(num_classes: int, *, hidden: int = 1024, **pooling) -> Callable:
    """(pyramid, boxes [B, R, 4], prefix) -> class_logits, box_deltas [B, R, K + 1], [..., 4].

    7x7 features of each region, two dense layers of `hidden`, and `box_predictor`. pooling:
    options of `regions`. prefix: goes before the names of layers without weights, which each call
    has for itself."""
    at = f"{_NAME}.box_head"
    dense = [layers.Dense(hidden, name=f"{at}.{name}") for name in ("fc6", "fc7")]
    predict = box_predictor(num_classes)

    def call(pyramid, boxes, prefix=""):
        region = regions(7, name=f"{prefix}box_features", **pooling)
        x = region({"levels": _levels(pyramid), "boxes": boxes})
        x = rcnn_layers.FoldRegions(name=f"{prefix}box_head.fold")(x)
        x = layers.Flatten(name=f"{prefix}box_head.flatten")(x)
        for number, layer in enumerate(dense, 6):
            x = layers.Activation("relu", name=f"{prefix}box_head.relu{number}")(layer(x))
        return predict(x, boxes, prefix)

    return call


def stage_head(stages: Callable, num_classes: int, **pooling) -> Callable:
    """(features {"c4": [B, H, W, C]}, boxes [B, R, 4], prefix) -> class_logits, box_deltas.

    14x14 features of each region, the backbone's last stage, its mean, and `box_predictor`.
    pooling: options of `regions`. Called once a network, as the stage's layers are made then."""
    predict = box_predictor(num_classes)

    def call(features, boxes, prefix=""):
        # The last stage halves the 14 x 14 of a region.
        region = regions(14, name=f"{prefix}box_features", lowest=ONE_MAP, **pooling)
        x = region({"levels": [features[f"c{ONE_MAP}"]], "boxes": boxes})
        x = rcnn_layers.FoldRegions(name=f"{prefix}box_head.fold")(x)
        x = stages(x, first=ONE_MAP + 1, last=ONE_MAP + 1)[f"c{ONE_MAP + 1}"]
        x = layers.GlobalAveragePool(name=f"{prefix}box_head.mean")(x)
        return predict(x, boxes, prefix)

    return call


def mask_head(
    num_classes: int,
    *,
    widths: Sequence[int] = (256, 256, 256, 256),
    **pooling,
) -> Callable:
    """(pyramid, boxes [B, R, 4], prefix) -> mask_logits float32 [B, R, 28, 28, K + 1].

    14x14 features of each region, a 3x3 convolution for each of `widths`, doubled to 28x28, and
    a map of every class; that of the background, which torchvision has too, means nothing.
    pooling: options of `regions`."""
    at, kind = f"{_NAME}.mask_head", {"use_bias": True}
    convs = [layers.Conv2D(w, 3, name=f"{at}.{i}.0", **kind) for i, w in enumerate(widths)]
    at = f"{_NAME}.mask_predictor"
    enlarge = rcnn_layers.Deconvolution(widths[-1], name=f"{at}.conv5_mask")
    name = f"{at}.mask_fcn_logits"
    classify = layers.Conv2D(num_classes + 1, 1, use_bias=True, name=name, dtype="float32")

    def call(pyramid, boxes, prefix=""):
        region = regions(14, name=f"{prefix}mask_features", **pooling)
        x = region({"levels": _levels(pyramid), "boxes": boxes})
        x = rcnn_layers.FoldRegions(name=f"{prefix}mask_head.fold")(x)
        for number, layer in enumerate(convs):
            x = layers.Activation("relu", name=f"{prefix}mask_head.relu{number}")(layer(x))
        x = layers.Activation("relu", name=f"{prefix}mask_head.relu5")(enlarge(x))
        return rcnn_layers.UnfoldRegions(name=f"{prefix}mask_logits")([classify(x), boxes])

    return call
