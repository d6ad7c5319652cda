"""One reader a data set format: annotation files -> `Sample`s, without TensorFlow.

A reader is a function `(images, annotations, *, split, labels) -> Source`: the image folder; the
annotation file or folder (None where the format has none); the split's name, "" for all that is
there; class names in id order where the user gives them, else None. A new format is a file here
and a line in FORMATS.
"""

from tfvision.sources import (
    coco,
    csv,
    folder,
    masks,
    panoptic,
    scenes,
    tfrecord,
    via,
    voc,
    voc_segmentation,
    yolo,
)
from tfvision.sources.source import Source, read_labels

FORMATS = {
    "folder": folder.read,
    "coco": coco.read,
    "csv": csv.read,
    "via": via.read,
    "voc": voc.read,
    "voc_segmentation": voc_segmentation.read,
    "yolo": yolo.read,
    "masks": masks.read,
    "camvid": scenes.read_camvid,
    "cityscapes": scenes.read_cityscapes,
    "ade20k": scenes.read_ade20k,
    "panoptic": panoptic.read,
    "tfrecord": tfrecord.read,
}

__all__ = ["FORMATS", "Source", "read_labels"]
