"""What it costs several workers to read records that they do not use, against making a sample.

    python benchmarks/reading.py [--kilobytes=100] [--records=2000]

Writes noisy JPEGs of about that size into a temporary folder, 16 shards, and times two passes in
turn, three of each: over the training stream of one worker, nothing decoded (what a record costs
that is another worker's), and over its prepared samples (random_resized_crop to 224 x 224). Both
run on all cores, from the page cache. Of W workers each reads W records a sample: the last table is
of (making + (W - 1) * reading) / making, what a worker's sample takes against reading by files.
For 8 workers it is measured as well.
"""

import argparse
import dataclasses
import pathlib
import statistics
import tempfile
import time

import numpy as np
import tensorflow as tf

from tfvision import config as configs
from tfvision import schema
from tfvision.inputs import pipeline
from tfvision.records import example
from tfvision.tasks import classification_task

WORKERS = (2, 8, 64, 256)


def write(folder, count, kilobytes):
    """Paths of shards of `count` records, and the mean size of an image in kilobytes."""
    noise = np.random.default_rng(0)
    side = int((kilobytes * 1000 / 0.53) ** 0.5)
    images = []
    for _ in range(8):
        small = noise.integers(0, 256, (side // 4, side // 4, 3)).astype(np.float32)
        image = tf.image.resize(small, (side, side)) + noise.normal(0, 12, (side, side, 3))
        image = tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)
        images.append((side, tf.io.encode_jpeg(image, quality=90).numpy()))
    files = [str(folder / f"shard-{number}") for number in range(16)]
    for number, file in enumerate(files):
        with tf.io.TFRecordWriter(file) as shard:
            for index in range(number, count, len(files)):
                shard.write(record(index, *images[index % len(images)]))
    return files, np.mean([len(encoded) for _, encoded in images]) / 1000


def record(index, side, encoded):
    values = {
        "source_id": ("string", [str(index).encode()]),
        "image": ("string", [encoded]),
        "format": ("string", [b"jpeg"]),
        "height": ("int64", [side]),
        "width": ("int64", [side]),
        "labels": ("int64", [0]),
    }
    return example.serialize({schema.FIELDS[n].keys[0]: v for n, v in values.items()})


def seconds(dataset, count):
    """Seconds an element, after a first one."""
    elements = iter(dataset)
    next(elements)
    begun = time.perf_counter()
    for _ in range(count):
        next(elements)
    return (time.perf_counter() - begun) / count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kilobytes", type=int, default=100)
    parser.add_argument("--records", type=int, default=2000)
    given = parser.parse_args()
    config = configs.config(inputs={"crop": {"name": "random_resized_crop"}, "antialias": False})
    task = classification_task.ClassificationTask(config, ("a", "b"))
    with tempfile.TemporaryDirectory() as folder:
        files, size = write(pathlib.Path(folder), given.records, given.kilobytes)
        order = pipeline.Order(files, given.records, 96, seed=0, shuffle_buffer=1024)
        steps = given.records // 96 - 2
        counts = [len(range(number, given.records, len(files))) for number in range(len(files))]
        own = dataclasses.replace(order, counts=counts)
        reading, making, sliced, by_files = [], [], [], []
        for _ in range(3):
            stream = pipeline._stream(order, 0).batch(96)
            reading.append(seconds(stream, 5 * steps) / 96)
            made = pipeline.train(order, task.fields, task.prepare_train)
            making.append(seconds(made, steps) / 96)
            for found, which in ((sliced, order), (by_files, own)):
                made = pipeline.train(which, task.fields, task.prepare_train, workers=8)
                found.append(seconds(made, 3 * steps))
    read, made = statistics.median(reading), statistics.median(making)
    print(f"images of {size:.0f} KB: reading {read * 1e6:.0f} us, making {made * 1e6:.0f} us")
    print(f"reading / making: {read / made:.3f}")
    ratio = statistics.median(sliced) / statistics.median(by_files)
    print(f"a batch of one of 8 workers, slices / files: {ratio:.2f} (measured)")
    for workers in WORKERS:
        print(f"{workers:4d} workers: {(made + (workers - 1) * read) / made:6.2f}")


if __name__ == "__main__":
    main()
