"""Training batches of one orientation, landscape or portrait, each on a canvas that suits it.

A canvas for both would be half empty under every image of a mixed batch. So records are put in
order window by window, as far as that goes without losing or repeating one: an image is portrait
where it is taller than wide, and a batch where most of its images are. The others in a mixed
batch are scaled down to its canvas.

Axis letters: N records of a window, B of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from tfvision import errors, schema
from tfvision.inputs import augment, canvas

_HEIGHT, _WIDTH = (schema.FIELDS[name].keys[0] for name in ("height", "width"))


def portrait(serialized: tf.Tensor) -> tf.Tensor:
    """bool [N]: which of the serialized records [N] are of images that are taller than wide.

    By the record's sides, which are of the upright image; nothing is decoded."""
    side = tf.io.FixedLenFeature([], tf.int64)
    sides = tf.io.parse_example(serialized, {_HEIGHT: side, _WIDTH: side})
    return sides[_HEIGHT] > sides[_WIDTH]


def most(flags: tf.Tensor) -> tf.Tensor:
    """bool scalar: are more than half of `flags` [N] True?"""
    return 2 * tf.reduce_sum(tf.cast(flags, tf.int32)) > tf.size(flags)


def order(flags: tf.Tensor, lead: tf.Tensor, batch: int, seed: tf.Tensor) -> tf.Tensor:
    """The indices [N] that bring a shuffled window into batches of one orientation.

    flags: bool [N], portrait or not. lead: so many records end the batch that the window before
    has begun. They and those that begin the next window's batch are of the more frequent
    orientation, so that windows of a like mixture meet in a batch of one; of the whole batches
    in between at most one is mixed, and their order is random (seed: int [2])."""
    rare = tf.not_equal(flags, most(flags))
    grouped = tf.concat([tf.where(~rare)[:, 0], tf.where(rare)[:, 0]], axis=0)
    count = tf.size(flags)
    lead = tf.minimum(tf.cast(lead, tf.int32), count)
    rest = (count - lead) % batch
    first, last, whole = tf.split(grouped, tf.stack([lead, rest, count - lead - rest]))
    batches = tf.reshape(whole, [-1, batch])
    batches = tf.random.experimental.stateless_shuffle(batches, seed=seed)
    return tf.concat([first, tf.reshape(batches, [-1]), last], axis=0)


def settle(stream: tf.data.Dataset, batch: int) -> tf.data.Dataset:
    """(index, serialized) -> (index, serialized, portrait), what most of its batch are.

    The stream starts at the first record of a batch, and counts the records of all workers."""

    @tf.autograph.experimental.do_not_convert
    def told(index: tf.Tensor, serialized: tf.Tensor) -> tuple:
        return index, serialized, tf.fill([batch], most(portrait(serialized)))

    return stream.batch(batch, drop_remainder=True).map(told).unbatch()


def fit(
    sample: canvas.Sample, size: canvas.Size, inputs: Mapping, upright: tf.Tensor
) -> canvas.Sample:
    """`canvas.fit` on a canvas of `size`, turned by 90 degrees where `upright`, a bool scalar."""
    return tf.cond(
        upright,
        lambda: canvas.fit(sample, size[::-1], inputs),
        lambda: canvas.fit(sample, size, inputs),
    )


def check(inputs: Mapping, size: canvas.Size) -> None:
    """Raises UsageError for a config's `inputs` that leave no second canvas beside `size`."""
    if size[0] >= size[1]:
        raise errors.UsageError(
            "config.inputs.aspect_ratio_grouping turns the training canvas for upright images;"
            f" {size[0]} x {size[1]} must be wider than tall (config.inputs.train_size)"
        )
    if inputs.by_files:
        raise errors.UsageError(
            "config.inputs.aspect_ratio_grouping brings the images of all workers into order, and"
            " by_files gives each worker an order of its own; leave one of them out"
        )
    if inputs.mix.name or inputs.multi_scale:
        raise errors.UsageError(
            "config.inputs.aspect_ratio_grouping does not go with mix or multi_scale, which make"
            " canvases of their own; leave one of them out"
        )
    fixed = [dict(step).get("name") for step in inputs.augment]
    fixed = [name for name in fixed if name in augment.CANVASES]
    if inputs.crop.name == "random_crop":
        fixed.append("random_crop")
    if fixed:
        raise errors.UsageError(
            f"config.inputs.aspect_ratio_grouping has two canvases and '{fixed[0]}' makes one of a"
            " fixed size; leave one of them out"
        )
