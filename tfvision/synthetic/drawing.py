"""One balloon as pixels: outline, coverage, shading, shadow and string (numpy and Pillow).

Lengths are pixels, coordinates (x, y) with y down, colors float32 RGB 0..1.
Axis letters: H height, W width, P outline points.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw, ImageFilter

KINDS = ("round", "heart", "star")
_FINE = 4  # outlines are drawn this many times larger and reduced
_LIGHT = np.array([-0.45, -0.65, 0.61], np.float32)  # from the upper left, towards the viewer
# Halfway between the light and the viewer: where the highlight is (Blinn 1977).
_HALF = _LIGHT + np.array([0, 0, 1], np.float32)
_HALF /= np.linalg.norm(_HALF)


@dataclasses.dataclass(frozen=True)
class Balloon:
    """One balloon: its kind, center and radius in pixels, tilt in radians, color, string."""

    kind: str
    center: tuple[float, float]
    radius: float
    tilt: float
    color: np.ndarray
    string: np.ndarray  # [P, 2] pixels


def _round() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    x, y = 0.86 * np.sin(t), -np.cos(t)
    low = np.maximum(y, 0)
    return np.stack([x * (1 - 0.16 * low**2), y * (1 + 0.14 * low)], axis=1)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y + 1.5], axis=1) / 15.5


def _star() -> np.ndarray:
    angles = np.pi * np.arange(10) / 5 - np.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, 1.22, 0.60)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    for _ in range(3):  # Chaikin's corner cutting: the points of a foil star are blunt
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.8 * points + 0.2 * after, 0.2 * points + 0.8 * after], axis=1)
        points = points.reshape(-1, 2)
    return points


_OUTLINES = {"round": _round(), "heart": _heart(), "star": _star()}


def outline(balloon: Balloon) -> np.ndarray:
    """The body's outline [P, 2] in pixels."""
    cos, sin = np.cos(balloon.tilt), np.sin(balloon.tilt)
    turn = np.array([[cos, sin], [-sin, cos]])
    return _OUTLINES[balloon.kind] @ turn * balloon.radius + balloon.center


def knot(balloon: Balloon) -> np.ndarray:
    """Where the string is tied: the lowest point of the body along its own axis, (x, y)."""
    lowest = _OUTLINES[balloon.kind][:, 1].max()
    away = np.array([-np.sin(balloon.tilt), np.cos(balloon.tilt)])
    start = 0.60 if balloon.kind == "star" else lowest
    return np.asarray(balloon.center) + away * balloon.radius * start


def coverage(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How much of each pixel a filled polygon [P, 2] covers: float32 [H, W] in 0..1."""
    height, width = size
    canvas = pillow.new("L", (width * _FINE, height * _FINE))
    ImageDraw.Draw(canvas).polygon([tuple(p) for p in points * _FINE - 0.5], fill=255)
    return np.asarray(canvas.reduce(_FINE), np.float32) / 255


def line(points: np.ndarray, width: float, size: tuple[int, int]) -> np.ndarray:
    """Coverage [H, W] of an open line [P, 2]."""
    canvas = pillow.new("L", (size[1] * _FINE, size[0] * _FINE))
    path = [tuple(p) for p in points * _FINE]
    ImageDraw.Draw(canvas).line(path, fill=255, width=round(width * _FINE), joint="curve")
    return np.asarray(canvas.reduce(_FINE), np.float32) / 255


def shade(balloon: Balloon, size: tuple[int, int]) -> np.ndarray:
    """The body's colors [H, W, 3]: a puffed-up surface with highlight, defined inside only."""
    x = np.arange(size[1], dtype=np.float32) + 0.5 - balloon.center[0]
    y = np.arange(size[0], dtype=np.float32)[:, None] + 0.5 - balloon.center[1]
    points = outline(balloon) - balloon.center
    angles = np.arctan2(points[:, 1], points[:, 0])
    order = np.argsort(angles)
    reach = np.interp(np.arctan2(y, x), angles[order], np.hypot(*points[order].T), period=2 * np.pi)
    rho = np.minimum(np.hypot(x, y) / reach, 1).astype(np.float32)
    height = 0.85 * balloon.radius * (1 - rho**2.4) ** 0.55
    slope_y, slope_x = np.gradient(height)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(height)], axis=2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    diffuse = np.clip(normal @ _LIGHT, 0, 1)[..., None]
    gloss = np.clip(normal @ _HALF, 0, 1)[..., None]
    # Light that shines through the skin lifts the side away from the lamp.
    through = np.clip(-(normal[..., :2] @ _LIGHT[:2]), 0, 1)[..., None] ** 2
    color = balloon.color * (0.34 + 0.70 * diffuse + 0.22 * through)
    return color + 0.30 * gloss**12 + 0.75 * gloss**90


def _blend(canvas: np.ndarray, color: np.ndarray | float, alpha: np.ndarray) -> None:
    canvas += (color - canvas) * alpha[..., None]


@dataclasses.dataclass(frozen=True)
class _Patch:
    """A square around one balloon. balloon: in its coordinates. body: coverage of the patch.

    inner, outer: the part inside the canvas, as slices of the patch and of the canvas."""

    balloon: Balloon
    body: np.ndarray
    inner: tuple[slice, slice]
    outer: tuple[slice, slice]


def _patch(balloon: Balloon, size: tuple[int, int]) -> _Patch:
    margin = int(1.4 * balloon.radius) + 12
    left, top = (int(c) - margin for c in balloon.center)
    moved = dataclasses.replace(balloon, center=(balloon.center[0] - left, balloon.center[1] - top))
    square = (2 * margin, 2 * margin)
    end = knot(moved)
    side = np.array([np.cos(moved.tilt), np.sin(moved.tilt)]) * balloon.radius * 0.09
    down = np.array([-side[1], side[0]]) * 1.3
    tie = np.stack([end - down, end + down - side, end + down + side])
    body = np.maximum(coverage(outline(moved), square), coverage(tie, square))
    y1, y2 = max(top, 0), min(top + 2 * margin, size[0])
    x1, x2 = max(left, 0), min(left + 2 * margin, size[1])
    inner = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
    return _Patch(moved, body, inner, (slice(y1, y2), slice(x1, x2)))


def cover(balloon: Balloon, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Coverage of a canvas (H, W) by the body, float32 0..1, and the body's whole area in
    pixels, cut-off parts included."""
    patch = _patch(balloon, size)
    whole = np.zeros(size, np.float32)
    whole[patch.outer] = patch.body[patch.inner]
    return whole, float(np.count_nonzero(patch.body > 0.5))


def paint(canvas: np.ndarray, balloon: Balloon) -> None:
    """Paints shadow, string and body onto `canvas`, float32 [H, W, 3], in place."""
    patch = _patch(balloon, canvas.shape[:2])
    view = canvas[patch.outer]
    grey = pillow.fromarray(np.round(patch.body * 255).astype(np.uint8))
    soft = grey.filter(ImageFilter.GaussianBlur(0.10 * balloon.radius + 1.5))
    shift = round(0.10 * balloon.radius) + 1
    shadow = np.roll(np.asarray(soft, np.float32) / 255, (shift, shift // 2), axis=(0, 1))
    _blend(view, 0.0, 0.42 * shadow[patch.inner])
    _blend(canvas, np.float32(0.88), 0.85 * line(balloon.string, 1.0, canvas.shape[:2]))
    _blend(view, shade(patch.balloon, patch.body.shape)[patch.inner], patch.body[patch.inner])
