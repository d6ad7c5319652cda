"""Does a score of 0.8 mean right in 8 of 10 cases? On host NumPy, accumulated as counts."""

from __future__ import annotations

import numpy as np

from tfvision.metrics.metric import Metric, Report

BINS = 15  # Guo et al. 2017, section 4


class Calibration(Metric):
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    Images fall into `bins` bins of equal width by the score of the class they are called;
    the error is the mean of |accuracy - mean score| over the bins, weighted by their images.
    For softmax scores: one label per image."""

    higher_is_better = False
    gathers = ("images", "hits", "scores")

    def __init__(self, bins: int = BINS):
        self.bins = bins
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self.images = np.zeros(self.bins, np.int64)
        self.hits = np.zeros(self.bins, np.int64)
        self.scores = np.zeros(self.bins)

    def update(self, batch: dict, predictions: dict) -> None:
        """Adds a batch; images that are not `valid` are left out."""
        scores = predictions["scores"][batch["valid"]].astype(np.float64)
        predicted = scores.argmax(axis=1)
        best = scores.max(axis=1)
        # Bin m contains m / bins < score <= (m + 1) / bins; a score of NaN or 0 is in the first.
        place = np.ceil(np.nan_to_num(best) * self.bins).astype(int) - 1
        place = place.clip(0, self.bins - 1)
        np.add.at(self.images, place, 1)
        np.add.at(self.hits, place, predicted == batch["labels"][batch["valid"]])
        np.add.at(self.scores, place, best)

    def reliability(self) -> dict[str, np.ndarray]:
        """A row a bin: upper edge, images, accuracy and mean score (NaN in an empty bin)."""
        blank = np.full(self.bins, np.nan)
        full = self.images > 0
        return {
            "upper": np.arange(1, self.bins + 1) / self.bins,
            "images": self.images,
            "accuracy": np.divide(self.hits, self.images, out=blank.copy(), where=full),
            "score": np.divide(self.scores, self.images, out=blank.copy(), where=full),
        }

    def result(self) -> dict[str, float]:
        """{"calibration_error": ...} in 0..1, 0 is best; NaN without images."""
        total = self.images.sum()
        gaps = np.abs(self.hits - self.scores).sum()
        return {"calibration_error": float(gaps / total) if total else float("nan")}

    def report(self) -> Report:
        """The reliability of the scores."""
        return Report(reliability=self.reliability())
