"""Keeps the few images of an evaluation that are worth looking at, in bounded memory."""

from __future__ import annotations

import dataclasses
import heapq

import numpy as np

THRESHOLD = 0.5  # above it a label holds, where an image may have several


@dataclasses.dataclass(frozen=True)
class Example:
    """One image and what was said of it. index: its place in the order of evaluation.

    true, called: class ids (several where labels do not exclude each other). score: of the
    class it is called; where there are several, of the worst (or best) answer."""

    index: int
    source_id: str
    true: tuple[int, ...]
    called: tuple[int, ...]
    score: float


class Examples:
    """The most confident mistakes and the most confident right answers, `count` of each.

    One label an image: by the score of the class it is called. Several (labels [B, K]): a
    mistake by its largest |label - score|, a right answer by the smallness of that."""

    def __init__(self, count: int = 12):
        self.count = count
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._seen = 0
        self._kept: dict[bool, list] = {True: [], False: []}

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        for row in np.flatnonzero(batch["valid"]):
            scores = np.nan_to_num(predictions["scores"][row])
            several = np.ndim(batch["labels"]) == 2
            read = _several if several else _one
            true, called, score, rank = read(batch["labels"][row], scores)
            name = batch["source_id"][row].decode("utf-8", "replace")
            example = Example(self._seen, name, true, called, score)
            heap = self._kept[true == called]
            heapq.heappush(heap, (rank, -self._seen, example))  # of equals the first stays
            if len(heap) > self.count:
                heapq.heappop(heap)
            self._seen += 1

    def result(self) -> dict[str, float]:
        """Nothing: examples are no number."""
        return {}

    def mistakes(self) -> list[Example]:
        """The wrong answers, the most confident first."""
        return [example for *_, example in sorted(self._kept[False], reverse=True)]

    def best(self) -> list[Example]:
        """The right answers, the most confident first."""
        return [example for *_, example in sorted(self._kept[True], reverse=True)]


def _one(label, scores) -> tuple:
    called = int(scores.argmax())
    score = float(scores[called])
    return (int(label),), (called,), score, score


def _several(labels, scores) -> tuple:
    true = tuple(int(k) for k in np.flatnonzero(labels > THRESHOLD))
    called = tuple(int(k) for k in np.flatnonzero(scores >= THRESHOLD))
    gaps = np.abs(labels - scores)
    worst = int(gaps.argmax())
    rank = float(gaps[worst]) if true != called else -float(gaps[worst])
    return true, called, float(scores[worst]), rank
