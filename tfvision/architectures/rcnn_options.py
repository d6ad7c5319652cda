"""What an R-CNN is made of: the options of its parts, each with its default, by family.

A family leaves a part out by None. Every field is an option of `config.model`, by its own name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tfvision import errors
from tfvision.ops import rpn_anchors

# What would change the strides that a network counts on.
_FIXED = ("output_stride", "dilate_first", "multi_grid", "stem")


@dataclasses.dataclass(frozen=True)
class Proposals:
    """The region proposal network (Ren et al. 2015, arXiv:1506.01497, section 3).

    anchor_sizes: roots of the areas, in pixels, a row a level; anchor_ratios: height / width.
    anchor_samples: of an image in training, of which at most a half are positive. pre_nms,
    train_pre_nms: proposals of a level before suppression at IoU proposal_nms_iou; post_nms,
    train_post_nms: of all levels after it. torchvision's numbers."""

    anchor_sizes: Sequence[Sequence[float]] = rpn_anchors.SIZES
    anchor_ratios: Sequence[float] = rpn_anchors.RATIOS
    anchor_samples: int = 256
    pre_nms: int = 1000
    post_nms: int = 1000
    train_pre_nms: int = 2000
    train_post_nms: int = 2000
    proposal_nms_iou: float = 0.7


@dataclasses.dataclass(frozen=True)
class Regions:
    """The features of a region.

    pooling: "align" or "pool" (Girshick 2015's ROI Pool); sampling_ratio, aligned: of ROI Align
    (torchvision's; detectron2 has 0, True). region_samples: regions of an image in training, of
    which at most a quarter are positive."""

    pooling: str = "align"
    sampling_ratio: int = 2
    aligned: bool = False
    region_samples: int = 512

    def layer(self) -> dict[str, Any]:
        """The options of `roi_heads.regions`."""
        names = ("pooling", "sampling_ratio", "aligned")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class Pyramid:
    """channels: of the feature pyramid's maps; hidden: of the box head's two dense layers."""

    channels: int = 256
    hidden: int = 1024


@dataclasses.dataclass(frozen=True)
class Detections:
    """Which boxes of serving are detections: score, suppression inside a class, number."""

    score_threshold: float = 0.05
    nms_iou: float = 0.5
    max_detections: int = 100


@dataclasses.dataclass(frozen=True)
class Masks:
    """mask_widths: of the mask head's 3x3 convolutions (He et al. 2017, figure 4, right)."""

    mask_widths: Sequence[int] = (256, 256, 256, 256)


@dataclasses.dataclass(frozen=True)
class Family:
    """The parts of a network. stride: both sides of a canvas are multiples of it.

    proposals: None where they come with the image. pyramid: None where regions are of c4, and the
    backbone's last stage is the box head."""

    stride: int
    regions: Regions = Regions()
    detections: Detections = Detections()
    proposals: Proposals | None = Proposals()
    pyramid: Pyramid | None = Pyramid()
    masks: Masks | None = None

    def take(self, options: Mapping[str, Any], backbone: Any, what: str) -> tuple[Family, Any]:
        """The family and the backbone's options, a dataclass, with `options` in them.

        bn_frozen is True unless said otherwise: batches of a few images need it. Raises UsageError
        that names `what` for an option that neither has."""
        parts = self._parts()
        known = errors.option_names(*parts.values(), backbone)
        errors.expect(options, [name for name in known if name not in _FIXED], what)
        options = {"bn_frozen": True, **options}
        *changed, backbone = errors.take(options, what, *parts.values(), backbone)
        return dataclasses.replace(self, **dict(zip(parts, changed, strict=True))), backbone

    def _parts(self) -> dict[str, Any]:
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: part for name, part in parts.items() if dataclasses.is_dataclass(part)}


FASTER = Family(32)
MASK = Family(32, masks=Masks())
FAST = Family(32, proposals=None)
# detectron2's R50-C4: 15 anchors a place, and its ROI Align.
C4 = Family(
    16,
    regions=Regions(sampling_ratio=0, aligned=True),
    proposals=Proposals(((32, 64, 128, 256, 512),), pre_nms=6000, train_pre_nms=12000),
    pyramid=None,
)
