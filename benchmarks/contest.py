"""Classifiers of ours, Keras Applications and torchvision, for train_speed.py and infer.py.

All see the same batch of images, already in memory.
"""

import argparse
import os
import statistics
import sys

import side_by_side

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
    return net, images, torch_cast(precision)


def torch_cast(precision):
    import contextlib

    import torch

    mixed = precision == "bfloat16"
    return torch.autocast("cpu", torch.bfloat16) if mixed else contextlib.nullcontext()


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


def contender(who, mode, model, precision, torch_python):
    python = torch_python if who == "torch" else sys.executable
    return side_by_side.Contender(__file__, who, mode, model, precision, python=python)


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
            contenders = (
                contender(who, mode, model, precision, options.torch) for who in CONTENDERS
            )
            turns = side_by_side.race(contenders, rounds=options.rounds, steps=options.steps)
            rates = side_by_side.rates(turns, options.steps * BATCH)
            for who, values in rates.items():
                line = f"  {who:<6} {statistics.median(values):7.1f} images/s"
                if who != "ours":
                    ratio = side_by_side.median_ratio(rates["ours"], values)
                    line += f"; ours is {ratio:.2f} times that"
                print(line, flush=True)


if __name__ == "__main__":
    who, mode, model, precision = sys.argv[1:]
    side_by_side.serve(globals()[f"{who}_{mode}"](model, precision))
