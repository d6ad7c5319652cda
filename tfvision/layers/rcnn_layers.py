"""The parts of Faster and Mask R-CNN that have no weights: anchors, proposals, features of
regions, detections. They compute in float32, whatever the policy is, but for features.

Axis letters: B images, H, W, C channels, A anchors a place, N anchors of a level, R regions, D
detections, K classes (the background comes on top, as the last).
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tfvision import errors
from tfvision.layers.configured import Configured
from tfvision.layers.sharing import Layer
from tfvision.ops import boxes as box_ops
from tfvision.ops import nms, roi, rpn_anchors
from tfvision.serialization import register

_SMALLEST_PROPOSAL, _SMALLEST_DETECTION = 1e-3, 1e-2  # pixels of a side, as in torchvision
_NEVER = float("-inf")


def clip(boxes: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
    """Cuts boxes [B, ..., 4] on the canvas to where the image lies on it: frame [B, 6]."""
    start = frame[:, 4:6]
    end = start + tf.round(frame[:, 0:2] * frame[:, 2:4])
    shape = [-1, *[1] * (boxes.shape.rank - 2), 4]
    low = tf.reshape(tf.concat([start, start], axis=1), shape)
    high = tf.reshape(tf.concat([end, end], axis=1), shape)
    return tf.minimum(tf.maximum(boxes, low), high)


class Part(Configured):
    """A layer whose inputs are not cast: boxes must not become bfloat16."""

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)


@register
class Anchors(Part):
    """The anchors of a pyramid's maps: a list of float32 [N, 4], without a batch's axis.

    cells: the anchors of a place on each level, see `ops.rpn_anchors.cells`."""

    def __init__(self, cells, **kwargs):
        super().__init__(**kwargs)
        self.cells = [np.array(cell, np.float32) for cell in cells]

    def call(self, inputs):
        """inputs: [image, map, map, ...], each [B, H, W, C]."""
        image, *maps = (_size(tensor) for tensor in inputs)
        pairs = zip(self.cells, maps, strict=True)
        return [rpn_anchors.grid(cell, size, image) for cell, size in pairs]


def _size(tensor):
    """[H, W], numbers where they are known."""
    dynamic = tf.shape(tensor)
    return [tensor.shape[axis] or dynamic[axis] for axis in (1, 2)]


@register
class Places(Part):
    """A level's answers [B, H, W, A * units] -> float32 [B, H * W * A, units], or of one unit
    [B, H * W * A]: the order of `Anchors`."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = int(units)

    def call(self, inputs):
        """inputs: [B, H, W, A * units]."""
        _, height, width, channels = inputs.shape
        known = height and width and height * width * channels // self.units
        count = known or tf.reduce_prod(tf.shape(inputs)[1:]) // self.units
        shape = [-1, count] if self.units == 1 else [-1, count, self.units]
        return tf.cast(tf.reshape(inputs, shape), tf.float32)


@register
class Proposals(Part):
    """What a region proposal network proposes: the best boxes after NMS inside each level.

    (Lin et al. 2017, arXiv:1612.03144, section 4.1; the steps and their order are torchvision's.)
    Of each level the `pre_nms` highest logits are decoded, cut to the image and freed of what has
    no thousandth of a pixel; after NMS the best `post_nms` of all levels stay. No gradient."""

    def __init__(self, *, pre_nms=1000, post_nms=1000, nms_iou=0.7, **kwargs):
        super().__init__(**kwargs)
        self.pre_nms, self.post_nms, self.nms_iou = int(pre_nms), int(post_nms), float(nms_iou)

    def call(self, inputs):
        """inputs: {"logits": [[B, N], ...], "deltas": [[B, N, 4], ...], "anchors": [[N, 4], ...],
        "frame": [B, 6]}. Returns {"proposals": [B, post_nms, 4] by falling logit (zeros: padding),
        "num_proposals": int32 [B]}."""
        levels = zip(*(inputs[key] for key in ("logits", "deltas", "anchors")), strict=True)
        boxes, scores, groups = [], [], []
        for number, (logits, deltas, anchors) in enumerate(levels):
            count = logits.shape[1] or tf.shape(logits)[1]
            least = min if isinstance(count, int) else tf.minimum
            values, best = tf.math.top_k(logits, least(count, self.pre_nms))
            deltas = tf.gather(deltas, best, batch_dims=1)
            boxes.append(box_ops.decode(deltas, tf.gather(anchors, best)))
            scores.append(values)
            groups.append(tf.fill(tf.shape(values), number))
        boxes = clip(tf.concat(boxes, axis=1), inputs["frame"])
        large = box_ops.at_least(boxes, _SMALLEST_PROPOSAL)
        scores = tf.where(large, tf.concat(scores, axis=1), _NEVER)
        kept, count = nms.batched(
            *(boxes, scores, tf.concat(groups, axis=1)),
            iou_threshold=self.nms_iou,
            max_detections=self.post_nms,
        )
        there = tf.range(self.post_nms)[None] < count[:, None]
        boxes = tf.where(there[..., None], tf.gather(boxes, kept, batch_dims=1), 0.0)
        boxes = tf.ensure_shape(boxes, [None, self.post_nms, 4])
        return {"proposals": tf.stop_gradient(boxes), "num_proposals": count}


@register
class RoiAlign(Part):
    """`ops.roi.pyramid_align` on levels from `lowest` on: [B, R, size, size, C] of their dtype.

    Raises UsageError for a sampling_ratio below 0; 0 takes as many points as a bin has pixels."""

    def __init__(self, size, *, sampling_ratio=2, aligned=False, lowest=2, **kwargs):
        super().__init__(**kwargs)
        if int(sampling_ratio) != sampling_ratio or sampling_ratio < 0:
            raise errors.UsageError(
                f"sampling_ratio is {sampling_ratio}; it must be a whole number of points along a"
                " bin's side, or 0 for as many as the bin has pixels"
            )
        self.size, self.sampling_ratio = int(size), int(sampling_ratio)
        self.aligned, self.lowest = bool(aligned), int(lowest)

    def call(self, inputs):
        """inputs: {"levels": [[B, H, W, C], ...], "boxes": [B, R, 4] in pixels of the canvas}."""
        return roi.pyramid_align(
            dict(enumerate(inputs["levels"], self.lowest)),
            inputs["boxes"],
            size=(self.size, self.size),
            sampling_ratio=self.sampling_ratio,
            aligned=self.aligned,
        )


@register
class RoiPool(Part):
    """`ops.roi.pyramid_pool` on levels from `lowest` on: [B, R, size, size, C] of their dtype."""

    def __init__(self, size, *, lowest=2, **kwargs):
        super().__init__(**kwargs)
        self.size, self.lowest = int(size), int(lowest)

    def call(self, inputs):
        """inputs: {"levels": [[B, H, W, C], ...], "boxes": [B, R, 4] in pixels of the canvas}."""
        levels = dict(enumerate(inputs["levels"], self.lowest))
        return roi.pyramid_pool(levels, inputs["boxes"], size=(self.size, self.size))


@register
class FoldRegions(Part):
    """[B, R, H, W, C] -> [B * R, H, W, C], for convolutions."""

    def call(self, inputs):
        """inputs: [B, R, H, W, C]."""
        return tf.reshape(inputs, [-1, *inputs.shape[2:]])


@register
class UnfoldRegions(Part):
    """[B * R, ...] -> [B, R, ...], R that of the boxes."""

    def call(self, inputs):
        """inputs: [values [B * R, ...], boxes [B, R, 4]]."""
        values, boxes = inputs
        regions = boxes.shape[1] or tf.shape(boxes)[1]
        return tf.reshape(values, [tf.shape(boxes)[0], regions, *values.shape[1:]])


@register
class ClassDeltas(Part):
    """[B, R, (K + 1) * 4] -> float32 [B, R, K + 1, 4]: (dy, dx, dh, dw) of every class."""

    def call(self, inputs):
        """inputs: [B, R, (K + 1) * 4]."""
        regions = inputs.shape[1] or tf.shape(inputs)[1]
        return tf.cast(tf.reshape(inputs, [-1, regions, inputs.shape[2] // 4, 4]), tf.float32)


@register
class Detections(Part):
    """The box head's answers as detections: decoded, cut to the image, NMS inside each class.

    (Ren et al. 2015, arXiv:1506.01497; steps as in torchvision.) What scores above
    `score_threshold` counts, without the background; `candidates`: (box, class) pairs of an image
    that NMS looks at."""

    def __init__(
        self,
        *,
        score_threshold=0.05,
        nms_iou=0.5,
        max_detections=100,
        candidates=4096,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.score_threshold, self.nms_iou = float(score_threshold), float(nms_iou)
        self.max_detections, self.candidates = int(max_detections), int(candidates)

    def call(self, inputs):
        """inputs: {"proposals": [B, R, 4], "num_proposals": [B], "class_logits": [B, R, K + 1],
        "box_deltas": [B, R, K + 1, 4], "frame": [B, 6]}. Returns what `ops.nms.per_class` does,
        the boxes in pixels of the canvas."""
        proposals, logits = inputs["proposals"], tf.cast(inputs["class_logits"], tf.float32)
        deltas = tf.cast(inputs["box_deltas"][:, :, :-1], tf.float32)
        boxes = box_ops.decode(deltas, proposals[:, :, None], weights=box_ops.HEAD_WEIGHTS)
        boxes = clip(boxes, inputs["frame"])
        scores = tf.nn.softmax(logits)[..., :-1]
        there = tf.range(tf.shape(proposals)[1])[None] < inputs["num_proposals"][:, None]
        there = there[..., None] & box_ops.at_least(boxes, _SMALLEST_DETECTION)
        detections = nms.per_class(
            boxes,
            tf.where(there, scores, _NEVER),
            score_threshold=self.score_threshold,
            iou_threshold=self.nms_iou,
            max_detections=self.max_detections,
            pre_nms=self.candidates,
        )
        shape = [None, self.max_detections, 4]
        detections["boxes"] = tf.ensure_shape(detections["boxes"], shape)
        return detections


@register
class SelectClass(Part):
    """Of mask logits of every class those of each detection's own: float32 [B, D, H, W]."""

    def call(self, inputs):
        """inputs: [logits [B, D, H, W, K + 1], class_ids [B, D] (-1: padding, class 0's)]."""
        logits, class_ids = inputs
        # turned first, so that what is taken lies together
        channels_first = tf.transpose(tf.cast(logits, tf.float32), [0, 1, 4, 2, 3])
        return tf.gather(channels_first, tf.maximum(class_ids, 0), batch_dims=2)


@register
class Sigmoid(Part):
    """Logits -> probabilities, float32."""

    def call(self, inputs):
        """inputs: any shape."""
        return tf.sigmoid(tf.cast(inputs, tf.float32))


@register
class Deconvolution(Layer):
    """The 2x2 transposed convolution of stride 2 of a mask head: [B, H, W, C] -> [B, 2H, 2W, F].

    (He et al. 2017, arXiv:1703.06870, figure 4.) The kernel, drawn as `Conv2D`'s, is
    [2, 2, F, C]."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = int(filters)

    def build(self, input_shape):
        shape = (2, 2, self.filters, int(input_shape[-1]))
        draw = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=draw)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """inputs: [B, H, W, C] of known H and W."""
        _, height, width, _ = inputs.shape
        shape = [tf.shape(inputs)[0], 2 * height, 2 * width, self.filters]
        kernel = tf.cast(self.kernel, inputs.dtype)
        outputs = tf.nn.conv2d_transpose(inputs, kernel, shape, 2, "VALID")
        outputs = tf.ensure_shape(outputs, [None, *shape[1:]])
        return tf.nn.bias_add(outputs, tf.cast(self.bias, outputs.dtype))

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, 2 * height, 2 * width, self.filters)
