"""tfvision inspect DIR: what is in a converted data set.

Prints counts, sizes, classes and boxes; writes statistics.json, plots.png and sheet.png (samples
with their boxes, masks and labels) a split into DIR/inspect. With --augment=EXPERIMENT it draws
what a model of that experiment sees in training, as augmented.png. With --anchors=9 it finds
anchors for YOLO by k-means of the boxes' sizes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from absl import app, flags

from tfvision import atomic, errors, json_files, paths

_SPLIT = flags.DEFINE_string("split", None, "The split; all by default.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the pictures; DIR/inspect by default.")
_SAMPLES = flags.DEFINE_integer("samples", 16, "Images on a sheet.", 1)
_SEED = flags.DEFINE_integer("seed", 0, "Which images.", 0)
_AUGMENT = flags.DEFINE_string("augment", None, "Experiment (name or file) to draw as it trains.")
_ANCHORS = flags.DEFINE_integer("anchors", 0, "Find so many anchors for a YOLO network.", 0)
_ANCHOR_SIZE = flags.DEFINE_integer(
    "anchor_size", 416, "Side of the network's input in pixels that anchors are for."
)
_ROWS = 25  # classes in a printed table


def main(argv: Sequence[str]) -> None:
    """Inspects. Raises UsageError and DataError."""
    if len(argv) != 2:
        raise errors.UsageError("name one folder: tfvision inspect DIR")
    if _SAMPLES.value < 1:
        raise errors.UsageError(f"--samples is {_SAMPLES.value}; it must be at least 1")
    if _ANCHORS.value < 0 or _ANCHOR_SIZE.value < 1:
        raise errors.UsageError("--anchors and --anchor_size are numbers above 0")
    from tfvision.records import dataset

    data = dataset.read(argv[1])
    names = [_SPLIT.value] if _SPLIT.value else list(data.splits)
    for name in names:
        data.split(name)
    output = _OUTPUT.value or os.path.join(data.path, "inspect")
    paths.check_folder(output, "--output")
    drawn = {name: _task(data, name) for name in names} if _AUGMENT.value else {}
    os.makedirs(output, exist_ok=True)
    groups = ", ".join(data.groups) or "images alone"
    print(f"{data.name}: {len(data.class_names)} classes; {groups}")
    for name in names:
        _split(data, name, output)
        if _AUGMENT.value:
            _augmented(data, name, output, *drawn[name])
        if _ANCHORS.value:
            print("\n".join(_anchors(data, name)))
    print(f"\npictures and statistics.json are in {output}")


def _split(data, split: str, output: str) -> None:
    from tfvision.ops import draw
    from tfvision.records import plots, statistics

    stats = statistics.collect(data, split)
    numbers = statistics.summary(stats, data.class_names)
    _write_json(os.path.join(output, "statistics.json"), split, numbers)
    print("\n".join(_table(split, numbers)))
    title = f"{data.name}, split {split}: {stats.records:,} images"
    plots.save(stats, data.class_names, title, os.path.join(output, f"{split}-plots.png"))
    records = statistics.sample(data, split, _SAMPLES.value, _SEED.value)
    pictures = [
        statistics.drawn(record, data.split(split).groups, data.class_names) for record in records
    ]
    draw.save(draw.sheet(pictures), os.path.join(output, f"{split}-sheet.png"))


def _write_json(path: str, split: str, numbers: dict) -> None:
    content = {}
    if os.path.exists(path):
        content = json_files.read(path, {}, "remove it, or give another --output")
    content[split] = numbers
    atomic.write_text(path, json.dumps(content, indent=1))


def _spread(values: dict) -> str:
    return f"{values['min']:g} to {values['max']:g}, median {values['median']:g}"


def _table(split: str, numbers: dict) -> list[str]:
    formats = ", ".join(f"{count:,} {kind}" for kind, count in numbers["formats"].items())
    lines = [
        f"\nsplit {split}: {numbers['images']:,} images ({formats})",
        f"  height   {_spread(numbers['height'])}",
        f"  width    {_spread(numbers['width'])}",
    ]
    if "objects" in numbers:
        boxes = ", ".join(f"{count:,} {kind}" for kind, count in numbers["boxes"].items())
        lines += [
            f"  objects  {numbers['objects']:,}: {boxes}; {numbers['crowds']:,} crowds,"
            f" {numbers['difficult']:,} difficult",
            f"  an image {_spread(numbers['objects_per_image'])} objects;"
            f" {numbers['images_without_objects']:,} images without any",
        ]
    if "proposals_per_image" in numbers:
        counts, recall = numbers["proposals_per_image"], numbers.get("recall_of_proposals", {})
        listed = ", ".join(f"{recall_at:.3f} at IoU {iou}" for iou, recall_at in recall.items())
        lines.append(
            f"  proposals {_spread(counts)}, mean {counts['mean']:.1f} an image"
            f"; recall of the boxes {listed or 'unknown: there are none'}"
        )
    lines += _classes(numbers)
    if "together" in numbers:
        pairs = [
            f"{' + '.join(row['classes'])} ({row['images']:,})" for row in numbers["together"][:5]
        ]
        lines.append(f"  most often together: {', '.join(pairs)}")
    return lines


def _classes(numbers: dict) -> list[str]:
    """A row a class: images, objects, share of pixels, and a bar."""
    images = numbers["images_by_class"]
    objects, pixels = numbers.get("objects_by_class"), numbers.get("pixel_share_by_class")
    main = objects or pixels or images
    order = sorted(images, key=lambda name: -main[name])
    width = min(max(map(len, images)), 32)
    head = "  " + "class".ljust(width) + "    images"
    head += "   objects" if objects else ""
    head += "  % pixels" if pixels else ""
    lines, most = [head], max(main.values()) or 1
    for name in order[:_ROWS]:
        row = f"  {name[:width].ljust(width)} {images[name]:>9,}"
        row += f" {objects[name]:>9,}" if objects else ""
        row += f" {100 * pixels[name]:>9.2f}" if pixels else ""
        lines.append(f"{row}  {'#' * round(30 * main[name] / most)}")
    if len(order) > _ROWS:
        lines.append(f"  ... and {len(order) - _ROWS} more in statistics.json")
    return lines


def _anchors(data, split: str) -> list[str]:
    """Anchors as Darknet's cfg writes them: width, height, the smallest first."""
    import numpy as np

    from tfvision.ops import anchors

    side = _ANCHOR_SIZE.value
    sizes = _box_sizes(data, split, side)
    sizes_found, _ = anchors.kmeans(sizes, _ANCHORS.value, seed=_SEED.value)
    sizes_found = np.maximum(np.round(sizes_found), 1.0)
    reached = anchors.average_iou(sizes, sizes_found)
    pixels = ",  ".join(f"{width:.0f},{height:.0f}" for height, width in sizes_found)
    cells = ",  ".join(f"{width / 32:.4g},{height / 32:.4g}" for height, width in sizes_found)
    return [
        f"  anchors  {len(sizes_found)} of {len(sizes):,} boxes, letterboxed to {side} x {side}:"
        f" average IoU {reached:.4f}",
        f"           anchors = {pixels}",
        f"           in cells of 32 pixels (YOLO v2): {cells}",
    ]


def _box_sizes(data, split: str, side: int):
    """Height and width [N, 2] of a split's boxes, crowds aside, in pixels after the letterbox."""
    import numpy as np

    from tfvision.records import read

    if "objects" not in data.split(split).groups:
        raise errors.DataError(f"{data.path}: split {split} has no boxes to find anchors for")
    sizes = [np.zeros((0, 2))]
    for file in data.files(split):
        for record in read.records(file):
            features = read.features(record)
            height, width = (read.values(features, key)[0] for key in ("height", "width"))
            boxes = np.array(read.values(features, "boxes"), np.float64).reshape(-1, 4)
            crowds = read.values(features, "is_crowd") or [0] * len(boxes)
            boxes = boxes[np.array(crowds, int) == 0]
            scale = min(side / height, side / width)
            sizes.append((boxes[:, 2:] - boxes[:, :2]) * [height * scale, width * scale])
    return np.concatenate(sizes)


def _task(data, split: str) -> tuple:
    """The task of --augment, once it has prepared an image of the split, and its config."""
    from tfvision import config as settings
    from tfvision import tasks
    from tfvision.training import start_checks

    config = settings.experiment(_AUGMENT.value)
    config.data.path, config.data.train = data.path, split
    task = tasks.build(config)
    start_checks.samples(task, data, split, config, training=True)
    return task, config


def _augmented(data, split: str, output: str, task, config) -> None:
    import numpy as np
    from PIL import Image

    from tfvision.inputs import pipeline
    from tfvision.ops import draw

    order = pipeline.Order(
        data.files(split),
        data.split(split).records,
        _SAMPLES.value,
        _SEED.value,
        aspect_ratio_grouping=config.inputs.aspect_ratio_grouping,
    )
    batches = pipeline.train(order, task.fields, task.prepare_train)
    batch = {k: v.numpy() for k, v in next(iter(batches)).items()}
    pictures = []
    for i in range(_SAMPLES.value):
        pixels = np.clip(np.round(batch["image"][i]), 0, 255).astype(np.uint8)
        picture = Image.fromarray(pixels)
        scale = draw.scale_of(picture.size)
        canvas = draw.resized(picture, scale)
        if "label_map" in batch:
            canvas = draw.label_map(canvas, batch["label_map"][i], data.class_names)
        if "boxes" in batch:
            kept = batch["class_ids"][i] >= 0
            ids = batch["class_ids"][i][kept]
            inks = [draw.color(int(c)) for c in ids]
            if "masks" in batch:
                frames = batch["masks"][i][kept]
                canvas = draw.instances(canvas, frames, batch["boxes"][i][kept] * scale, inks)
            texts = [draw.name_of(int(c), data.class_names) for c in ids]
            canvas = draw.boxes(canvas, batch["boxes"][i][kept] * scale, texts, inks)
        pictures.append(canvas)
    draw.save(draw.sheet(pictures), os.path.join(output, f"{split}-augmented.png"))


if __name__ == "__main__":
    app.run(main)
