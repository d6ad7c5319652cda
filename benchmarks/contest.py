"""Contenders in processes of their own, timed in turns, for train_speed.py and infer.py.

Every contender is a file, this one if none is named, run with what it is to be; it answers "N"
with the seconds that N steps took, those of its processor, and its peak memory. All see the same
batch of images, already in memory.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

BATCH = 16
SIZES = {"inception_v3": 299}
CONTENDERS = ("ours", "keras", "torch")


def size_of(model):
    return SIZES.get(model, 224)


def pixels(model):
    import numpy as np

    shape = (BATCH, size_of(model), size_of(model), 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# ---- what a contender does: a function of the number of steps ----


def ours_train(model, precision):
    import numpy as np
    import tensorflow as tf

    from tfvision import config, optimizers, stack, training
    from tfvision.tasks import ClassificationTask
    from tfvision.training.step import StepFunction

    size = (size_of(model),) * 2
    conf = config.config(model={"name": model}, inputs={"image_size": size})
    task = ClassificationTask(conf, [str(i) for i in range(1000)])
    with stack.precision(training.policy(precision)):
        net = task.build()
        optimizer = optimizers.build("momentum", 0.01)
        optimizers.create_slots(optimizer, net.train.trainable_variables)
    strategy = tf.distribute.get_strategy()
    step = tf.Variable(0, dtype=tf.int64)
    function = StepFunction(task, net, optimizer, step, strategy, conf)
    batch = {
        "image": tf.constant(pixels(model), tf.float32),
        "labels": tf.constant(np.arange(BATCH) % 1000, tf.int32),
        "valid": tf.ones([BATCH], tf.bool),
    }
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return lambda steps: function.run(batches, tf.constant(steps)).numpy()


def keras_model(model, precision):
    import keras

    if precision == "bfloat16":
        keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    names = {"resnet50": "ResNet50", "vgg16": "VGG16", "inception_v3": "InceptionV3"}
    kind = getattr(keras.applications, names[model])
    return kind(weights=None, classifier_activation=None)


def keras_train(model, precision):
    import keras
    import numpy as np
    import tensorflow as tf

    net = keras_model(model, precision)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    batch = (tf.constant(pixels(model), tf.float32), tf.constant(np.arange(BATCH) % 1000))
    batches = tf.data.Dataset.from_tensors(batch).repeat()
    return lambda steps: net.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0)


def torch_model(model, precision):
    import contextlib

    import torch

    # A torchvision whose compiled operators do not load still has its models.
    register = torch.library.register_fake
    torch.library.register_fake = lambda *names, **options: lambda function: function
    import torchvision

    torch.library.register_fake = register
    torch.set_num_threads(os.cpu_count())
    net = getattr(torchvision.models, model)(weights=None).to(memory_format=torch.channels_last)
    images = torch.tensor(pixels(model)).permute(0, 3, 1, 2).float() / 255
    images = images.to(memory_format=torch.channels_last)
    mixed = precision == "bfloat16"
    cast = torch.autocast("cpu", torch.bfloat16) if mixed else contextlib.nullcontext()
    return net, images, cast


def torch_train(model, precision):
    import torch

    net, images, cast = torch_model(model, precision)
    labels = torch.arange(BATCH) % 1000
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    entropy = torch.nn.CrossEntropyLoss()

    def run(steps):
        for _ in range(steps):
            optimizer.zero_grad()
            with cast:
                outputs = net(images)
                outputs, extra = outputs if isinstance(outputs, tuple) else (outputs, None)
                loss = entropy(outputs.float(), labels)
                if extra is not None:
                    loss = loss + 0.4 * entropy(extra.float(), labels)
            loss.backward()
            optimizer.step()

    return run


def ours_infer(model, precision):
    """The exported graph, decoding aside: its signature for arrays."""
    import io
    import tempfile

    import tensorflow as tf
    from PIL import Image

    from tfvision import config, serving, stack, training
    from tfvision.serving import exporter
    from tfvision.tasks import ClassificationTask

    size = size_of(model)
    inputs = {"image_size": (size, size), "resize": "stretch"}
    conf = config.config(model={"name": model}, inputs=inputs)
    task = ClassificationTask(conf, [str(i) for i in range(1000)])
    with stack.precision(training.policy(precision)):
        net = task.build()
    buffer = io.BytesIO()
    Image.fromarray(pixels(model)[0]).save(buffer, "png")
    # The check would fail on random logits in bfloat16 by chance alone; it is not what is timed.
    exporter.TOLERANCES["bfloat16"] = (0.0, 1.0)
    folder = tempfile.mkdtemp()
    exporter.export(
        task, net, class_names=[str(i) for i in range(1000)], config_json=conf.to_dict(),
        metrics={}, output=folder, samples=[buffer.getvalue()],
    )  # fmt: skip
    del serving
    loaded = tf.saved_model.load(os.path.join(folder, "1"))
    function = loaded.signatures["serving_image"]
    images = tf.constant(pixels(model))

    def run(steps):
        for _ in range(steps):
            function(image=images)["scores"].numpy()

    return run


def keras_infer(model, precision):
    import tensorflow as tf

    net = keras_model(model, precision)
    images = tf.constant(pixels(model), tf.float32)
    return lambda steps: [net.predict_on_batch(images) for _ in range(steps)]


def torch_infer(model, precision):
    import torch

    net, images, cast = torch_model(model, precision)
    net.eval()

    def run(steps):
        with torch.inference_mode(), cast:
            for _ in range(steps):
                net(images)

    return run


# ---- the contest ----


class Contender:
    """A process that is warm and waits for its turns; None of `alive` where it cannot run."""

    def __init__(self, who, mode, model, precision, python, script=__file__):
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        command = [python, os.path.abspath(script), who, mode, model, precision]
        self.who = who
        self.other = []  # lines that are no answers
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        self.alive = self._answer() == "ready"

    def _answer(self):
        for line in self._process.stdout:
            if line.startswith("> "):
                return line[2:].strip()
            self.other.append(line)
        return None

    def turn(self, steps):
        """Seconds, seconds of the processor, peak memory in MiB."""
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return tuple(float(part) for part in self._answer().split())

    def seconds(self, steps):
        return self.turn(steps)[0]

    def end(self):
        self._process.stdin.close()
        self._process.wait()


def contend(who, mode, model, precision, functions=None):
    """Runs in the contender's own process. functions: "who_mode" -> one, of its script."""
    run = (functions or globals())[f"{who}_{mode}"](model, precision)
    run(2)
    print("> ready", flush=True)
    for line in sys.stdin:
        start, used = time.perf_counter(), time.process_time()
        run(int(line))
        spent = time.perf_counter() - start, time.process_time() - used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(">", *spent, peak, flush=True)


def race(mode, model, precision, *, rounds, steps, torch_python):
    """{contender: images/s of each round}, taken in turns."""
    contenders = []
    for who in CONTENDERS:
        python = torch_python if who == "torch" else sys.executable
        contender = Contender(who, mode, model, precision, python)
        if contender.alive:
            contenders.append(contender)
        else:
            print(f"  {who}: not here", flush=True)
    rates = {contender.who: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            rates[contender.who].append(steps * BATCH / contender.seconds(steps))
    for contender in contenders:
        contender.end()
    return rates


def main(mode, steps):
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="resnet50,vgg16,inception_v3")
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--torch", default=sys.executable, help="Python that has torchvision")
    options = parser.parse_args()
    for model in options.models.split(","):
        for precision in options.precisions.split(","):
            print(f"{mode} {model} {precision}, batch {BATCH}, {size_of(model)} pixels", flush=True)
            rates = race(
                mode, model, precision,
                rounds=options.rounds, steps=options.steps, torch_python=options.torch,
            )  # fmt: skip
            for who, values in rates.items():
                line = f"  {who:<6} {statistics.median(values):7.1f} images/s"
                if who != "ours":
                    pairs = [a / b for a, b in zip(rates["ours"], values, strict=True)]
                    line += f"; ours is {statistics.median(pairs):.2f} times that"
                print(line, flush=True)


if __name__ == "__main__":
    contend(*sys.argv[1:])
