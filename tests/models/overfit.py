"""Trains a segmenter on a few frames and says how much of them it gets right.

    python tests/models/overfit.py --camvid=DIR --models=fc_densenet56,deeplab_v1 [--steps=300]
        [--size=96,128] [--rate=2e-3] [--options="{'dropout': 0.0}"]

DIR is CamVid as it unpacks. The tests run the small networks; this script is for the full ones.
"""

import argparse
import ast
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from tfvision import config as configs
from tfvision import optimizers, stack, tasks, training
from tfvision.training.step import StepFunction

CLASSES = tuple("abcdefghijk")
SIZE = (96, 128)  # height, width
FRAMES = 4


def frames(camvid, size=SIZE):
    """FRAMES frames of the training part: images float32 [4, H, W, 3], labels uint8 [4, H, W]."""
    images, labels = [], []
    for path in sorted((pathlib.Path(camvid) / "train").iterdir())[:: 50 // FRAMES][:FRAMES]:
        truth = pathlib.Path(camvid) / "trainannot" / path.name
        with Image.open(path) as image, Image.open(truth) as mask:
            images.append(np.asarray(image.convert("RGB").resize(size[::-1]), np.float32))
            values = np.asarray(mask.resize(size[::-1], Image.Resampling.NEAREST))
        labels.append(np.where(values == len(CLASSES), 255, values).astype(np.uint8))
    return np.stack(images), np.stack(labels)


def accuracy(model, images, labels, *, steps, goal, rate=2e-3, precision="float32", **options):
    """(The pixel accuracy of `model` on the frames, the steps of Adam on all of them it took).

    Looks every 25 steps, and ends where the accuracy is above `goal` or after `steps`."""
    settings = configs.config(
        task="segmentation",
        data={"class_names": CLASSES},
        model={"name": model, **options},
        inputs={"image_size": images.shape[1:3], "resize": "stretch"},
    )
    keras.utils.set_random_seed(0)
    task = tasks.build(settings)
    with stack.precision(training.policy(precision)):
        net = task.build()
    schedule = optimizers.schedules.Schedule("cosine", rate, steps, end=0.01)
    optimizer = optimizers.build("adam", schedule)
    optimizers.create_slots(optimizer, net.train.trainable_variables)
    step = tf.Variable(0, dtype=tf.int64)
    function = StepFunction(task, net, optimizer, step, tf.distribute.get_strategy(), settings)
    valid = np.ones(len(images), bool)
    batch = {"image": images, "label_map": labels, "valid": valid}
    data = iter(tf.data.Dataset.from_tensors(batch).repeat())
    size = np.array(images.shape[1:3], np.float32)
    frame = np.tile(np.concatenate([size, [1, 1, 0, 0]]), (len(images), 1)).astype(np.float32)
    found = 0.0
    while found <= goal and step.numpy() < steps:
        function.run(data, tf.constant(min(25, steps - int(step.numpy()))))
        replies = task.predict(net.serve({"image": images}, training=False), frame)
        called = replies["class_map"].numpy()
        found = float((called == labels)[labels != 255].mean())
    return found, int(step.numpy())


def main():
    """Prints a line a model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--camvid", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--goal", type=float, default=0.95)
    parser.add_argument("--rate", type=float, default=2e-3, help="Adam's learning rate")
    parser.add_argument("--size", default="96,128", help="height,width of the frames")
    parser.add_argument("--options", default="{}", help="the models', as a Python dict")
    arguments = parser.parse_args()
    size, options = ast.literal_eval(arguments.size), ast.literal_eval(arguments.options)
    images, labels = frames(arguments.camvid, size)
    for model in arguments.models.split(","):
        start = time.monotonic()
        found, steps = accuracy(
            model,
            images,
            labels,
            steps=arguments.steps,
            goal=arguments.goal,
            rate=arguments.rate,
            **options,
        )
        seconds = time.monotonic() - start
        print(f"{model}: {found:.4f} after {steps} steps, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
