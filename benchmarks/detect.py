"""Detection speed on the CPU: our frozen graph against OpenCV's dnn module, in turns.

    python benchmarks/detect.py [--models=yolo_v3_tiny,yolo_v3] [--opencv=PYTHON] [--rounds=5]

Both run the same cfg file and weights, one image of 416 x 416 pixels at a time, down to decoded
boxes without suppression. OpenCV (4.x, which reads Darknet's files) may live in an environment of
its own. Prints medians, the median of the rounds' ratios, and how far the boxes differ.
"""

import argparse
import os
import statistics
import sys
import tempfile

import side_by_side

SIZE = (416, 416)
CLASSES = 80
CONTENDERS = ("float32", "bfloat16", "opencv")


def picture():
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3)).astype(np.float32)


# ---- what a contender does: a function without arguments that gives [N, 4] y1 x1 y2 x2 ----


def ours(folder, model, precision):
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    from tfvision import architectures, stack, weights
    from tfvision.architectures import yolo_networks
    from tfvision.ops import yolo_decode as ops

    with stack.precision(precision):
        net = architectures.build(model, num_classes=CLASSES, image_size=SIZE)
    weights.load(net, os.path.join(folder, "net.weights"), source="darknet")
    heads = yolo_networks.heads(model, num_classes=CLASSES)

    @tf.function(input_signature=[tf.TensorSpec((1, *SIZE, 3))])
    def detect(image):
        return ops.decode_all(net.serve({"image": image}, training=False), heads, SIZE)

    frozen = convert_to_constants.convert_variables_to_constants_v2(detect.get_concrete_function())
    image = tf.constant(picture())
    return lambda: frozen(image)[0].numpy()[0]


def float32(folder, model):
    return ours(folder, model, "float32")


def bfloat16(folder, model):
    return ours(folder, model, "mixed_bfloat16")


def opencv(folder, model):
    import cv2
    import numpy as np

    cv2.setNumThreads(os.cpu_count())
    net = cv2.dnn.readNetFromDarknet(
        *(os.path.join(folder, f"net.{e}") for e in ("cfg", "weights"))
    )
    blob = np.ascontiguousarray(picture().transpose(0, 3, 1, 2) / 255)
    names = net.getUnconnectedOutLayersNames()

    def run():
        net.setInput(blob)
        rows = np.concatenate(net.forward(names))
        middle, half = rows[:, 1::-1] * SIZE, rows[:, 3:1:-1] * SIZE / 2
        return np.concatenate([middle - half, middle + half], axis=1)

    return run


# ---- the contest ----


def contend(who, folder, model):
    """Runs in the contender's own process."""
    import numpy as np

    run = globals()[who](folder, model)
    np.save(os.path.join(folder, f"{who}.npy"), run())
    side_by_side.serve(lambda steps: [run() for _ in range(steps)])


def write_files(folder, model):
    """A cfg file and fresh weights of a network of ours."""
    from tfvision import architectures
    from tfvision.architectures import yolo_networks
    from tfvision.darknet import cfg
    from tfvision.weights import darknet_weights, native

    net = architectures.build(model, num_classes=CLASSES, image_size=SIZE)
    for name, variable in native.named(net).items():
        if name.endswith("/gamma"):  # else the numbers of an untrained network grow without end
            variable.assign([0.7] * variable.shape[0])
    darknet_weights.write(net, os.path.join(folder, "net.weights"))
    sections = yolo_networks.sections(model, num_classes=CLASSES)
    with open(os.path.join(folder, "net.cfg"), "w", encoding="utf-8") as file:
        file.write(cfg.text(sections, SIZE))


def race(model, *, rounds, steps, opencv_python):
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        write_files(folder, model)
        pythons = dict.fromkeys(CONTENDERS, sys.executable) | {"opencv": opencv_python}
        contenders = (
            side_by_side.Contender(__file__, who, folder, model, python=python)
            for who, python in pythons.items()
        )
        turns = side_by_side.race(contenders, rounds=rounds, steps=steps)
        boxes = {who: np.load(os.path.join(folder, f"{who}.npy")) for who in turns}
    rates = side_by_side.rates(turns, steps)
    for who, values in rates.items():
        line = f"  {who:<8} {statistics.median(values):7.2f} images/s"
        if "opencv" in rates and who != "opencv":
            ratio = side_by_side.median_ratio(values, rates["opencv"])
            difference = np.abs(boxes[who] - boxes["opencv"]).max()
            line += f", {ratio:.2f} times OpenCV; boxes {difference:.3f} px off"
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="yolo_v3_tiny,yolo_v3")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--opencv", default=sys.executable, help="Python that has cv2")
    options = parser.parse_args()
    for model in options.models.split(","):
        print(f"{model}, one image of {SIZE[0]} x {SIZE[1]} pixels", flush=True)
        race(model, rounds=options.rounds, steps=options.steps, opencv_python=options.opencv)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in CONTENDERS:
        contend(*sys.argv[1:])
    else:
        main()
