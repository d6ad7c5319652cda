"""Fast R-CNN (Girshick 2015, arXiv:1504.08083), Faster R-CNN (Ren et al. 2015, arXiv:1506.01497)
and Mask R-CNN (He et al. 2017, arXiv:1703.06870): one assembly of backbone, pyramid, proposal
network, box head and mask head, with a graph of training and one of serving.

On a feature pyramid (Lin et al. 2017, arXiv:1612.03144) with torchvision's conventions, whose state
dicts fill it by name; or on one map, c4, with the ResNet's last stage as the box head (He et al.
2015, arXiv:1512.03385, appendix A).

Axis letters: B batch, H, W of the canvas, M truths, R proposals, S sampled regions, P of them that
may be positive, D detections, K classes (background on top, last).
"""

from __future__ import annotations

import functools
from typing import Any

import keras

from tfvision import errors
from tfvision.architectures import fpn, roi_heads, rpn
from tfvision.architectures.backbones.backbone import Backbone
from tfvision.architectures.rcnn_options import Family
from tfvision.layers import rcnn_layers, rcnn_samples

Tensors = dict[str, Any]


def canvas(image_size: tuple[int | None, int | None], stride: int) -> tuple:
    """The inputs image [B, H, W, 3] and frame [B, 6] of a network.

    Raises UsageError for a side that is not a multiple of `stride`."""
    if any(side and side % stride for side in image_size):
        near = " x ".join(str(-(-(side or stride) // stride) * stride) for side in image_size)
        raise errors.UsageError(
            f"image_size is {image_size[0]} x {image_size[1]}; both must be multiples of {stride},"
            f" such as {near}"
        )
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    return image, keras.Input((6,), name="frame", dtype="float32")


class Network:
    """The parts of one network, each made once.

    image, frame: inputs. features: {"p2": ..., "p6": ...} or {"c4": ...}. rpn: the answers of
    `rpn.head`, {} without one. box_head, mask_head (or None): see `roi_heads`."""

    def __init__(
        self,
        family: Family,
        backbone: Backbone,
        /,
        *,
        num_classes: int,
        image_size: tuple[int | None, int | None],
        name: str = "rcnn",
        **options,
    ):
        """image_size: of the canvas, None where a batch tells. options: of the family's parts and
        of the backbone."""
        self.name, self.num_classes = name, num_classes
        self.family, of_backbone = family.take(options, backbone.options, name)
        stages = functools.partial(backbone.stages, options=of_backbone)
        self.image, self.frame = canvas(image_size, family.stride)
        pooling = self.family.regions.layer()
        if self.family.pyramid:
            channels = self.family.pyramid.channels
            self.features = fpn.pyramid(stages(self.image), channels=channels)
        else:
            last = roi_heads.ONE_MAP
            self.features = {f"c{last}": stages(self.image, last=last)[f"c{last}"]}
        self.rpn = self._rpn()
        if self.family.pyramid:
            hidden = self.family.pyramid.hidden
            self.box_head = roi_heads.box_head(num_classes, hidden=hidden, **pooling)
        else:
            self.box_head = roi_heads.stage_head(stages, num_classes, **pooling)
        self.mask_head = None
        if self.family.masks:
            widths = self.family.masks.mask_widths
            self.mask_head = roi_heads.mask_head(num_classes, widths=widths, **pooling)

    def _rpn(self) -> Tensors:
        options = self.family.proposals
        if options is None:
            self.features.pop("p6", None)  # only a proposal network looks at it
            return {}
        return rpn.head(
            self.image, self.features, sizes=options.anchor_sizes, ratios=options.anchor_ratios
        )

    def _proposals(self, *, training: bool) -> tuple[Tensors, Tensors]:
        """(inputs, proposals [B, R, 4] in canvas pixels and num_proposals [B])."""
        options = self.family.proposals
        if options is None:
            given = {
                "proposals": keras.Input((None, 4), name="proposals", dtype="float32"),
                "num_proposals": keras.Input((), name="num_proposals", dtype="int32"),
            }
            return given, given
        layer = rcnn_layers.Proposals(
            pre_nms=options.train_pre_nms if training else options.pre_nms,
            post_nms=options.train_post_nms if training else options.post_nms,
            nms_iou=options.proposal_nms_iou,
            name="train_proposals" if training else "proposals",
        )
        return {}, layer({**self.rpn, "frame": self.frame})

    def serve(self) -> tuple[Tensors, Tensors]:
        """(inputs, outputs) of serving.

        Inputs: image, frame, and of Fast R-CNN proposals and num_proposals. Outputs: class_logits
        [B, R, K + 1] and box_deltas [B, R, K + 1, 4] of the proposals; boxes [B, D, 4] in canvas
        pixels, scores [B, D], class_ids [B, D] (-1: padding), num_detections [B]; masks; the
        proposals that the network has made."""
        given, proposals = self._proposals(training=False)
        logits, deltas = self.box_head(self.features, proposals["proposals"])
        answers = {"class_logits": logits, "box_deltas": deltas}
        options = self.family.detections
        layer = rcnn_layers.Detections(
            score_threshold=options.score_threshold,
            nms_iou=options.nms_iou,
            max_detections=options.max_detections,
            name="detections",
        )
        outputs = {**answers, **layer({**proposals, **answers, "frame": self.frame})}
        if self.mask_head:
            outputs["masks"] = self._masks(outputs)
        inputs = {"image": self.image, "frame": self.frame, **given}
        return inputs, outputs if given else {**proposals, **outputs}

    def _masks(self, detections: Tensors):
        """Probabilities float32 [B, D, 28, 28] of each detection's own class in its box.

        The mask head sees the final boxes, not the proposals (He et al. 2017, section 3,
        "Inference"). Padding has masks too; `num_detections` tells how many count."""
        logits = self.mask_head(self.features, detections["boxes"])
        class_logits = rcnn_layers.SelectClass(name="own_mask_logits")(
            [logits, detections["class_ids"]]
        )
        return rcnn_layers.Sigmoid(name="masks")(class_logits)

    def train(self) -> tuple[Tensors, Tensors]:
        """(inputs, outputs) of training.

        Inputs beyond those of serving: boxes [B, M, 4] in canvas pixels, class_ids int32 [B, M]
        (-1: padding), and of a mask head masks uint8 [B, M, s, s] of 0 and 1, each truth's in the
        frame of its box, all 0 where it has none. Outputs: those of `layers.rcnn_samples`,
        class_logits [B, S, K + 1], box_deltas [B, S, K + 1, 4], and mask_logits
        [B, P, 28, 28, K + 1]; `losses.rcnn_losses.terms` takes them."""
        ground_truth = {
            "boxes": keras.Input((None, 4), name="boxes", dtype="float32"),
            "class_ids": keras.Input((None,), name="class_ids", dtype="int32"),
        }
        outputs = {}
        if self.family.proposals:
            count = self.family.proposals.anchor_samples
            anchors = rcnn_samples.AnchorSamples(count=count, name="anchor_samples")
            outputs = anchors({**self.rpn, **ground_truth})
        given, proposals = self._proposals(training=True)
        count = self.family.regions.region_samples
        regions = rcnn_samples.RegionSamples(self.num_classes, count=count, name="region_samples")
        outputs |= regions({**proposals, **ground_truth})
        logits, deltas = self.box_head(self.features, outputs["rois"], prefix="train_")
        outputs |= {"class_logits": logits, "box_deltas": deltas}
        if self.mask_head:
            ground_truth["masks"] = keras.Input((None, None, None), name="masks", dtype="uint8")
            outputs |= self._mask_samples(outputs, ground_truth)
        return {"image": self.image, "frame": self.frame, **given, **ground_truth}, outputs

    def _mask_samples(self, outputs: Tensors, ground_truth: Tensors) -> Tensors:
        """mask_logits, mask_targets [B, P, 28, 28] and mask_valid bool [B, P]."""
        most = int(self.family.regions.region_samples * rcnn_samples.POSITIVE_REGIONS)
        first = {
            key: rcnn_samples.FirstRegions(most, name=f"mask_{key}")(outputs[key])
            for key in ("rois", "roi_gt_boxes")
        }
        gt_masks = {key: ground_truth[key] for key in ("boxes", "masks")}
        targets = rcnn_samples.MaskTargets(name="mask_targets")({**first, **gt_masks})
        logits = self.mask_head(self.features, first["rois"], prefix="train_")
        return {**targets, "mask_logits": logits}


def training(family: Family, backbone: Backbone, /, **options) -> keras.Model:
    """The graph of training; arguments of `Network`.

    `serving` built inside `layers.sharing` of it has the same weights."""
    network = Network(family, backbone, **options)
    return keras.Model(*network.train(), name=network.name)


def serving(family: Family, backbone: Backbone, /, **options) -> keras.Model:
    """The graph of serving; arguments of `Network`."""
    network = Network(family, backbone, **options)
    return keras.Model(*network.serve(), name=network.name)
