"""One reader a data set format: annotation files -> `Sample`s, without TensorFlow.

A reader is a function `(images, annotations, *, split, labels, options) -> Source`: the image
folder; the annotation file or folder (None where the format has none); the split's name, "" for
all that is there; class names in id order where the user gives them, else None; what else the
user says of the data. `read` calls one by its name and accounts for every image. A new format is
a file here and a line in FORMATS.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from tfvision import errors
from tfvision.sources import (
    coco,
    csv,
    cvat,
    folder,
    index_masks,
    label_studio,
    labelme,
    panoptic,
    review,
    scenes,
    tfrecord,
    via,
    voc,
    voc_segmentation,
    yolo,
)
from tfvision.sources.labels import read_labels
from tfvision.sources.source import NOTHING_SAID, Options, Source

FORMATS: dict[str, Callable[..., Source]] = {
    "folder": folder.read,
    "coco": coco.read,
    "csv": csv.read,
    "cvat": cvat.read,
    "label_studio": label_studio.read,
    "labelme": labelme.read,
    "via": via.read,
    "voc": voc.read,
    "voc_segmentation": voc_segmentation.read,
    "yolo": yolo.read,
    "masks": index_masks.read,
    "camvid": scenes.read_camvid,
    "cityscapes": scenes.read_cityscapes,
    "ade20k": scenes.read_ade20k,
    "panoptic": panoptic.read,
    "tfrecord": tfrecord.read,
}

# The formats that take an option of `Options`; the others go with all.
TAKEN_BY = {
    "class_attribute": ("via", "cvat", "label_studio"),
    "mask_values": ("masks", "voc_segmentation"),
    "mask_colors": ("masks", "voc_segmentation"),
    "boxes": ("coco",),
}
# Formats that need the numbers and colors of a class list, not its names alone.
_NUMBERED = ("masks", "camvid", "voc_segmentation")
_WANTS = {
    "coco": "COCO wants x, y, width, height in pixels; say what they are with --boxes",
    "yolo": "YOLO wants shares of the image's sides, 0 to 1",
}


def read(
    format: str,
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] = (),
    label_file: str = "",
    options: Options = NOTHING_SAID,
) -> Source:
    """The source of a data set, with every image of its folders accounted for.

    labels, label_file: the class names that the user gives, in id order, or the path of a list of
    them (see `labels.entries`), or neither.
    Raises UsageError for an unknown format and for an option that it does not take, and what its
    reader raises."""
    reader = errors.choose(FORMATS, format, "format")
    for name in options.given():
        formats = TAKEN_BY.get(name, (format,))
        if format not in formats:
            raise errors.UsageError(
                f"--{name} goes with --format={' or '.join(formats)}, not with {format}"
            )
    if label_file and format in _NUMBERED:
        options = dataclasses.replace(options, label_file=label_file)
    elif label_file:
        labels = read_labels(label_file)
    source = reader(images, annotations, split=split, labels=labels or None, options=options)
    source.frame = source.frame or options.annotations_of
    return review.reviewed(source, _WANTS.get(format, "they are to be in pixels"))


__all__ = ["FORMATS", "Options", "Source", "read", "read_labels"]
