"""What of a config shows only with data and weights, checked before the run folder is made.

Samples are prepared and one loss is taken op by op, where an error is still the error of one op:
inside a graph AutoGraph would wrap it.

Axis letters: B = 2 images.
"""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
import tensorflow as tf

from tfvision import errors, json_files, stack
from tfvision.inputs import decode
from tfvision.layers import context
from tfvision.net import Net
from tfvision.records import damage, dataset
from tfvision.weights import native

_HEADS = ("class_logits", "aux_logits", "box_deltas", "mask_logits", "yolo_")
# Of R-CNN: its sampling leads back to these, which count no classes.
_WITHOUT_CLASSES = ("rpn.", "backbone.")
_CONFIG = "config.json"


def samples(task, data: dataset.Dataset, split: str, config: Any, *, training: bool,
            count: int = 1) -> tuple[list[dict], list[str]]:  # fmt: skip
    """The first `count` samples of a split as the task prepares them, and their source_ids.

    Raises UsageError or DataError, of one line, where an image cannot be prepared."""
    examples, ids = [], []
    files = [os.fsencode(file) for file in data.files(split)]
    with damage.reported(data, split, f"split '{split}' cannot be read"):
        records = list(tf.data.TFRecordDataset(files).take(count))
    prepare = task.prepare_train if training else task.prepare_eval
    for index, record in enumerate(records):
        example = decode.parse(record, task.fields)
        ids.append(os.fsdecode(decode.parse(record, ())["source_id"].numpy()))
        if training:
            example["seed"] = tf.constant([config.seed, index], tf.int64)
            if config.inputs.aspect_ratio_grouping:
                example["portrait"] = tf.constant(False)
        what = f"{ids[-1]} of split '{split}' cannot be prepared"
        with errors.reported(f"config.inputs: {what}"), damage.reported(data, split, what):
            examples.append(prepare(example))
    return examples, ids


def splits(trainer) -> None:
    """What of the splits and metrics would otherwise fail only at the end of the first epoch.

    Raises DataError for an empty split or one that teaches nothing, UsageError for a train.best
    that is not a metric."""
    data, config = trainer.data, trainer.config
    if not data.split(config.data.val).records:
        raise errors.DataError(f"{data.path}: split '{config.data.val}' is empty")
    split = data.split(config.data.train)
    if not split.teaches:
        raise errors.DataError(
            f"{data.path}: split '{config.data.train}': {' '.join(split.notes)};"
            " see the report beside the records, and convert it again"
        )
    known = {name: None for m in trainer.task.metrics() for name in m.result()}
    known |= {"loss": None} if trainer.task.serve_losses else {}
    best = config.train.best
    if best and best not in known:
        raise errors.UsageError(
            f"config.train.best is '{best}'{errors.suggestion(best, known)}"
            f" (the metrics are: {', '.join(known)})"
        )


def first_batch(trainer) -> None:
    """Prepares two training images and one of validation, and takes one loss of the two.

    The weights, the normalisation's statistics and all that is random later stay as they are.
    Raises UsageError, DataError, and NonFiniteError for a loss that is not finite."""
    task, config = trainer.task, trainer.config
    samples(task, trainer.data, config.data.val, config, training=False)
    examples, ids = samples(task, trainer.data, config.data.train, config, training=True, count=2)
    examples = (examples * 2)[:2]
    keys = [key for key, value in examples[0].items() if value.dtype != tf.string]
    step = tf.constant(0, tf.int64)
    with errors.reported("config.inputs: no batch can be made of the first two images"):
        batch = {key: tf.stack([sample[key] for sample in examples]) for key in keys}
        batch["valid"] = tf.ones([2], tf.bool)
        if task.mix is not None:
            batch = task.mix(batch, tf.constant([config.seed, 0], tf.int64), step)
    _check_memory(batch, config.train.batch_size)
    if trainer.strategy.num_replicas_in_sync == 1:  # several talk to each other inside a step
        with errors.reported(f"config.loss: the loss of {config.model.name} cannot be computed"):
            terms = _losses(task, trainer.net, batch, config.seed, step)
        _refuse_infinite(terms, ids)


def _check_memory(batch: dict[str, tf.Tensor], size: int) -> None:
    """Raises UsageError where a batch of `size` cannot fit: one is made while another is used."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", ()):
        return
    held = sum(int(tf.size(value)) * value.dtype.size for value in batch.values()) / 2 * size
    all_there_is = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if 2 * held > all_there_is:
        raise errors.UsageError(
            f"config.train.batch_size is {size}: two such batches take {2 * held / 2**30:,.1f} GiB,"
            f" and this machine has {all_there_is / 2**30:,.1f} GiB of memory; make it smaller"
        )


def _losses(task, net: Net, batch: dict, seed: int, step: tf.Tensor) -> dict[str, float]:
    learned = {id(v) for v in net.train.trainable_variables}
    others = [stack.raw(v) for v in net.variables() if id(v) not in learned]
    before = [tf.identity(v) for v in others]
    try:
        with context.randomness(seed, step, 0):
            outputs = net.train(Net.pick(net.train, batch), training=True)
            terms = task.losses(batch, outputs, step)
        return {name: float(value) for name, value in terms.items()}
    finally:
        for variable, value in zip(others, before, strict=True):
            variable.assign(value)


def _refuse_infinite(terms: dict[str, float], ids: list[str]) -> None:
    for name, value in terms.items():
        if not np.isfinite(value):
            raise errors.NonFiniteError(
                f"loss term '{name}' is {value} before the first step, of the images"
                f" {', '.join(ids)}; look at config.weights, config.loss and config.inputs"
            )


def same_classes(net: Net, config: Any) -> None:
    """Raises DataError where the weights' run was trained on other classes and their head is used.

    Compares the names in order. Files other than runs know no classes; a head that weights.skip
    leaves out may be of any."""
    names = run_classes(config.weights.path)
    here = tuple(config.data.class_names)
    if names is None or names == here:
        return
    heads = head_variables(net)
    if any(not re.search("|".join(config.weights.skip) or "$^", name) for name in heads):
        layers = sorted({name.rpartition("/")[0] for name in heads})
        patterns = ", ".join(f"'^{layer}/'" for layer in layers)
        raise errors.DataError(
            f"config.weights.path is {config.weights.path}, a run of other classes than the"
            f" data's: {errors.difference(here, names)}; convert the data with --labels in the"
            f" run's order, or start with a new head, config.weights.skip=({patterns},)"
        )


def run_classes(path: str) -> tuple[str, ...] | None:
    """The class names of a run folder or of one of its checkpoints; None where none are known."""
    for folder in (path, os.path.dirname(os.path.dirname(os.path.abspath(path)))):
        file = os.path.join(folder, _CONFIG)
        if os.path.isdir(path) and os.path.isfile(file):
            shape = {"data": {"class_names": [str]}}
            return tuple(json_files.read(file, shape, "it is of a run")["data"]["class_names"])
    return None


def head_variables(net: Net) -> list[str]:
    """The "layer/variable" names of the layers nearest to the outputs that count classes."""
    makers = {
        id(output): (layer, inputs)
        for layer, inputs, outputs in stack.calls(net.train)
        for output in outputs
    }
    names = [name for name in net.train.output if name.startswith(_HEADS)]
    ahead, names_of_heads = [net.train.output[name] for name in names], []
    seen: set[int] = set()
    while ahead:
        layer, inputs = makers.get(id(ahead.pop()), (None, []))
        if layer is None or id(layer) in seen:
            continue
        seen.add(id(layer))
        if layer.weights:
            names_of_heads += [native.name_of(variable) for variable in layer.weights]
        else:
            ahead += inputs
    return [name for name in names_of_heads if not name.startswith(_WITHOUT_CLASSES)]
