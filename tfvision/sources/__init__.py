"""One reader a data set format: annotation files -> `Sample`s, without TensorFlow.

A reader is a function `(images, annotations, *, split) -> Source`: the image folder, the
annotation file or folder (None where the format has none), the split's name. A new format is a
file here and a line in FORMATS.
"""

from tfvision.sources import coco, folder
from tfvision.sources.source import Source

FORMATS = {
    "folder": folder.read,
    "coco": coco.read,
}

__all__ = ["FORMATS", "Source"]
