"""Seeded scenes: a crop of a photograph with one to seven balloons in front of it."""

from __future__ import annotations

import colorsys
import dataclasses
import functools

import numpy as np
from PIL import Image as pillow

from tfvision.synthetic import drawing, outline

MAX_BALLOONS = 7
# The visible part of a balloon, of its whole area, so that its kind can be told.
MIN_VISIBLE = 0.40
# The photographs are cut here (share of their height): above for training, below for validation.
_CUT = 0.58
_TRIES = 12


@dataclasses.dataclass(frozen=True)
class Scene:
    """One picture. image: uint8 [H, W, 3]. owner: int [H, W], index of the balloon in front or
    -1. kinds, visible: per balloon its kind and the visible share of its whole area. clear:
    bool [H, W], neither balloon nor string."""

    image: np.ndarray
    owner: np.ndarray
    kinds: list[str]
    visible: list[float]
    clear: np.ndarray

    def mask(self, index: int) -> np.ndarray:
        """The visible pixels of one balloon, bool [H, W]."""
        return self.owner == index


@functools.cache
def _photographs() -> tuple[np.ndarray, ...]:
    from sklearn.datasets import load_sample_images

    return tuple(load_sample_images().images)


def _background(rng: np.random.Generator, size: tuple[int, int], part: str) -> np.ndarray:
    """A crop, float32 [H, W, 3] 0..1: scaled, flipped, its brightness and colors changed."""
    photograph = _photographs()[rng.integers(2)]
    cut = round(photograph.shape[0] * _CUT)
    photograph = photograph[:cut] if part == "train" else photograph[cut:]
    height, width = photograph.shape[:2]
    largest = min(height / size[0], width / size[1])
    scale = largest * rng.uniform(0.55, 1.0)
    crop_height, crop_width = scale * size[0], scale * size[1]
    y = rng.uniform(0, height - crop_height)
    x = rng.uniform(0, width - crop_width)
    box = (x, y, x + crop_width, y + crop_height)
    image = pillow.fromarray(photograph).resize(size[::-1], pillow.Resampling.BICUBIC, box=box)
    pixels = np.asarray(image, np.float32) / 255
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    tint = rng.uniform(0.9, 1.1, 3).astype(np.float32)
    return np.clip(pixels ** rng.uniform(0.7, 1.3) * rng.uniform(0.75, 1.15) * tint, 0, 1)


def _balloon(rng: np.random.Generator, size: tuple[int, int]) -> drawing.Balloon:
    height, width = size
    radius = rng.uniform(0.085, 0.22) * min(size)
    center = (
        rng.uniform(0.3 * radius, width - 0.3 * radius),
        rng.uniform(0.3 * radius, height - 0.5 * radius),
    )
    hue, saturation, value = rng.random(), rng.uniform(0.6, 1.0), rng.uniform(0.65, 1.0)
    color = np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)
    kind = drawing.KINDS[rng.integers(len(drawing.KINDS))]
    balloon = drawing.Balloon(kind, center, radius, rng.uniform(-0.35, 0.35), color, np.zeros(0))
    return dataclasses.replace(balloon, string=_string(rng, balloon))


def _string(rng: np.random.Generator, balloon: drawing.Balloon) -> np.ndarray:
    """A hanging string [P, 2]: from the knot, swinging gently."""
    t = np.linspace(0, 1, 24)
    length = balloon.radius * rng.uniform(2.0, 4.0)
    start = drawing.knot(balloon)
    swing = balloon.radius * rng.uniform(0.1, 0.3) * np.sin(t * rng.uniform(4, 8)) * t
    drift = -np.sin(balloon.tilt) * length * 0.5 * t
    return np.stack([start[0] + swing + drift, start[1] + length * t], axis=1)


def make(rng: np.random.Generator, size: tuple[int, int], part: str) -> Scene:
    """Draws one scene of `size` = (H, W). part: "train" or "val", of the photographs."""
    canvas = _background(rng, size, part)
    owner = np.full(size, -1)
    clear = np.ones(size, bool)
    kinds: list[str] = []
    areas: list[float] = []
    for _ in range(rng.integers(1, MAX_BALLOONS + 1)):
        for _ in range(_TRIES):
            balloon = _balloon(rng, size)
            body, area = drawing.cover(balloon, size)
            changed = np.where(body > 0.5, len(kinds), owner)
            if _recognisable(changed, [*areas, area]):
                drawing.paint(canvas, balloon)
                owner = changed
                clear &= (body < 0.02) & (drawing.line(balloon.string, 2.0, size) < 0.02)
                kinds.append(balloon.kind)
                areas.append(area)
                break
    image = np.round(np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    seen = np.bincount(owner[owner >= 0], minlength=len(kinds))
    return Scene(image, owner, kinds, (seen / areas).tolist(), clear)


def _recognisable(owner: np.ndarray, areas: list[float]) -> bool:
    """Every balloon shows enough of itself, in parts without holes."""
    seen = np.bincount(owner[owner >= 0], minlength=len(areas))
    if (seen < MIN_VISIBLE * np.array(areas)).any():
        return False
    return not any(outline.trace(owner == index)[1] for index in range(len(areas)))
