"""Peak memory and speed of a conversion, by the number of images.

    python benchmarks/convert_speed.py [--counts=1000,10000,100000] [--workers=1]

Small PNGs in ten class folders; each conversion is a process of its own. Memory is the peak
resident size of its largest process, and should not grow with the number of images.
"""

import argparse
import io
import os
import sys
import tempfile
import time

import numpy as np
from PIL import Image


def make_images(folder, count):
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(64):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (12, 12, 3), np.uint8)).save(buffer, "png")
        contents.append(buffer.getvalue())
    for name in range(10):
        os.makedirs(os.path.join(folder, f"class{name}"))
    for i in range(count):
        with open(os.path.join(folder, f"class{i % 10}", f"{i:07d}.png"), "wb") as file:
            file.write(contents[i % len(contents)])


def convert(images, output, workers):
    """(peak bytes, seconds) of one conversion."""
    command = [sys.executable, "-m", "tfvision.cli", "convert", "--format=folder"]
    command += [f"--images={images}", f"--output={output}", f"--workers={workers}", "--split=all"]
    start = time.perf_counter()
    child = os.spawnv(os.P_NOWAIT, sys.executable, command)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"the conversion failed: {status}")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", default="1000,10000,100000")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    first = None
    for count in map(int, options.counts.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            images = os.path.join(folder, "images")
            make_images(images, count)
            peak, seconds = convert(images, os.path.join(folder, "records"), options.workers)
        first = first or peak
        print(
            f"{count:>9,} images: peak {peak / 2**20:,.0f} MiB, {peak / first:.3f} of the first;"
            f" {count / seconds:,.0f} images/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
