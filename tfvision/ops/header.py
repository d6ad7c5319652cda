"""The size and orientation of an image from its header, nothing decoded."""

from __future__ import annotations

import functools
import importlib
import struct
import warnings
from typing import BinaryIO

from PIL import Image as pillow
from PIL import features

# Only these of Pillow's readers: others run programs (EPS) or are not photographs (ICO, PSD).
READERS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM")
ORIENTATION_TAG = 0x0112

Size = tuple[int, int]
_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF, _HEAD_BYTES = b"Exif", 1 << 17


@functools.cache
def readers() -> tuple[str, ...]:
    """READERS, AVIF where Pillow was built with it, and HEIF where pillow-heif is installed."""
    readers_here = READERS
    if features.check("avif"):
        readers_here += ("AVIF",)
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return readers_here
    return (*readers_here, "HEIF")


def sizes(file: str | BinaryIO) -> tuple[Size, Size] | None:
    """(height, width) as stored, and of the upright image; None where the header is broken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pillow.open(file, formats=readers()) as image:
                size = (image.height, image.width)
                orientation = orientation_of(image)
    except Exception:  # Pillow's readers raise nearly every type there is on broken files
        size, orientation = _png_size(file), 1  # of which it refuses intact ones with much metadata
    if size is None:
        return None
    return size, size[::-1] if orientation >= 5 else size


def orientation(path: str) -> int:
    """The EXIF orientation 1..8 of a JPEG file; 1 where it has none or is something else."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
        if not head.startswith(b"\xff\xd8") or _EXIF not in head:  # most have none
            return 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pillow.open(path, formats=READERS) as image:
                return orientation_of(image)
    except Exception:  # as above
        return 1


def _png_size(file: str | BinaryIO) -> Size | None:
    try:
        if isinstance(file, str):
            with open(file, "rb") as opened:
                head = opened.read(24)
        else:
            file.seek(0)
            head = file.read(24)
        width, height = struct.unpack(">II", head[16:])
    except (OSError, struct.error):
        return None
    return (height, width) if head.startswith(_PNG) and head[12:16] == b"IHDR" else None


def orientation_of(image: pillow.Image) -> int:
    """The EXIF orientation 1..8 of an opened image that its pixels still need.

    XMP's, which viewers ignore, does not count."""
    # Pillow turns TIFF itself; asking a PNG for its EXIF would decode it.
    if "exif" not in image.info or image.format == "TIFF":
        return 1
    try:
        exif = pillow.Exif()
        exif.load(image.info["exif"])
        value = exif.get(ORIENTATION_TAG, 1)
    except Exception:  # broken metadata of an intact image
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
