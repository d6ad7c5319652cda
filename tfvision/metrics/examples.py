"""Keeps the few images of an evaluation that are worth looking at, in bounded memory."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvision.metrics.metric import Metric
from tfvision.ops import draw

THRESHOLD = 0.5  # above it a label holds, where an image may have several


@dataclasses.dataclass(frozen=True)
class Example:
    """One image and what was said of it. index: its place in the order of evaluation.

    right: nothing was wrong with the answer. title: the answer in a few words. details: more
    lines. prediction: what is drawn on the picture (see `draw.prediction`), or None."""

    index: int
    source_id: str
    right: bool
    title: str
    details: tuple[str, ...] = ()
    prediction: Mapping[str, Any] | None = None


class Ranked:
    """The `count` things of the highest rank; of equals the first ones stay."""

    def __init__(self, count: int):
        self.count, self._heap, self._seen = count, [], 0

    def add(self, rank: float, thing: Any) -> None:
        """Takes one more."""
        heapq.heappush(self._heap, (rank, -self._seen, thing))
        self._seen += 1
        if len(self._heap) > self.count:
            heapq.heappop(self._heap)

    def takes(self, rank: float) -> bool:
        """Would a thing of this rank stay?"""
        return len(self._heap) < self.count or rank > self._heap[0][0]

    def all(self) -> list:
        """What is kept, the highest first."""
        return [thing for *_, thing in sorted(self._heap, key=lambda row: row[:2], reverse=True)]


class RankedExamples(Metric):
    """Mistakes and right answers, `count` of each, by a rank that `update` gives them.

    _seen: the number of images so far. _kept: the right answers (True) and the mistakes."""

    def __init__(self, class_names: Sequence[str] = (), count: int = 12):
        self.class_names, self.count = tuple(class_names), count
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._seen = 0
        self._kept = {True: Ranked(self.count), False: Ranked(self.count)}

    def result(self) -> dict[str, float]:
        """Returns {}: examples give no scalar."""
        return {}

    def mistakes(self) -> list[Example]:
        """The wrong answers of the highest ranks, the highest first."""
        return self._kept[False].all()

    def best(self) -> list[Example]:
        """The right answers of the highest ranks, the highest first."""
        return self._kept[True].all()


class Examples(RankedExamples):
    """The most confident mistakes and the most confident right answers, `count` of each.

    One label an image: by the score of the class it is called. Several (labels [B, K]): a
    mistake by its largest |label - score|, a right answer by the smallness of that."""

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        for row in np.flatnonzero(batch["valid"]):
            scores = np.nan_to_num(predictions["scores"][row])
            multi_label = np.ndim(batch["labels"]) == 2
            read = _several if multi_label else _one
            true, predicted, score, rank = read(batch["labels"][row], scores)
            name = batch["source_id"][row].decode("utf-8", "replace")
            right = true == predicted
            details = [f"{100 * score:.1f} %"] + [f"is {self._named(true)}"] * (not right)
            example = Example(self._seen, name, right, self._named(predicted), tuple(details))
            self._kept[right].add(rank, example)
            self._seen += 1

    def _named(self, ids: tuple[int, ...]) -> str:
        return ", ".join(draw.name_of(i, self.class_names) for i in ids) or "nothing"


def _one(label, scores) -> tuple:
    predicted = int(scores.argmax())
    score = float(scores[predicted])
    return (int(label),), (predicted,), score, score


def _several(labels, scores) -> tuple:
    true = tuple(int(k) for k in np.flatnonzero(labels > THRESHOLD))
    predicted = tuple(int(k) for k in np.flatnonzero(scores >= THRESHOLD))
    gaps = np.abs(labels - scores)
    worst = int(gaps.argmax())
    rank = float(gaps[worst]) if true != predicted else -float(gaps[worst])
    return true, predicted, float(scores[worst]), rank
