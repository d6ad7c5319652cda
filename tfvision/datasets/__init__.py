"""Data sets from Python: converted, read for `fit`, written from one's own samples."""

from tfvision.datasets.builders import from_tfds
from tfvision.datasets.conversion import Conversion, Request, convert, converting
from tfvision.datasets.conversion_summary import Summary
from tfvision.datasets.loading import info, load
from tfvision.datasets.own_data import from_keras_utils, from_tf
from tfvision.records.progress import Progress

__all__ = [
    "Conversion",
    "Progress",
    "Request",
    "Summary",
    "convert",
    "converting",
    "from_keras_utils",
    "from_tf",
    "from_tfds",
    "info",
    "load",
]
