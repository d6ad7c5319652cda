"""What every metric is: reset, update by batches, and give its numbers and its report.

Axis letters: K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvision import errors
from tfvision.metrics.text_tables import table

Columns = Mapping[str, np.ndarray]  # of one length: a row a class, or a bin


@dataclasses.dataclass(frozen=True)
class Report:
    """What a metric can show beside its numbers; what it does not have is empty.

    table: text. class_names, per_class: of each class, columns of length K. confusion: int [K, K],
    entry i, j of class i called j. reliability: a row a bin of scores. curves: {class: recall and
    precision}. prefix: before the names of another report's parts, such as "mask_"."""

    table: str = ""
    class_names: Sequence[str] = ()
    per_class: Columns = dataclasses.field(default_factory=dict)
    confusion: np.ndarray | None = None
    reliability: Columns = dataclasses.field(default_factory=dict)
    curves: Mapping[str, Columns] = dataclasses.field(default_factory=dict)
    prefix: str = ""


class Metric:
    """Base of all metrics, on host NumPy.

    higher_is_better: of all numbers of `result`; it decides which checkpoint is the best. gathers:
    the attributes that `update` fills, for several workers: numbers and arrays that add up over
    images, and lists with one entry an image."""

    higher_is_better = True
    gathers: tuple[str, ...] = ()

    def reset(self) -> None:
        """Forgets everything."""
        raise NotImplementedError

    def update(self, batch: dict[str, Any], predictions: dict[str, Any]) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        raise NotImplementedError

    def result(self) -> dict[str, float]:
        """{name: number}; NaN where there is none."""
        raise NotImplementedError

    def report(self) -> Report:
        """What there is to show beside the numbers."""
        return Report()

    def gathered(self) -> dict[str, Any]:
        """What `update` has filled, by the names of `gathers`.

        Raises UsageError for a metric without them."""
        if not self.gathers:
            raise errors.UsageError(
                f"metric {type(self).__name__} does not say what several workers are to gather; set"
                " `gathers` to the names of the attributes that its `update` fills"
            )
        return {name: getattr(self, name) for name in self.gathers}

    def combine(self, parts: Sequence[Mapping[str, Any]], batch_size: int) -> None:
        """Takes what all workers have `gathered`, as if `update` had seen every batch here.

        The workers took turns with batches of batch_size images, the last one of fewer."""
        self.reset()
        for name in self.gathers:
            values = [part[name] for part in parts]
            is_list = isinstance(values[0], list)
            setattr(self, name, in_turn(values, batch_size) if is_list else sum(values))


def in_turn(lists: Sequence[list], count: int) -> list:
    """One list of all: `count` entries of each in turn, until there are none."""
    rounds = range(0, max(map(len, lists)), count)
    return [entry for i in rounds for part in lists for entry in part[i : i + count]]


class ConfusionMetric(Metric):
    """Base of metrics from one confusion matrix: `confusion[i, j]` counts class i called j."""

    gathers = ("confusion",)

    def __init__(self, class_names: Sequence[str]):
        self.class_names = tuple(class_names)
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self.confusion = np.zeros((len(self.class_names),) * 2, np.int64)

    def per_class(self) -> dict[str, np.ndarray]:
        """{column: a value a class, [K]}."""
        raise NotImplementedError

    def report(self) -> Report:
        """The table, its columns and the confusion matrix."""
        columns = self.per_class()
        text = table(self.class_names, columns)
        return Report(text, self.class_names, columns, confusion=self.confusion)
