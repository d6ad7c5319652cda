"""Every name that a config can choose trains one step, or shows an image to a net that does."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tfvision import config as configs
from tfvision import losses, optimizers, stack, tasks
from tfvision.inputs import augment, mixing
from tfvision.layers import activations
from tfvision.training.step import GRADIENT, StepFunction

CLASSES = ("a", "b", "c")
SIZE = (8, 8)
IMAGES = np.random.default_rng(0).uniform(0, 255, (6, *SIZE, 3)).astype(np.float32)
# What a name cannot do without.
OPTIONS = {"piecewise": {"boundaries": (0.5,), "factors": (0.1,)}}
SIZED = ("random_crop", "scale_jitter", "scale_crop", "letterbox", "darknet_jitter")
OPTIONS |= {name: {"size": SIZE} for name in SIZED}
WITH_BOXES = ("ssd_crop",)  # has no place in classification
WINDOWS = [name for name in augment.WINDOWS if name not in WITH_BOXES]


def config(**changes):
    base = {
        "data": {"class_names": CLASSES},
        "model": {"name": "resnet18", "width": 4, "stem": "small"},
        "inputs": {"image_size": SIZE, "resize": "stretch"},
    }
    return configs.config(**{**base, **changes})


@functools.cache
def shared_net():
    """One net for all names that do not change it."""
    return tasks.build(config()).build()


def batch(labels=(0, 1, 2, 0, 1, 2), images=IMAGES):
    return {
        "image": tf.constant(images),
        "labels": tf.constant(labels),
        "valid": tf.ones([len(images)], tf.bool),
    }


def takes_a_step(task, net, settings, one, optimizer=None):
    """One step of training: finite, with a gradient, and the weights move."""
    optimizer = optimizer or optimizers.build("sgd", 0.1)
    optimizers.create_slots(optimizer, net.train.trainable_variables)
    before = [np.array(v) for v in net.train.trainable_variables]
    step = tf.Variable(0, dtype=tf.int64)
    function = StepFunction(task, net, optimizer, step, tf.distribute.get_strategy(), settings)
    # Not as a graph: tracing one for every name would take most of the time.
    rows = function._run(iter(tf.data.Dataset.from_tensors(one)), tf.constant(1)).numpy()
    assert np.isfinite(rows).all()
    assert rows[0, function.names.index(GRADIENT)] > 0
    after = [np.array(v) for v in net.train.trainable_variables]
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert any(moved)
    assert all(np.isfinite(a).all() for a in after)
    paths = [stack.variable_path(v) for v in net.train.trainable_variables]
    return dict(zip(paths, moved, strict=True))


@pytest.mark.parametrize("name", activations.names())
def test_activation(name):
    settings = config(
        model={"name": "resnet18", "width": 4, "stem": "small", "activation": name,
               "zero_init_last": False}
    )  # fmt: skip
    task = tasks.build(settings)
    moved = takes_a_step(task, task.build(), settings, batch())
    slopes = [path for path in moved if "alpha" in path]
    assert bool(slopes) == (name == "prelu")
    assert all(moved[path] for path in slopes)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", losses.CLASSIFICATION)
def test_classification_loss(name, head):
    settings = config(loss={"name": name}, head=head)
    labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]] if head == "sigmoid" else None
    one = batch() if labels is None else batch(labels)
    takes_a_step(tasks.build(settings), shared_net(), settings, one)


@functools.cache
def segmenter():
    return tasks.build(segmentation()).build()


def segmentation(**changes):
    model = {"name": "fc_densenet_small", "blocks": (1, 1, 1), "growth": 2, "width": 4}
    return config(task="segmentation", model=model, **changes)


@pytest.mark.parametrize("name", [*losses.PIXELS, *losses.SEGMENTATION])
def test_segmentation_loss(name):
    settings = segmentation(loss={"name": name})
    maps = np.random.default_rng(0).choice([0, 1, 2, 255], (6, *SIZE)).astype(np.uint8)
    maps[5] = 255  # an image of void alone
    one = {**batch(), "label_map": tf.constant(maps)}
    takes_a_step(tasks.build(settings), segmenter(), settings, one)


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_optimizer(name):
    settings = config()
    optimizer = optimizers.build(name, 0.01, **OPTIONS.get(name, {}))
    takes_a_step(tasks.build(settings), shared_net(), settings, batch(), optimizer)


@pytest.mark.parametrize("name", optimizers.schedules.SCHEDULES)
def test_schedule(name):
    schedule = optimizers.schedules.Schedule(name, 0.01, 10, warmup=2, **OPTIONS.get(name, {}))
    settings = config()
    optimizer = optimizers.build("momentum", schedule)
    takes_a_step(tasks.build(settings), shared_net(), settings, batch(), optimizer)


def prepared(settings):
    """The six images as the task makes them for training, in tf.data."""
    task = tasks.build(settings)
    data = tf.data.Dataset.range(6).map(
        lambda i: task.prepare_train(
            {
                "image": tf.cast(tf.gather(IMAGES, i), tf.uint8),
                "labels": tf.reshape(i % 3, [1]),
                "seed": tf.stack([tf.constant(1, tf.int64), i]),
            }
        )
    )
    samples = list(data)
    return task, {k: tf.stack([s[k] for s in samples]) for k in ("image", "labels")}


@pytest.mark.parametrize("name", [*augment.AUGMENTATIONS, *(f"crop:{name}" for name in WINDOWS)])
def test_augmentation(name):
    crop, name = name.startswith("crop:"), name.removeprefix("crop:")
    step = {"name": name, **OPTIONS.get(name, {})}
    section = {"crop": step} if crop else {"augment": (step,)}
    settings = config(inputs={"image_size": SIZE, "resize": "stretch", **section})
    task, samples = prepared(settings)
    assert samples["image"].shape == (6, *SIZE, 3)
    takes_a_step(task, shared_net(), settings, batch(samples["labels"], samples["image"]))


@pytest.mark.parametrize("name", mixing.MIXES)
def test_mix(name):
    settings = config(inputs={"image_size": SIZE, "resize": "stretch", "mix": {"name": name}})
    task = tasks.build(settings)
    mixed = task.mix(batch(), tf.constant([1, 2], tf.int64), 0)
    assert mixed["labels"].shape == (6, 3)
    takes_a_step(task, shared_net(), settings, mixed)
