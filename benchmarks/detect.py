"""Detection speed on the CPU: our frozen graph against OpenCV's dnn module, in turns.

    python benchmarks/detect.py [--models=yolo_v3_tiny,yolo_v3] [--opencv=PYTHON] [--rounds=5]

Both run the same cfg file and weights, one image of 416 x 416 pixels at a time, down to decoded
boxes without suppression. OpenCV (4.x, which reads Darknet's files) may live in an environment of
its own. Prints medians, the median of the rounds' ratios, and how far the boxes differ.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

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

    from tfvision import models, stack, weights
    from tfvision.models import yolo_networks
    from tfvision.ops import yolo_decode as ops

    with stack.precision(precision):
        net = models.build(model, num_classes=CLASSES, image_size=SIZE)
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


class Contender:
    """A process that is warm and waits for its turns; `alive` is false where it cannot run."""

    def __init__(self, who, folder, model, python):
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        self.who, self.boxes = who, os.path.join(folder, f"{who}.npy")
        self._process = subprocess.Popen(
            [python, os.path.abspath(__file__), "--be", who, folder, model],
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
        return None

    def seconds(self, steps):
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def end(self):
        self._process.stdin.close()
        self._process.wait()


def contend(who, folder, model):
    """Runs in the contender's own process."""
    import numpy as np

    run = globals()[who](folder, model)
    np.save(os.path.join(folder, f"{who}.npy"), run())
    run()
    print("> ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            run()
        print(f"> {time.perf_counter() - start}", flush=True)


def write_files(folder, model):
    """A cfg file and fresh weights of a network of ours."""
    from tfvision import models
    from tfvision.darknet import cfg
    from tfvision.models import yolo_networks
    from tfvision.weights import darknet_weights, native

    net = models.build(model, num_classes=CLASSES, image_size=SIZE)
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
        contenders = []
        for who in CONTENDERS:
            python = opencv_python if who == "opencv" else sys.executable
            contender = Contender(who, folder, model, python)
            print("" if contender.alive else f"  {who}: not here\n", end="", flush=True)
            contenders += [contender] if contender.alive else []
        rates = {contender.who: [] for contender in contenders}
        for _ in range(rounds):
            for contender in contenders:
                rates[contender.who].append(steps / contender.seconds(steps))
        boxes = {contender.who: np.load(contender.boxes) for contender in contenders}
        for contender in contenders:
            contender.end()
    for who, values in rates.items():
        line = f"  {who:<8} {statistics.median(values):7.2f} images/s"
        if "opencv" in rates and who != "opencv":
            pairs = [a / b for a, b in zip(values, rates["opencv"], strict=True)]
            difference = np.abs(boxes[who] - boxes["opencv"]).max()
            line += f", {statistics.median(pairs):.2f} times OpenCV; boxes {difference:.3f} px off"
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
    if sys.argv[1:2] == ["--be"]:
        contend(*sys.argv[2:])
    else:
        main()
