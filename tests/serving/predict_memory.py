"""`tfvision predict` over few and over many images: its memory, and what a kill leaves.

    python tests/serving/predict_memory.py [FEW [MANY]]     500 and 5,000: about three minutes

Peak memory of MANY is within 5 % of that of FEW, for every format. Killed (SIGKILL) or stopped
(Ctrl-C) in the middle, predictions.json is whole and contains every image that was told of before
the last batch.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from tfvision import config as configs
from tfvision import tasks
from tfvision.serving import exporter

BATCH = 16
MOST = 1.05


def model(folder):
    """BASE of a small detector that was never trained, at a threshold where it finds boxes."""
    config = configs.config(
        task="detection",
        model={"name": "yolo_v3_small", "width": 2},
        inputs={"image_size": (32, 32), "resize": "letterbox"},
        detection={"score_threshold": 0.01, "max_detections": 20},
    )
    config.data.class_names = ("cat", "dog")
    task = tasks.build(config)
    samples = [next(iter(folder.glob("images/*.png"))).read_bytes()]
    exporter.export(
        task,
        task.build(),
        class_names=config.data.class_names,
        config_json=json.loads(configs.to_json(config)),
        metrics={},
        output=str(folder / "base"),
        samples=samples,
    )
    return folder / "base"


def pictures(folder, count):
    """Writes `count` images of 48 x 40 noise pixels."""
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 255, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{i:05d}.png")


def predict(base, output, files, kind):
    """A running command; it takes SIGINT also where this process was started without."""
    command = [sys.executable, "-m", "tfvision.cli", "predict", f"--model={base}",
               f"--output={output}", f"--format={kind}", *map(str, files)]  # fmt: skip
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def peak(base, output, files, kind):
    """MiB at most that the command held."""
    process = predict(base, output, files, kind)
    lines = sum(1 for _ in process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, status
    assert lines >= len(files), lines
    return usage.ru_maxrss / 1024


def stopped(base, output, files, how):
    """(images told of, images in the file) of a command that got a signal in the middle."""
    process, told = predict(base, output, files, "json"), 0
    for line in process.stdout:
        told += ".png: " in line
        if told == len(files) // 2:
            process.send_signal(how)
    process.wait()
    assert process.returncode not in (0, None)
    return told, len(json.loads((output / "predictions.json").read_text()))


def main():
    """Prints the table; exits with 1 where memory grows or something is lost."""
    few, many = [*map(int, sys.argv[1:]), *(500, 5000)[len(sys.argv) - 1 :]]
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pictures(folder, many)
        files = sorted((folder / "images").iterdir())
        base = model(folder)
        for kind in ("json", "jsonl", "csv", "coco", "yolo"):
            sizes = [
                peak(base, folder / f"{kind}-{count}", files[:count], kind) for count in (few, many)
            ]
            ratio = sizes[1] / sizes[0]
            print(f"{kind:6} peak {sizes[0]:.0f} and {sizes[1]:.0f} MiB: {ratio:.3f}", flush=True)
            if ratio > MOST:
                wrong.append(kind)
        for how in (signal.SIGKILL, signal.SIGINT):
            told, kept = stopped(base, folder / how.name, files, how)
            print(f"{how.name}: {told} told of, {kept} in the file", flush=True)
            if kept < told - BATCH or kept % BATCH:
                wrong.append(how.name)
    sys.exit(f"wrong: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
