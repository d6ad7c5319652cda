"""A converted data set as a tf.data.Dataset for `fit` and `evaluate` of any Keras model.

The images are prepared by the task, in the order of the Trainer: what this gives in training is,
batch by batch, what `tfvision train` would have trained on.

Axis letters: B batch, H, W, K classes, M places for boxes, s cells of a mask's side.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tfvision import config as configs
from tfvision import errors
from tfvision.datasets import arguments
from tfvision.records import dataset

if TYPE_CHECKING:
    import tensorflow as tf

LABEL_MODES = ("int", "one_hot", "multi_hot")
# Samples do not depend on the network; these set no limits to the images' size.
_MODELS = {
    "classification": "resnet50",
    "segmentation": "deeplab_v3plus_resnet50",
    "detection": "faster_rcnn_resnet50_fpn",
    "instance": "mask_rcnn_resnet50_fpn",
}
_OF_TRAINING = ("crop", "mix", "multi_scale", "multi_scale_every", "aspect_ratio_grouping")
_OPTIONS = {
    "inputs": ("resize", "short", "long", "padding", "antialias", "scaled_decoding", *_OF_TRAINING),
    "detection": ("max_boxes", "train_difficult", "mask_size"),
    "data": ("shuffle_buffer",),
}


def info(path: str | os.PathLike[str]) -> dataset.Dataset:
    """What a converted data set contains: `class_names`, `splits["train"].records`, `groups` ...

    Raises DataError for a folder that is none, and where a shard is missing."""
    return dataset.read(path)


def load(
    path: str | os.PathLike[str],
    *,
    split: str = "train",
    task: str | None = None,
    training: bool = True,
    image_size: int | Sequence[int] = (224, 224),
    batch_size: int = 32,
    augment: Sequence[str | Mapping[str, Any]] = (),
    label_mode: str = "int",
    seed: int = 0,
    initial_epoch: int = 0,
    **options: Any,
) -> tf.data.Dataset:
    """Batches of (images, targets) of a converted data set, for a Keras model's `fit`.

    Images are float32 [B, H, W, 3], RGB 0..255. Targets are, by task:

    - classification: class ids int32 [B], or float32 [B, K] by `label_mode`.
    - segmentation: class ids int32 [B, H, W], 255 where a pixel counts for nothing: Keras's
      `SparseCategoricalCrossentropy(ignore_class=255)`.
    - detection: a dict of `boxes` float32 [B, M, 4], y1 x1 y2 x2 in pixels of the batch's images;
      `class_ids` int32 [B, M], -1 where there is no box; `frame` float32 [B, 6], which leads back
      to the original images (docs/architecture.md).
    - instance: and `masks` uint8 [B, M, s, s], 0 or 1, each in the frame of its box.

    In training every pass over the data set is the next epoch of one shuffled stream, which is a
    function of `seed` alone; batches are full and run across the ends of epochs. Otherwise each
    image comes once, in the order of the records, and the last batch has what is left. The data set
    has `class_names`, in id order, and `info`.

    Args:
        path: The folder that `convert` wrote.
        split: The name of a split.
        task: One of `tasks.TASKS`; None where the records are for one alone.
        training: Shuffled, augmented and endless in parts, or for evaluation.
        image_size: Height and width, or both in one number, in pixels.
        batch_size: Images of a batch, over all replicas.
        augment: Names of augmentations (docs/augmentation.md), or dicts of a name and options.
        label_mode: Of classification: "int", "one_hot", or "multi_hot" (several labels an image).
        seed: Of the order and of everything random.
        initial_epoch: The epoch of the first pass, as `fit` takes it, to go on with a training.
        **options: Settings of a config's `inputs` (resize, "stretch" by default; crop, mix,
            padding ...), shuffle_buffer, and for boxes max_boxes, mask_size and train_difficult.

    Raises:
        UsageError: for an unknown task, augmentation or option, or a wrong value.
        DataError: for a folder or split that is not there, or lacks what the task needs.
    """
    errors.expect(options, [name for names in _OPTIONS.values() for name in names], "datasets.load")
    errors.choose(dict.fromkeys(LABEL_MODES), label_mode, "label_mode")
    data = info(path)
    task = task or _only_task(data)
    _check(data, split, task, label_mode, options)
    if not isinstance(initial_epoch, int) or initial_epoch < 0:
        raise errors.UsageError(
            f"initial_epoch is {initial_epoch!r}; it must be a whole number from 0"
        )
    if not training:
        _refuse({"augment": augment, "initial_epoch": initial_epoch, **options})
    with arguments.settings():
        config = configs.config(
            task=task,
            seed=seed,
            model={"name": _MODELS.get(task, "")},
            head="sigmoid" if label_mode == "multi_hot" else "softmax",
            train={"batch_size": batch_size},
            **_sections({"image_size": image_size, "augment": augment, **options}),
        )
        config.data.path = data.path
        return _batches(config, data, split, label_mode, initial_epoch if training else None)


def _only_task(data: dataset.Dataset) -> str:
    """The one task that the records are for; UsageError where there are several or none."""
    from tfvision import tasks

    fit = [name for name, group in tasks.NEEDS.items() if group in data.groups]
    if len(fit) != 1:
        groups = ", ".join(data.groups) or "images only"
        raise errors.UsageError(
            f"task is missing: {data.path} (with {groups}) is for {' or '.join(fit) or 'no task'}"
        )
    return fit[0]


def _check(
    data: dataset.Dataset, split: str, task: str, label_mode: str, options: Mapping[str, Any]
) -> None:
    if not data.split(split).records:
        raise errors.DataError(f"{data.path}: split '{split}' is empty")
    if label_mode != "int" and task != "classification":
        raise errors.UsageError(f"label_mode is for task 'classification', not '{task}'")
    if label_mode == "int" and task == "classification" and options.get("mix"):
        raise errors.UsageError("mix makes shares of classes; give label_mode='one_hot' with it")


def _refuse(given: Mapping[str, Any]) -> None:
    """Raises UsageError for what changes images in training."""
    for name in ("augment", "initial_epoch", "shuffle_buffer", *_OF_TRAINING):
        if given.get(name):
            raise errors.UsageError(f"{name} is for training; leave it out with training=False")


def _sections(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options by the section of a config that they are of; a name alone is a dict of it."""
    given = {"resize": "stretch", **given}
    for name in ("crop", "mix"):
        if isinstance(given.get(name), str):
            given[name] = {"name": given[name]}
    steps = given["augment"]
    steps = [steps] if isinstance(steps, (str, Mapping)) else steps
    given["augment"] = tuple({"name": s} if isinstance(s, str) else s for s in steps)
    sections = {**_OPTIONS, "inputs": ("image_size", "augment", *_OPTIONS["inputs"])}
    return {
        section: {name: given[name] for name in names if name in given}
        for section, names in sections.items()
    }


def _batches(
    config: Any, data: dataset.Dataset, split: str, label_mode: str, epoch: int | None
) -> tf.data.Dataset:
    """epoch: the first one of a training; None for an evaluation."""
    from tfvision import tasks
    from tfvision.datasets import pairs_of_task

    task = tasks.build(config)
    if epoch is None:
        batches = pairs_of_task.evaluation(task, data, split)
    else:
        batches = pairs_of_task.training(task, data, split, epoch)
    result = pairs_of_task.paired(batches, task, label_mode)
    result.class_names, result.info = list(data.class_names), data
    return result
