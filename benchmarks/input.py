"""Images/s of the training input against bare JPEG decoding and torchvision's DataLoader.

    python benchmarks/input.py [--pairs=5] [--images=300] [--passes=3] [--torch=PYTHON]
        [--photos=DIR] [--coarse] [--scaled] [--intra_op_threads=1]
    python benchmarks/input.py --megapixels=12 [--images=50] [--pairs=3] [--max_side=1024]

Ours: records -> random_resized_crop to 224 -> horizontal flip -> batches of 64, no model. Bare: a
tf.data map that does only tf.image.decode_and_crop_jpeg of the very same windows. torchvision:
ImageFolder, RandomResizedCrop(224), flip, ToTensor in a DataLoader with a worker a core, run by
the interpreter --torch (default: this one). The pictures are crops of scikit-learn's two
photographs of about 500 x 375, quality 90. Interleaved pairs; the median ratios are the answer,
the absolute numbers belong to the machine and the hour.

--photos takes JPEGs of your own (as they are), --coarse resizes without antialiasing,
--intra_op_threads=1 is train.intra_op_threads=1, for where a GPU trains (torch's workers always
have one thread each). Measured figures, and what an image costs where, are in BUILD_NOTES.md.

--megapixels is about large photos: upscaled, noisy crops of the same photographs, quality 90. It
tells what a conversion with --max_side and the input with inputs.scaled_decoding (--scaled in the
other mode) gain over the photos as they are, and the two together.
"""

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_images

from tfvision import config, sources, tasks
from tfvision.inputs import augment, pipeline
from tfvision.records import dataset, shrink, writer

BATCH = 64
TORCH = """
import os, sys, time, torch
from torchvision import datasets, transforms
folder, passes = sys.argv[1], int(sys.argv[2])
steps = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()]
steps.append(transforms.ToTensor())
data = datasets.ImageFolder(folder, transforms.Compose(steps))
data = torch.utils.data.ConcatDataset([data] * (2 * passes))  # no gaps between epochs
loader = torch.utils.data.DataLoader(
    data, batch_size=64, shuffle=True, num_workers=os.cpu_count(), drop_last=True
)
batches = iter(loader)
for _ in range(len(loader) // 2):  # the workers start
    next(batches)
start = time.perf_counter()
count = sum(len(images) for images, _ in batches)
print(count / (time.perf_counter() - start))
"""


def make_records(folder, count, images):
    """Two class folders of JPEGs (copies of those in `own`, if given) and their records."""
    rng = np.random.default_rng(0)
    photos = load_sample_images().images
    images = [os.path.join(images, name) for name in sorted(os.listdir(images))] if images else []
    for index in range(count):
        place = os.path.join(folder, "images", "train", f"class{index % 2}")
        os.makedirs(place, exist_ok=True)
        if images:
            shutil.copy(images[index % len(images)], os.path.join(place, f"{index}.jpg"))
            continue
        pixels = photos[index % 2]
        height, width = rng.integers(340, 411), rng.integers(460, 541)
        y, x = rng.integers(0, pixels.shape[0] - height), rng.integers(0, pixels.shape[1] - width)
        part = pixels[y : y + height, x : x + width]
        Image.fromarray(part).save(os.path.join(place, f"{index}.jpg"), quality=90)
    source = sources.FORMATS["folder"](os.path.join(folder, "images"), None, split="train")
    writer.write(source, os.path.join(folder, "records"), writer.Options(split="train"))
    return os.path.join(folder, "records")


def make_large(folder, count, megapixels):
    """Two class folders of photos of 4 : 3, a little different from each other in size."""
    rng = np.random.default_rng(0)
    photos = load_sample_images().images
    for index in range(count):
        width = round((megapixels * 1e6 * 4 / 3) ** 0.5) + int(rng.integers(-20, 21))
        height = width * 3 // 4
        y, x = rng.integers(0, 60), rng.integers(0, 150)
        part = Image.fromarray(photos[index % 2][y : y + 360, x : x + 480])
        pixels = np.asarray(part.resize((width, height), Image.Resampling.BICUBIC), np.int16)
        pixels = pixels + rng.integers(-8, 9, pixels.shape, np.int16)
        place = os.path.join(folder, "images", "train", f"class{index % 2}")
        os.makedirs(place, exist_ok=True)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(os.path.join(place, f"{index}.jpg"), quality=90)


def convert(folder, name, limit):
    """Records of the photos in `folder` by one process; prints its speed and their size."""
    source = sources.FORMATS["folder"](os.path.join(folder, "images"), None, split="train")
    records = os.path.join(folder, name)
    start = time.perf_counter()
    report = writer.write(source, records, writer.Options(split="train", limit=limit))["train"]
    rate = report.images / (time.perf_counter() - start)
    megabytes = sum(shard.bytes for shard in report.shards) / 1e6
    print(f"converted {name}: {rate:.1f} images/s, {megabytes:,.1f} MB", flush=True)
    return records


def compare_large(options, folder):
    """Prints the input's images/s of large photos, as they are, decoded smaller, stored smaller."""
    make_large(folder, options.images, options.megapixels)
    limit = shrink.Limit(options.max_side)
    whole, small = convert(folder, "whole", None), convert(folder, "shrunk", limit)
    inputs = {
        "plain": our_input(whole, options.coarse),
        "scaled_decoding": our_input(whole, options.coarse, scaled=True),
        f"max_side={options.max_side}": our_input(small, options.coarse),
        "both": our_input(small, options.coarse, scaled=True),
    }
    ratios = {name: [] for name in inputs}
    for _ in range(options.pairs):
        plain, texts = None, []
        for name, data in inputs.items():
            rates = rate(data, options.passes * options.images)
            plain = plain or rates
            ratios[name].append(rates / plain)
            texts.append(f"{name} {rates:.1f} images/s ({ratios[name][-1]:.2f})")
        print(", ".join(texts), flush=True)
    for name, rates in ratios.items():
        print(f"median ratio to plain, {name} = {statistics.median(rates):.2f}")


def our_input(records, coarse, scaled=False):
    """The pipeline, as the Trainer makes it."""
    settings = config.config(
        data={"path": records},
        model={"name": "resnet18"},
        inputs={
            "image_size": (224, 224),
            "crop": {"name": "random_resized_crop"},
            "augment": ({"name": "horizontal_flip"},),
            "antialias": not coarse,
            "scaled_decoding": scaled,
        },
    )
    task = tasks.build(settings)
    data = dataset.read(records)
    order = pipeline.Order(data.files("train"), data.split("train").records, BATCH, seed=0)
    return pipeline.train(order, task.fields, task.prepare_train)


def bare_input(folder):
    """Batches of decoded windows' sizes."""
    encoded, windows = [], []
    for name in sorted(os.listdir(os.path.join(folder, "images", "train"))):
        place = os.path.join(folder, "images", "train", name)
        for file in sorted(os.listdir(place)):
            with open(os.path.join(place, file), "rb") as opened:
                encoded.append(opened.read())
            width, height = Image.open(io.BytesIO(encoded[-1])).size
            window = augment.random_resized_crop(tf.constant([0, len(encoded)], tf.int64))
            windows.append(window(tf.constant(height), tf.constant(width)).numpy())

    def decoded(data, window):
        pixels = tf.image.decode_and_crop_jpeg(
            data, window, channels=3, dct_method="INTEGER_ACCURATE"
        )
        return tf.size(pixels)

    data = tf.data.Dataset.from_tensor_slices((encoded, np.stack(windows))).repeat()
    data = data.map(decoded, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    return data.prefetch(tf.data.AUTOTUNE)


def rate(data, images):
    """Images/s of a new input's batches after some to settle, so that no two run at once."""
    batches = iter(data)
    steps = -(-images // BATCH)
    for _ in range(steps):
        next(batches)
    start = time.perf_counter()
    for _ in range(steps):
        next(batches)
    return steps * BATCH / (time.perf_counter() - start)


def torch_rate(python, folder, passes):
    """Images/s of torchvision's DataLoader, or None where it cannot be imported."""
    probe = subprocess.run([python, "-c", "import torchvision"], capture_output=True, check=False)
    if probe.returncode:
        return None
    place = os.path.join(folder, "images", "train")
    command = [python, "-c", TORCH, place, str(passes)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--photos", help="folder of JPEGs to use instead of generated ones")
    parser.add_argument("--coarse", action="store_true", help="resize without antialiasing")
    parser.add_argument("--scaled", action="store_true", help="inputs.scaled_decoding")
    parser.add_argument("--megapixels", type=float, default=0, help="of large photos, alone")
    parser.add_argument("--max_side", type=int, default=1024, help="of the records of large photos")
    parser.add_argument("--intra_op_threads", type=int, default=0, help="0: TensorFlow's choice")
    parser.add_argument("--torch", default=sys.executable)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.intra_op_threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.megapixels:
            compare_large(options, folder)
            return
        records = make_records(folder, options.images, options.photos)
        ours, bare = our_input(records, options.coarse, options.scaled), bare_input(folder)
        images = options.passes * options.images
        to_bare, to_torch = [], []
        for _ in range(options.pairs):
            ours_rate, plain = rate(ours, images), rate(bare, images)
            to_bare.append(ours_rate / plain)
            text = f"ours {ours_rate:.0f} images/s, bare decoding {plain:.0f} ({to_bare[-1]:.2f})"
            peer = torch_rate(options.torch, folder, options.passes)
            if peer:
                to_torch.append(ours_rate / peer)
                text += f", torchvision {peer:.0f} ({to_torch[-1]:.2f})"
            print(text, flush=True)
    print(f"median ratio to bare decoding = {statistics.median(to_bare):.3f}")
    if to_torch:
        print(f"median ratio to torchvision's DataLoader = {statistics.median(to_torch):.3f}")
    else:
        print(f"torchvision is not there: {options.torch} cannot import it")


if __name__ == "__main__":
    main()
