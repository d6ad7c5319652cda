"""Metrics: objects with reset / update / result, on host NumPy, chosen by name from METRICS; and
those that Keras takes (`keras_metrics`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tfvision import errors
from tfvision.metrics.box_examples import BoxExamples
from tfvision.metrics.calibration import Calibration
from tfvision.metrics.classification_metrics import ClassReport, MultiLabelReport, TopKReport
from tfvision.metrics.coco_metrics import coco_ap
from tfvision.metrics.detection_metrics import CocoDetection, VocDetection
from tfvision.metrics.examples import Examples
from tfvision.metrics.keras_metrics import (
    CalibrationError,
    ExactMatch,
    FrequencyWeightedIoU,
    MacroF1,
    MacroPrecision,
    MacroRecall,
    MeanAccuracy,
    MeanIoU,
    PixelAccuracy,
    TopK,
)
from tfvision.metrics.metric import Metric, Report
from tfvision.metrics.segmentation_metrics import MapExamples, SegmentationReport

__all__ = [
    "DEFAULTS",
    "METRICS",
    "BoxExamples",
    "Calibration",
    "CalibrationError",
    "ClassReport",
    "CocoDetection",
    "ExactMatch",
    "Examples",
    "FrequencyWeightedIoU",
    "MacroF1",
    "MacroPrecision",
    "MacroRecall",
    "MapExamples",
    "MeanAccuracy",
    "MeanIoU",
    "Metric",
    "MultiLabelReport",
    "PixelAccuracy",
    "Report",
    "SegmentationReport",
    "TopK",
    "TopKReport",
    "VocDetection",
    "coco_ap",
    "named",
]

Make = Callable[[Sequence[str]], list[Metric]]  # from class names in id order


def _coco(*kinds: str) -> Make:
    return lambda names: [CocoDetection(names, kind) for kind in kinds]


def _voc(style: str, *kinds: str) -> Make:
    return lambda names: [VocDetection(names, style=style, kind=kind) for kind in kinds]


def _top_k(names: Sequence[str]) -> list[Metric]:
    return [TopKReport((1, 5) if len(names) > 5 else (1,))]


_BOTH = ("segm", "bbox")  # of instances, masks first
# By kind of truth, what `config.metrics` can name. The first number of a run's first metric picks
# its best weights, unless `config.train.best` names another one.
METRICS: dict[str, dict[str, Make]] = {
    "classification": {
        "top_k": _top_k,
        "class_report": lambda names: [ClassReport(names)],
        "calibration": lambda names: [Calibration()],
    },
    "multi_label": {"multi_label_report": lambda names: [MultiLabelReport(names)]},
    "segmentation": {"segmentation_report": lambda names: [SegmentationReport(names)]},
    "detection": {
        "coco": _coco("bbox"),
        "voc2007": _voc("2007", "bbox"),
        "voc2010": _voc("2010", "bbox"),
    },
    "instance": {
        "coco": _coco(*_BOTH),
        "voc2007": _voc("2007", *_BOTH),
        "voc2010": _voc("2010", *_BOTH),
    },
}
DEFAULTS = {
    "classification": ("top_k", "class_report", "calibration"),
    "multi_label": ("multi_label_report",),
    "segmentation": ("segmentation_report",),
    "detection": ("coco",),
    "instance": ("coco",),
}


def named(kind: str, names: Sequence[str]) -> Make:
    """What makes the metrics of these names, in order; of DEFAULTS where there are none.

    kind: a key of METRICS. Raises UsageError for a name that it does not have, or has twice."""
    names = tuple(names) or DEFAULTS[kind]
    makers = [errors.choose(METRICS[kind], name, f"{kind} metric") for name in names]
    if len(set(names)) < len(names):
        raise errors.UsageError(f"config.metrics is {names}; name each metric once")
    return lambda class_names: [metric for make in makers for metric in make(class_names)]
