"""Data sets from Python: converted, read for `fit`, written from one's own samples."""

from tfvision.datasets.conversion import Conversion, Request, convert, converting
from tfvision.datasets.conversion_summary import Summary
from tfvision.datasets.loading import info, load
from tfvision.records.progress import Progress

__all__ = [
    "Conversion",
    "Progress",
    "Request",
    "Summary",
    "convert",
    "converting",
    "info",
    "load",
]
