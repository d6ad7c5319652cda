"""A task's batches as Keras takes them: (images, targets).

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfvision.inputs import pipeline
from tfvision.records import dataset
from tfvision.task import Task

Batch = dict[str, tf.Tensor]
Pair = tuple[tf.Tensor, Any]
# What stands in place of all targets, where that is one tensor.
_SINGLE = {"classification": "labels", "segmentation": "label_map"}


def training(task: Task, data: dataset.Dataset, split: str, epoch: int) -> tf.data.Dataset:
    """The Trainer's batches, an epoch of it in each pass. epoch: of the first one."""
    config, records = task.config, data.split(split).records
    order = pipeline.Order(
        data.files(split),
        records,
        config.train.batch_size,
        config.seed,
        config.data.shuffle_buffer,
        config.inputs.aspect_ratio_grouping,
    )
    steps = max(round(records / order.batch_size), 1)
    return pipeline.passes(
        order, task.fields, task.prepare_train, steps=steps, first=epoch, mix=task.mix
    )


def evaluation(task: Task, data: dataset.Dataset, split: str) -> tf.data.Dataset:
    """Every record once, with targets as in training; the last batch has what is left."""

    def prepare(example: Batch) -> Batch:
        # Without augmentation this is the canvas of `prepare_eval`, and the targets with it.
        return task.prepare_train({**example, "seed": tf.zeros([2], tf.int64)})

    size = task.config.train.batch_size
    batches = pipeline.evaluation(
        data.files(split), task.fields, prepare, batch_size=size, padded=False
    )
    count = -(-data.split(split).records // size)
    return batches.apply(tf.data.experimental.assert_cardinality(count))


def paired(batches: tf.data.Dataset, task: Task, label_mode: str) -> tf.data.Dataset:
    """Batches as (images, targets); see `datasets.load`."""
    classes = len(task.class_names)

    @tf.autograph.experimental.do_not_convert
    def pair(batch: Batch) -> Pair:
        targets = {
            name: value
            for name, value in batch.items()
            if name not in ("image", "valid") and value.dtype != tf.string
        }
        if task.name in _SINGLE:
            targets = targets[_SINGLE[task.name]]
            if targets.dtype.is_integer:
                targets = tf.cast(targets, tf.int32)
                targets = tf.one_hot(targets, classes) if label_mode == "one_hot" else targets
        return batch["image"], targets

    return batches.map(pair, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
