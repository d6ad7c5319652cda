"""What is in a converted data set: counts, sizes, classes, boxes, label maps; drawn samples.

One pass over the records; images are not decoded for the counts.

Axis letters: H height, W width, K classes, R proposals.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image as pillow

from tfvision import schema
from tfvision.ops import draw
from tfvision.records import dataset, proposals, read

BINS = 24  # of the histograms, on a logarithmic axis
_SMALL, _MEDIUM = 32.0**2, 96.0**2  # COCO's areas, square pixels
_MOST_CLASSES = 400  # up to here co-occurrence is counted
RECALL_AT = (0.5, 0.7)  # IoU of a true box with a proposal that finds it


@dataclasses.dataclass
class Statistics:
    """Of one split.

    sizes: {(H, W): images}. formats: {"jpeg": images}. images: per class [K], of the image's
    labels, objects or label map. objects: per class [K]. pixels: per class and void [K + 1], of
    label maps. per_image: {objects: images}. box_sides: histogram of sqrt(area) over BINS
    octave-like steps. areas: COCO's small, medium, large. ratios: height / width histogram.
    together: [K, K] images with both classes, None above _MOST_CLASSES. proposals: {R: images}.
    sought: boxes, crowds aside, of images with proposals; found: how many of these at each of
    RECALL_AT."""

    classes: int
    records: int = 0
    sizes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    formats: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    per_image: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    crowds: int = 0
    difficult: int = 0
    proposals: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    sought: int = 0

    def __post_init__(self):
        self.images = np.zeros(self.classes, np.int64)
        self.objects = np.zeros(self.classes, np.int64)
        self.pixels = np.zeros(self.classes + 1, np.int64)
        self.box_sides = np.zeros(BINS, np.int64)
        self.ratios = np.zeros(BINS, np.int64)
        self.areas = np.zeros(3, np.int64)
        self.found = np.zeros(len(RECALL_AT), np.int64)
        few = self.classes <= _MOST_CLASSES
        self.together = np.zeros((self.classes, self.classes), np.int64) if few else None

    def add(self, features: read.Features, groups: Sequence[str]) -> None:
        """Counts one record."""
        size = (read.values(features, "height")[0], read.values(features, "width")[0])
        self.records += 1
        self.sizes[size] += 1
        self.formats[read.text(features, "format")] += 1
        classes: set[int] = set()
        if "labels" in groups:
            classes |= set(read.values(features, "labels"))
        if "objects" in groups:
            classes |= self._add_objects(features, size)
        if "label_map" in groups:
            classes |= self._add_label_map(features)
        if "proposals" in groups:
            self._add_proposals(features, size, "objects" in groups)
        present = sorted(c for c in classes if 0 <= c < self.classes)
        self.images[present] += 1
        if self.together is not None:
            for a, b in itertools.permutations(present, 2):
                self.together[a, b] += 1

    def _add_objects(self, features: read.Features, size: tuple[int, int]) -> set[int]:
        ids = read.values(features, "class_ids")
        self.per_image[len(ids)] += 1
        self.crowds += sum(read.values(features, "is_crowd"))
        self.difficult += sum(read.values(features, "difficult"))
        np.add.at(self.objects, ids, 1)
        if ids:
            boxes = np.array(read.values(features, "boxes")) * np.array([*size, *size])
            height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
            areas = height * width
            self.box_sides += histogram(np.sqrt(areas), side_edges())
            self.ratios += histogram(height / np.maximum(width, 1e-6), ratio_edges())
            self.areas += np.bincount(np.digitize(areas, (_SMALL, _MEDIUM)), minlength=3)
        return set(ids)

    def _add_proposals(
        self, features: read.Features, size: tuple[int, int], with_truth: bool
    ) -> None:
        scale = np.array([*size, *size])
        boxes = np.array(read.values(features, "proposals")).reshape(-1, 4) * scale
        self.proposals[len(boxes)] += 1
        if with_truth:
            gt_boxes = np.array(read.values(features, "boxes")).reshape(-1, 4) * scale
            gt_boxes = gt_boxes[np.array(read.values(features, "is_crowd"), int) == 0]
            overlaps = proposals.best_overlaps(gt_boxes, boxes)
            self.sought += len(gt_boxes)
            self.found += [(overlaps >= least).sum() for least in RECALL_AT]

    def _add_label_map(self, features: read.Features) -> set[int]:
        counts = np.bincount(read.png(read.values(features, "label_map")[0]).ravel(), minlength=256)
        self.pixels[:-1] += counts[: self.classes]
        self.pixels[-1] += counts[schema.VOID]
        return set(np.flatnonzero(counts[: self.classes]).tolist())


def side_edges() -> np.ndarray:
    """Edges of the histogram of sqrt(box area), pixels [BINS + 1]."""
    return np.geomspace(1, 4096, BINS + 1)


def ratio_edges() -> np.ndarray:
    """Edges of the histogram of height / width [BINS + 1]."""
    return np.geomspace(1 / 16, 16, BINS + 1)


def histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts of the values; those outside fall into the first and last bin."""
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]


def collect(data: dataset.Dataset, split: str) -> Statistics:
    """The statistics of a split."""
    stats = Statistics(len(data.class_names))
    groups = data.split(split).groups
    for file in data.files(split):
        for record in read.records(file):
            stats.add(read.features(record), groups)
    return stats


def summary(stats: Statistics, names: Sequence[str]) -> dict[str, Any]:
    """Plain numbers, for a table and for JSON."""
    sides = np.array(sorted(stats.sizes.elements()))
    result: dict[str, Any] = {
        "images": stats.records,
        "formats": dict(stats.formats),
        "height": _spread(sides[:, 0]),
        "width": _spread(sides[:, 1]),
        "sizes": len(stats.sizes),
        "images_by_class": dict(zip(names, stats.images.tolist(), strict=True)),
    }
    if stats.per_image:
        counts = np.array(sorted(stats.per_image.elements()))
        result |= {
            "objects": int(stats.objects.sum()),
            "objects_by_class": dict(zip(names, stats.objects.tolist(), strict=True)),
            "objects_per_image": _spread(counts),
            "images_without_objects": int((counts == 0).sum()),
            "boxes": dict(zip(("small", "medium", "large"), stats.areas.tolist(), strict=True)),
            "crowds": int(stats.crowds),
            "difficult": int(stats.difficult),
        }
    if stats.proposals:
        counts = np.array(sorted(stats.proposals.elements()))
        result["proposals_per_image"] = {**_spread(counts), "mean": float(counts.mean())}
        if stats.sought:
            fractions = (stats.found / stats.sought).tolist()
            keys = [f"{least:g}" for least in RECALL_AT]
            result["recall_of_proposals"] = dict(zip(keys, fractions, strict=True))
    if stats.pixels.any():
        fractions, rows = stats.pixels / stats.pixels.sum(), [*names, "void"]
        result["pixel_share_by_class"] = {
            name: round(float(fraction), 6) for name, fraction in zip(rows, fractions, strict=True)
        }
    if stats.together is not None and stats.together.any():
        result["together"] = [
            {"classes": [names[a], names[b]], "images": int(stats.together[a, b])}
            for a, b in _pairs(stats.together)
        ]
    return result


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = (float(v) for v in np.percentile(values, (0, 50, 100)))
    return {"min": low, "median": middle, "max": high}


def _pairs(together: np.ndarray, most: int = 10) -> list[tuple[int, int]]:
    rows, columns = np.triu_indices(len(together), 1)
    order = np.argsort(-together[rows, columns], kind="stable")[:most]
    return [(int(rows[i]), int(columns[i])) for i in order if together[rows[i], columns[i]]]


def sample(data: dataset.Dataset, split: str, count: int, seed: int = 0) -> list[read.Features]:
    """`count` records of a split, chosen by `seed`, in the order of the file."""
    total = data.split(split).records
    chosen = set(np.random.default_rng(seed).permutation(total)[:count].tolist())
    drawn_ones, at = [], 0
    for shard, file in zip(data.split(split).shards, data.files(split), strict=True):
        numbers = {i - at for i in chosen if at <= i < at + shard.records}
        at += shard.records
        if numbers:
            for number, record in enumerate(read.records(file)):
                if number in numbers:
                    drawn_ones.append(read.features(record))
                if number >= max(numbers):
                    break
    return drawn_ones


def drawn(features: read.Features, groups: Iterable[str], names: Sequence[str]) -> pillow.Image:
    """A record's image with its label map, masks, boxes and labels."""
    groups = set(groups)
    picture = read.picture(features)
    size = (picture.height, picture.width)
    scale = draw.scale_of(picture.size)
    canvas = draw.resized(picture, scale)
    if "label_map" in groups and "masks" not in groups:
        canvas = draw.label_map(canvas, read.png(read.values(features, "label_map")[0]), names)
    if "objects" in groups:
        boxes = np.array(read.values(features, "boxes"), np.float64).reshape(-1, 4)
        pixels = boxes * np.array([*size, *size])
        ids = read.values(features, "class_ids")
        texts = [draw.name_of(i, names) for i in ids]
        crowds = read.values(features, "is_crowd")
        texts = [f"{t} (crowd)" if c else t for t, c in zip(texts, crowds, strict=True)]
        inks = [draw.color(i) for i in ids]
        if "masks" in groups:
            inks = [draw.color(i) for i in range(len(ids))]
            pngs = read.values(features, "masks")
            shapes = [read.mask(p, b, size) for p, b in zip(pngs, boxes, strict=True)]
            canvas = draw.masks(canvas, np.array(shapes).reshape(-1, *size), inks)
        canvas = draw.boxes(canvas, pixels * scale, texts, inks)
    text = read.text(features, "filename")
    if "labels" in groups and "objects" not in groups:
        labels = [draw.name_of(i, names) for i in read.values(features, "labels")]
        text = ", ".join(labels) or "(no label)"
    return draw.caption(canvas, text)
