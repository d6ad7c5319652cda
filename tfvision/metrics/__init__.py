"""Metrics: objects with reset / update / result, on host NumPy."""

from tfvision.metrics.box_examples import BoxExamples
from tfvision.metrics.calibration import Calibration
from tfvision.metrics.classification import ClassReport, MultiLabelReport, TopK
from tfvision.metrics.coco import coco_ap
from tfvision.metrics.detection import CocoDetection, VocDetection
from tfvision.metrics.examples import Examples
from tfvision.metrics.segmentation import MapExamples, SegmentationReport

__all__ = [
    "BoxExamples",
    "Calibration",
    "ClassReport",
    "CocoDetection",
    "Examples",
    "MapExamples",
    "MultiLabelReport",
    "SegmentationReport",
    "TopK",
    "VocDetection",
    "coco_ap",
]
