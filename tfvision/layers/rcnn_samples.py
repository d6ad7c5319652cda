"""What the losses of R-CNN look at, drawn inside the training graph: anchors and regions that are
matched to the truth and sampled, with their targets. No gradient but through what is sampled.

Axis letters: B images, N anchors of a level, R proposals, M truths (padded), S sampled, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision.layers import context
from tfvision.layers.rcnn_layers import Part
from tfvision.ops import boxes as box_ops
from tfvision.ops import matching, roi
from tfvision.serialization import register

POSITIVE_REGIONS = 0.25  # of the sampled regions at most (Girshick 2015, section 2.3)


def _seed(name: str) -> tf.Tensor:
    """The layer's seed in this step; outside the Trainer the same each time.

    Keras calls a layer while it builds a graph, where op determinism forbids unseeded draws."""
    seed = context.seed_for(name)
    return tf.zeros([2], tf.int32) if seed is None else seed


def _targets(boxes, gt_boxes, codes, positive, weights):
    """Deltas from boxes [B, S, 4] to their truths; zeros where not positive. [B, S, 4]."""
    matched = tf.gather(gt_boxes, tf.maximum(codes, 0), batch_dims=1)
    # What is not positive gets a box that has a logarithm.
    unit = tf.constant([0.0, 0.0, 1.0, 1.0])
    matched, boxes = (tf.where(positive[..., None], part, unit) for part in (matched, boxes))
    return tf.stop_gradient(box_ops.encode(matched, boxes, weights=weights))


@register
class AnchorSamples(Part):
    """Sampled anchors of each image, the proposal network's answers for them, and their targets.

    (Ren et al. 2015, arXiv:1506.01497, section 3.1.2 and 3.1.3.) An anchor is positive from
    `positive_iou` on, or as a truth's best; negative below `negative_iou`. All anchors take part,
    those across the image's border too (torchvision, detectron2)."""

    def __init__(
        self, *, count=256, positive_share=0.5, positive_iou=0.7, negative_iou=0.3, **kwargs
    ):
        super().__init__(**kwargs)
        self.count, self.positive_share = int(count), float(positive_share)
        self.positive_iou, self.negative_iou = float(positive_iou), float(negative_iou)

    def call(self, inputs):
        """inputs: {"logits": [[B, N], ...], "deltas": [[B, N, 4], ...], "anchors": [[N, 4], ...],
        "boxes": [B, M, 4], "class_ids": int [B, M]}. Returns rpn_logits [B, S], rpn_deltas,
        rpn_anchors, rpn_targets [B, S, 4], rpn_positive, rpn_valid bool [B, S] (False: padding)."""
        anchors = tf.concat(inputs["anchors"], axis=0)
        logits, deltas = (tf.concat(inputs[key], axis=1) for key in ("logits", "deltas"))
        gt_boxes, class_ids = inputs["boxes"], inputs["class_ids"]
        limits = {"positive_iou": self.positive_iou, "negative_iou": self.negative_iou}
        codes = matching.match(anchors, gt_boxes, class_ids, low_quality=True, **limits)
        draw = {"count": self.count, "positive_share": self.positive_share}
        samples = matching.sample(codes, _seed(self.name), **draw)
        codes = tf.gather(codes, samples.indices, batch_dims=1)
        boxes = tf.gather(anchors, samples.indices)
        return {
            "rpn_logits": tf.gather(logits, samples.indices, batch_dims=1),
            "rpn_deltas": tf.gather(deltas, samples.indices, batch_dims=1),
            "rpn_anchors": boxes,
            "rpn_targets": _targets(boxes, gt_boxes, codes, samples.positive, (1.0,) * 4),
            "rpn_positive": samples.positive,
            "rpn_valid": samples.valid,
        }


@register
class RegionSamples(Part):
    """Sampled regions of each image for the box head, with their classes and targets.

    (Girshick 2015, arXiv:1504.08083, section 2.3.) The truths are proposals too, so that there
    are positives from the first step on. Positives come first: a mask head needs the first
    `count * POSITIVE_REGIONS` alone."""

    def __init__(self, num_classes, *, count=512, positive_iou=0.5, **kwargs):
        super().__init__(**kwargs)
        self.num_classes, self.count = int(num_classes), int(count)
        self.positive_iou = float(positive_iou)

    def call(self, inputs):
        """inputs: {"proposals": [B, R, 4], "num_proposals": [B], "boxes": [B, M, 4], "class_ids":
        int [B, M]}. Returns rois, roi_targets [B, S, 4], roi_class_ids int32 [B, S] (K: the
        background, -1: padding) and roi_gt_boxes int32 [B, S] (the truth's number, or negative)."""
        gt_boxes, class_ids = inputs["boxes"], inputs["class_ids"]
        proposals = inputs["proposals"]
        there = tf.range(tf.shape(proposals)[1])[None] < inputs["num_proposals"][:, None]
        boxes = tf.concat([proposals, gt_boxes], axis=1)
        there = tf.concat([there, class_ids >= 0], axis=1)
        limits = {"positive_iou": self.positive_iou, "negative_iou": self.positive_iou}
        codes = matching.match(boxes, gt_boxes, class_ids, **limits)
        draw = {"count": self.count, "positive_share": POSITIVE_REGIONS}
        samples = matching.sample(codes, _seed(self.name), there=there, **draw)
        codes = tf.gather(codes, samples.indices, batch_dims=1)
        codes = tf.where(samples.valid, codes, matching.BETWEEN)
        rois = tf.stop_gradient(tf.gather(boxes, samples.indices, batch_dims=1))
        rois = tf.where(samples.valid[..., None], rois, 0.0)
        return {
            "rois": tf.ensure_shape(rois, [None, self.count, 4]),
            "roi_targets": _targets(rois, gt_boxes, codes, samples.positive, box_ops.HEAD_WEIGHTS),
            "roi_class_ids": matching.labels(codes, class_ids, background=self.num_classes),
            "roi_gt_boxes": codes,
        }


@register
class FirstRegions(Part):
    """The first `count` regions of [B, S, ...], where `RegionSamples` puts the positives."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = int(count)

    def call(self, inputs):
        """inputs: [B, S, ...]."""
        return inputs[:, : self.count]


@register
class MaskTargets(Part):
    """What the mask head should say of each region: its truth's mask, cut by the region.

    A truth's mask is given in the frame of its own box, so an image of many objects needs no
    canvas for each. One without a pixel stands for a truth that has no mask."""

    def __init__(self, size=28, **kwargs):
        super().__init__(**kwargs)
        self.size = int(size)

    def call(self, inputs):
        """inputs: {"boxes": [B, M, 4], "masks": uint8 [B, M, s, s] of 0 and 1, "rois": [B, P, 4],
        "roi_gt_boxes": int32 [B, P]}. Returns mask_targets float32 [B, P, size, size] in 0..1 and
        mask_valid bool [B, P]: is there a mask of the region's truth?"""
        masks, roi_gt = inputs["masks"], inputs["roi_gt_boxes"]
        number = tf.maximum(roi_gt, 0)
        matched = tf.gather(inputs["boxes"], number, batch_dims=1)
        start, sides = matched[..., :2], tf.maximum(matched[..., 2:] - matched[..., :2], 1e-3)
        cells = tf.cast(tf.shape(masks)[2], tf.float32)
        # region and mask in the cells of the truth's frame, where each axis has its own scale
        start, scale = tf.tile(start, [1, 1, 2]), tf.tile(cells / sides, [1, 1, 2])
        rois = (inputs["rois"] - start) * scale
        size = (self.size, self.size)
        filled = tf.reduce_any(masks > 0, axis=[2, 3])
        return {
            "mask_targets": roi.mask_targets(masks, rois, roi_gt, size=size, aligned=True),
            "mask_valid": tf.gather(filled, number, batch_dims=1) & (roi_gt >= 0),
        }
