"""Metrics: objects with reset / update / result, on host NumPy."""

from tfvision.metrics.classification import ClassReport, MultiLabelReport, TopK

__all__ = ["ClassReport", "MultiLabelReport", "TopK"]
