"""Mask files -> whole numbers a pixel, and from those the label map that a record holds.

A mask file is an index image: grey, 16-bit, 1-bit or palette, of which the index counts and not
the color; or an image of segment ids, RGB with id = r + 256 g + 65536 b (COCO panoptic).

Axis letters: H height, W width.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Collection

import numpy as np
from PIL import Image as pillow

from tfvision import errors, schema
from tfvision.records import image_files, shrink

# Readers that give the indices that the file holds. WebP invents colors, PNM rescales them.
_KINDS = ("png", "tiff", "bmp", "gif")
# Pillow stretches grey of 2 and 4 bits to 0..255: a PNG's bit depth -> the step between indices.
_STRETCHED = {2: 85, 4: 17}
_GREY = 0  # IHDR's color type
_WEIGHTS = np.array([1, 256, 65536])  # of red, green and blue in a number
_MESSAGE_VALUES = 5  # how many unknown values a message lists


@dataclasses.dataclass(frozen=True)
class Indices:
    """The pixels of a mask file as stored.

    pixels: whole numbers [H, W]. colored: they are r + 256 g + 65536 b of three channels.
    png: the file's bytes where they are an 8-bit grey PNG, else None. palette: the color of
    each index, as such a number [256], where the file has one."""

    pixels: np.ndarray
    colored: bool
    png: bytes | None
    palette: np.ndarray | None = None


def read(path: str, data: bytes | None, sizes: Collection[tuple[int, int]]) -> Indices:
    """Reads a mask file, or its bytes where `data` has them; then `path` is but its name.

    sizes: each (H, W) that it may have; others are not even decoded. Raises Rejected for a mask
    that is unreadable, lossy or of another size."""
    pixels, kind, size = None, "", (0, 0)
    try:
        if data is None:
            with open(path, "rb") as file:
                data = file.read()
        with image_files.opened(data, path) as (image, kind):
            size = (image.height, image.width)
            plain = _is_plain(data, image, kind)
            if kind in _KINDS and size in sizes:
                pixels, colored = _pixels(data, image, kind)
                palette = _palette(image)
    except (OSError, errors.DataError) as error:
        raise schema.Rejected("unreadable mask", str(error)) from error
    if kind == "jpeg" or (kind == "webp" and data[12:16] != b"VP8L"):
        raise schema.Rejected(
            "lossy mask", f"{path}: {kind.upper()} changes the values; give a PNG"
        )
    if kind not in _KINDS:
        raise schema.Rejected(
            "unreadable mask", f"{path}: {kind.upper()} contains no indices; give a PNG"
        )
    if pixels is None:
        expected = " or ".join(f"{w} x {h}" for h, w in dict.fromkeys(sizes))
        detail = f"{path}: {size[1]} x {size[0]} pixels, expected {expected}"
        raise schema.Rejected("mask of another size", detail)
    return Indices(pixels, colored, data if plain else None, palette)


def _is_plain(data: bytes, image: pillow.Image, kind: str) -> bool:
    """Whether every decoder gives an 8-bit grey PNG's bytes as they are."""
    if kind != "png" or data[24] != 8 or data[25] != _GREY:
        return False
    return "transparency" not in image.info and not getattr(image, "is_animated", False)


def _pixels(data: bytes, image: pillow.Image, kind: str) -> tuple[np.ndarray, bool]:
    image.load()
    pixels = np.asarray(image)
    if image.mode in ("RGB", "RGBA"):
        return pixels[..., :3].astype(np.int64) @ _WEIGHTS, True
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise ValueError(f"mode {image.mode} is not an index image")
    if kind == "png" and data[25] == _GREY:
        pixels = pixels // _STRETCHED.get(data[24], 1)
    return pixels if pixels.dtype == np.uint8 else pixels.astype(np.int64), False


def _palette(image: pillow.Image) -> np.ndarray | None:
    if image.mode != "P" or image.palette is None:
        return None
    channels = np.zeros((256, 3), np.int64)
    listed = np.array(image.getpalette("RGB"), np.int64).reshape(-1, 3)[:256]
    channels[: len(listed)] = listed
    return channels @ _WEIGHTS


def _turned(mask: Indices, image: image_files.Image, frame: str) -> bool:
    """Whether a mask is of the image's stored pixels, and these are not upright."""
    return mask.pixels.shape != image.full_size or (
        frame == "stored" and image.orientation > 1 and mask.pixels.shape == image.stored_size
    )


def upright(mask: Indices, image: image_files.Image, frame: str) -> np.ndarray:
    """The pixels turned as the image is, where they are of its stored ones (see `encode`)."""
    return image_files.upright(mask.pixels, image.orientation if _turned(mask, image, frame) else 1)


def label_map(
    source: schema.LabelMap,
    mask: Indices,
    image: image_files.Image,
    num_classes: int,
    frame: str = "",
) -> tuple[bytes, dict[int, int]]:
    """(the 8-bit PNG of an image's class ids, VOID where nothing counts, upright, of its size;
    {class id or VOID: its pixels in the file}).

    A file that is exactly that keeps its bytes. Raises DataError for a value that is not a class
    and for a mask of colors."""
    if num_classes > schema.VOID:
        raise errors.DataError(
            f"{num_classes} classes do not fit an 8-bit label map ({schema.VOID} means void);"
            f" merge some, at most {schema.VOID} are possible"
        )
    by_color = source.colors is not None and not source.values
    if not source.segments and (mask.colored or by_color):
        mask, source = _decoded(mask, source)
    indices, counts = _distinct(mask.pixels)
    class_ids = np.array([_class_id(int(v), source, num_classes) for v in indices], np.int64)
    unknown = indices[class_ids < 0]
    if unknown.size:
        raise errors.DataError(_unknown(unknown, source, num_classes))
    totals = np.bincount(class_ids, counts, minlength=1).astype(int)
    pixels = {int(i): int(totals[i]) for i in np.flatnonzero(totals)}
    as_it_is = not _turned(mask, image, frame) and image.original is None
    if mask.png is not None and as_it_is and np.array_equal(indices, class_ids):
        return mask.png, pixels
    drawn = shrink.nearest(upright(mask, image, frame), image.size)
    return png(class_ids.astype(np.uint8)[np.searchsorted(indices, drawn)]), pixels


def _decoded(mask: Indices, source: schema.LabelMap) -> tuple[Indices, schema.LabelMap]:
    """A mask by its colors, or as grey where there is no table and its channels are equal."""
    if not mask.colored:
        palette = np.arange(256) * _WEIGHTS.sum() if mask.palette is None else mask.palette
        mask = dataclasses.replace(mask, pixels=palette[mask.pixels], png=None)
    indices = np.unique(mask.pixels)
    colors = [(int(v) & 255, int(v) >> 8 & 255, int(v) >> 16) for v in indices]
    if source.colors is not None:
        unknown = [color for color in colors if color not in source.colors]
        if unknown:
            raise errors.DataError(
                f"{source.path}: color {unknown[0]} is not a class of the table; add it, as void"
                " where it counts for nothing"
            )
        values = {int(v): source.colors[c] for v, c in zip(indices, colors, strict=True)}
        return mask, dataclasses.replace(source, values=values)
    if any(len({*color}) > 1 for color in colors):
        shown = ", ".join(map(str, colors[:_MESSAGE_VALUES]))
        raise errors.DataError(
            f"{source.path}: color-coded mask (it has {len(colors)} colors: {shown}); say what"
            " the colors mean with --mask_colors=FILE, a table name, r, g, b, or give index"
            " images, in which a pixel's value is its class id"
        )
    return dataclasses.replace(mask, pixels=(mask.pixels & 255).astype(np.uint8)), source


def _distinct(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur, sorted, and how often each does."""
    if pixels.dtype == np.uint8:
        counts = np.bincount(pixels.reshape(-1), minlength=256)
        return np.flatnonzero(counts), counts[counts > 0]
    return np.unique(pixels, return_counts=True)


def _class_id(value: int, source: schema.LabelMap, num_classes: int) -> int:
    """The class id or VOID of a raw value; -1 where it is unknown."""
    if source.values is not None:
        return source.values.get(value, -1)
    return value if 0 <= value < num_classes or value == schema.VOID else -1


def _unknown(values: np.ndarray, source: schema.LabelMap, num_classes: int) -> str:
    listed = ", ".join(str(v) for v in values[:_MESSAGE_VALUES])
    more = f" and {len(values) - _MESSAGE_VALUES} more" if len(values) > _MESSAGE_VALUES else ""
    verb = "is not a class" if len(values) == 1 else "are not classes"
    return (
        f"{source.path}: pixel value {listed}{more} {verb}: the class list has {num_classes};"
        f" complete the list, or set such pixels to {schema.VOID} (void)"
    )


def png(pixels: np.ndarray) -> bytes:
    """uint8 [H, W] as a grey PNG."""
    buffer = io.BytesIO()
    pillow.fromarray(np.ascontiguousarray(pixels)).save(buffer, "png")
    return buffer.getvalue()
