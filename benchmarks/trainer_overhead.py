"""The Trainer's loop against a bare tf.function loop over the same model, optimizer and data.

    python benchmarks/trainer_overhead.py [--pairs=5] [--steps=60]     speed: ratio of images/s
    python benchmarks/trainer_overhead.py --memory [--steps=5000]      resident memory of a long run

Speed: interleaved pairs; the median ratio is the answer. Memory: tiny steps with an evaluation
and a checkpoint every 200; resident memory at the end against that at step 1,000.
"""

import argparse
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from PIL import Image

from tfvision import config, sources, stack, tasks, training
from tfvision.inputs import pipeline
from tfvision.net import Net
from tfvision.records import writer


def make_records(folder, size, count):
    rng = np.random.default_rng(0)
    for split, number in (("train", count), ("val", 16)):
        for index, name in enumerate(("dark", "light")):
            place = os.path.join(folder, "images", split, name)
            os.makedirs(place)
            for i in range(number // 2):
                pixels = rng.normal(80 + 90 * index, 30, (size, size, 3)).clip(0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(os.path.join(place, f"{i}.png"))
        source = sources.FORMATS["folder"](os.path.join(folder, "images"), None, split=split)
        writer.write(source, os.path.join(folder, "records"), writer.Options(split=split))
    return os.path.join(folder, "records")


def settings(records, size, width, **train):
    return config.config(
        data={"path": records},
        model={"name": "resnet18", "width": width, "stem": "small"},
        inputs={"image_size": (size, size), "resize": "stretch"},
        optimizer={"name": "momentum"},
        schedule={"name": "constant", "learning_rate": 0.01},
        train={"batch_size": 16, **train},
    )


def bare_loop(conf, steps):
    """images/s of the plainest loop: same net, optimizer, data and steps in one call."""
    training.prepare(conf)
    trainer = training.Trainer(tasks.build(conf), conf, tempfile.mkdtemp())
    net, task, optimizer = trainer.net, trainer.task, trainer.optimizer
    variables = net.train.trainable_variables
    files, size = trainer.data.files("train"), conf.train.batch_size
    order = pipeline.Order(files, trainer.records, size, seed=0)
    data = iter(pipeline.train(order, task.fields, task.prepare_train))

    @tf.function
    def call(count):
        last = 0.0
        for _ in tf.range(count):
            batch = next(data)
            with tf.GradientTape() as tape:
                outputs = net.train(Net.pick(net.train, batch), training=True)
                loss = task.losses(batch, outputs)["class"]
            gradients = tape.gradient(loss, [stack.raw(v) for v in variables])
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            last = loss
        return last

    call(tf.constant(10)).numpy()
    start = time.perf_counter()
    for _ in range(steps // 10):
        call(tf.constant(10)).numpy()
    return steps * conf.train.batch_size / (time.perf_counter() - start)


def trainer_loop(conf, steps):
    """images/s of fit(), after its first call, evaluations and checkpoints left out."""
    import json

    workdir = tempfile.mkdtemp()
    training.Trainer(tasks.build(conf), conf, workdir).fit()
    with open(os.path.join(workdir, "log.jsonl"), encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    return [e["images_per_second"] for e in entries if e.get("images_per_second")][-1]


def resident():
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory(records, steps):
    import keras

    class Watch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.at = {}

        def on_train_batch_end(self, batch, logs=None):
            step = int(self.model.optimizer.iterations)
            if step % 1000 == 0:
                self.at[step] = resident()
                print(f"step {step}: {self.at[step] / 2**20:.0f} MiB", flush=True)

    conf = settings(
        records, 8, 2, steps=steps, eval_every=200, checkpoint_every=200, precision="float32"
    )
    watch = Watch()
    training.Trainer(tasks.build(conf), conf, tempfile.mkdtemp(), callbacks=[watch]).fit()
    print(f"memory at the end / at step 1,000 = {watch.at[steps] / watch.at[1000]:.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            memory(make_records(folder, 8, 64), options.steps or 5000)
            return
        steps = options.steps or 60
        records = make_records(folder, 48, 256)
        # Enough steps that the last log entry covers all but the first call.
        conf = settings(records, 48, 32, steps=steps + 10, eval_every=10**6, checkpoint_every=10**6)
        ratios = []
        for _ in range(options.pairs):
            bare = bare_loop(conf, steps)
            ours = trainer_loop(conf, steps)
            ratios.append(ours / bare)
            print(f"bare {bare:.1f} images/s, Trainer {ours:.1f}, ratio {ratios[-1]:.3f}")
        print(f"median ratio Trainer / bare loop = {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
