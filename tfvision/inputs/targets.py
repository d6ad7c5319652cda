"""Objects of a sample on their way: made complete, padded for a training batch, or kept as they
are for an evaluation's metrics.

Axis letters: N objects of an image, M places in a batch.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision import schema
from tfvision.inputs import object_tensors

Sample = dict[str, tf.Tensor]
PREFIX = "truth/"
_KEPT = ("boxes", "class_ids", "is_crowd", "difficult", "area", "masks")


def complete(example: Sample) -> Sample:
    """The example with `is_crowd`, `difficult` and `area` for every object.

    A record that does not have them decodes to empty lists: no crowd, nothing difficult, and
    the boxes' own areas."""
    if "boxes" not in example:
        return example
    boxes = example["boxes"]
    count = tf.shape(boxes)[0]
    sides = boxes[:, 2:] - boxes[:, :2]
    missing = {
        "is_crowd": tf.zeros([count], tf.int64),
        "difficult": tf.zeros([count], tf.int64),
        "area": sides[:, 0] * sides[:, 1],
    }

    def filled(key: str) -> tf.Tensor:
        value = example.get(key, missing[key])
        known = tf.equal(tf.size(value), count)
        return tf.ensure_shape(tf.cond(known, lambda: value, lambda: missing[key]), [None])

    return {**example, **{key: filled(key) for key in missing}}


def for_training(sample: Sample, *, crowds: bool = False, difficult: bool = False) -> Sample:
    """Without the objects that a loss must not meet: crowds and VOC's difficult ones."""
    keep = tf.ones_like(sample["class_ids"], tf.bool)
    if not crowds:
        keep &= tf.equal(sample["is_crowd"], 0)
    if not difficult:
        keep &= tf.equal(sample["difficult"], 0)
    return object_tensors.select(sample, keep)


def padded(sample: Sample, max_boxes: int) -> Sample:
    """`boxes` float32 [M, 4], `class_ids` int32 [M] (PADDING where there is no object) alone, and
    `masks` uint8 [M, s, s] where the sample has them in the frames of their boxes.

    Objects beyond `places` are cut off."""
    boxes = tf.cast(sample["boxes"][:max_boxes], tf.float32)
    ids = tf.cast(sample["class_ids"][:max_boxes], tf.int32)
    rest = max_boxes - tf.shape(ids)[0]
    result = {
        "boxes": tf.ensure_shape(tf.pad(boxes, [[0, rest], [0, 0]]), (max_boxes, 4)),
        "class_ids": tf.ensure_shape(
            tf.pad(ids, [[0, rest]], constant_values=schema.PADDING), (max_boxes,)
        ),
    }
    if object_tensors.FRAMED in sample:
        masks = sample[object_tensors.FRAMED][:max_boxes]
        shape = (max_boxes, *masks.shape[1:])
        result["masks"] = tf.ensure_shape(tf.pad(masks, [[0, rest], [0, 0], [0, 0]]), shape)
    return result


def padded_proposals(sample: Sample, max_boxes: int) -> Sample:
    """`proposals` float32 [R, 4] of a fixed R = `places`, the first of them, zeros behind;
    `num_proposals` int32 scalar: how many are none of these zeros."""
    boxes = tf.cast(sample["proposals"][:max_boxes], tf.float32)
    count = tf.shape(boxes)[0]
    boxes = tf.pad(boxes, [[0, max_boxes - count], [0, 0]])
    return {"proposals": tf.ensure_shape(boxes, (max_boxes, 4)), "num_proposals": count}


def for_metrics(example: Sample) -> Sample:
    """{"truth/boxes": ...}: an example's objects, serialized, in the original image's pixels.

    Each is a string scalar, so that images with any number of objects make a batch;
    `truth/size` is int64 [2], height and width. See metrics.ground_truth for the way back."""
    kept = {key: example[key] for key in _KEPT if key in example}
    kept["size"] = tf.stack([example["height"], example["width"]])
    return {PREFIX + key: tf.io.serialize_tensor(value) for key, value in kept.items()}
