"""The size of an image from its header, nothing decoded."""

from __future__ import annotations

import warnings
from typing import BinaryIO

from PIL import Image as pillow

# Only these of Pillow's readers: others run programs (EPS) or are no photographs (ICO, PSD).
READERS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM")
ORIENTATION_TAG = 0x0112

Size = tuple[int, int]
_EXIF, _HEAD_BYTES = b"Exif", 1 << 17


def sizes(file: str | BinaryIO) -> tuple[Size, Size] | None:
    """(height, width) as stored, and of the upright image; None where the header is broken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pillow.open(file, formats=READERS) as image:
                size = (image.height, image.width)
                turned = _orientation(image)
    except Exception:  # Pillow's readers raise nearly every type there is on broken files
        return None
    return size, size[::-1] if turned >= 5 else size


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
                return _orientation(image)
    except Exception:  # as above
        return 1


def _orientation(image: pillow.Image) -> int:
    # Pillow turns TIFF itself; asking a PNG for its EXIF would decode it.
    if "exif" not in image.info or image.format == "TIFF":
        return 1
    try:
        exif = pillow.Exif()
        exif.load(image.info["exif"])
        value = exif.get(ORIENTATION_TAG, 1)
    except Exception:  # broken metadata of a sound image
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
