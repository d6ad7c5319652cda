"""Image files as they come -> JPEG or PNG bytes that TensorFlow decodes as they are.

Plain Python and Pillow: the converter's workers and the serving client use the same function,
and neither needs TensorFlow for it. Formats are recognised by content, never by extension.

Axis letters: H height, W width.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image as pillow

from tfvision import errors
from tfvision.ops import header, sniff
from tfvision.records import shrink

# Where Pillow starts to warn of decompression bombs: 256 MiB as RGB. Larger ones are refused
# from their header, before anything is decoded.
MAX_PIXELS = 89_478_485

_HEADER_BYTES = 1 << 17
# Start-of-frame markers of baseline, extended and progressive JPEG with Huffman codes; TensorFlow
# decodes these and not the arithmetic, lossless or hierarchical ones.
_PLAIN_FRAMES = (0xC0, 0xC1, 0xC2)
_COMPONENTS = (b"\x01", b"\x03", b"\x04")  # grey, YCbCr or RGB, CMYK
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # no stuffing, restart or filling
_BAKED_QUALITY = 95
_TEXTS = (b"zTXt", b"iTXt", b"iCCP")  # packed chunks of a PNG that change no pixel
_TEXT_RATIO, _TEXT_BYTES = 500, 64 << 20  # what such chunks may unpack to, by the file's size
_PACKED = re.compile(rb"\x00(?:\x00|\x01\x00[^\x00]*\x00[^\x00]*\x00)(\x78[\x01\x5e\x9c\xda])")
_SEVERAL = ("gif", "tiff", "webp", "png")  # formats of animations and pages
_FEW_LEVELS = 64  # of 256 that the high byte keeps of 16-bit values
_EXTRA_SAMPLES = 338  # the TIFF tag that says what a fourth channel is


@dataclasses.dataclass(frozen=True)
class Image:
    """One intact image, ready for a record.

    data: its bytes. format: "jpeg" or "png". height, width: of the upright image, pixels.
    orientation: EXIF's 1..8 of the file as it came; a JPEG that kept its bytes still has it to
    be applied, everything rewritten is upright already. kept: the bytes are the file's own.
    note: what was lost in rewriting it, "" for nothing worth a word. original: (height, width)
    of the upright file, where the image is smaller than that."""

    data: bytes
    format: str
    height: int
    width: int
    orientation: int
    kept: bool
    note: str = ""
    original: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the upright image."""
        return self.height, self.width

    @property
    def full_size(self) -> tuple[int, int]:
        """(height, width) of the upright file, of which annotations speak."""
        return self.original or self.size

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) of the file's pixels before its EXIF orientation is applied."""
        return self.full_size[::-1] if self.orientation >= 5 else self.full_size


def orientation(data: bytes) -> int:
    """The EXIF orientation 1..8 of a JPEG's bytes; 1 where there is none or it is broken.

    Walks the segments to APP1 and reads tag 0x0112 of its first image directory (EXIF 2.3,
    section 4.6), the same way as the graph does (inputs.decode)."""
    head = data[:_HEADER_BYTES]
    if head[:3] != b"\xff\xd8\xff":
        return 1
    at = 2
    while at < _HEADER_BYTES - 20 and len(head) >= at + 4:
        marker, length = struct.unpack_from(">HH", head, at)
        if marker < 0xFFC0 or marker == 0xFFDA:
            return 1
        if marker == 0xFFE1 and head[at + 4 : at + 8] == b"Exif":
            return _orientation_of_tiff(head[at + 10 :])
        at += 2 + max(length, 2)
    return 1


def _orientation_of_tiff(tiff: bytes) -> int:
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for i in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * i)
            if tag == header.ORIENTATION_TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns [H, W, ...] as its EXIF `orientation` (1..8) asks for."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def upright_box(
    box: tuple[float, float, float, float], size: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """Turns a y x y x box in pixels of an image of `size` = (H, W) as stored."""
    y1, x1, y2, x2 = box
    height, width = size
    if orientation >= 5:
        y1, x1, y2, x2 = x1, y1, x2, y2
        height, width = width, height
    if orientation in (2, 3, 6, 7):
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 7, 8):
        y1, y2 = height - y2, height - y1
    return y1, x1, y2, x2


def normalise(
    data: bytes,
    name: str = "image",
    *,
    bake_orientation: bool = False,
    limit: shrink.Limit | None = None,
) -> Image:
    """Checks one image file's bytes by decoding them fully, and rewrites them where needed.

    JPEG and PNG that TensorFlow decodes as they are keep their bytes: EXIF-rotated, CMYK, grey
    and progressive JPEG, palette, 1-bit and grey PNG among them. The rest becomes an upright
    8-bit PNG: 16-bit keeps the high byte, floats are taken as 0..1 or 0..255 by their maximum,
    alpha is composited on white, an animation gives its first frame. bake_orientation: turn
    EXIF-rotated JPEGs too (quality 95), for readers that cannot. limit: what is larger is shrunk
    and upright, a JPEG again where the file is lossy (JPEG, WebP), else a PNG.

    Raises DataError that starts with `name` and says why: empty, no image, more than MAX_PIXELS,
    truncated or broken."""
    with opened(data, name) as (image, kind):
        return _decode(data, image, kind, bake_orientation, limit)


@contextlib.contextmanager
def opened(data: bytes, name: str) -> Iterator[tuple[pillow.Image, str]]:
    """Yields an image file's bytes as a Pillow image, not decoded yet, and its format's name.

    Its size is below MAX_PIXELS, and a PNG is whole. Whatever goes wrong, inside the `with`
    too, becomes a DataError that starts with `name` and says why."""
    if not data:
        raise errors.DataError(f"{name}: the file is empty")
    kind = sniff.image_format(data[: sniff.HEAD_BYTES])
    if kind is None:
        kind = sniff.other_format(data[: sniff.HEAD_BYTES])
        if kind is not None and kind not in header.readers():
            way = sniff.WAYS_OUT.get(kind, ", which is not read; convert it to JPEG or PNG")
            raise errors.DataError(f"{name}: a {kind} picture{way}")
    if kind is None:
        raise errors.DataError(
            f"{name}: not an image (no JPEG, PNG, GIF, BMP, WebP, TIFF or PNM by its first bytes)"
        )
    try:
        # Pillow warns of broken metadata, which does not matter here, and of bombs, which the
        # limit below refuses.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "png":
                data = _without_texts(data)
            with pillow.open(io.BytesIO(data), formats=header.readers()) as image:
                _check_size(image, name)
                if kind == "png":
                    _check_chunks(data)
                yield image, kind
    except errors.TfvisionError:
        raise
    except pillow.DecompressionBombError as error:
        raise errors.DataError(f"{name}: {_too_large(None)}") from error
    except Exception as error:
        # Pillow's readers raise nearly every type there is on broken files.
        reason = str(error).split("\n")[0][:200] or type(error).__name__
        if isinstance(error, pillow.UnidentifiedImageError):
            reason = "the header is broken"
        raise errors.DataError(f"{name}: unreadable {kind.upper()} image: {reason}") from error


def _too_large(pixels: int | None) -> str:
    many = "far" if pixels is None else f"with {pixels:,} pixels"
    return f"the image is {many} too large (at most {MAX_PIXELS:,} pixels)"


def _check_size(image: pillow.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise errors.DataError(f"{name}: {_too_large(image.width * image.height)}")
    if image.width < 1 or image.height < 1:
        raise errors.DataError(f"{name}: the image is {image.width} x {image.height} pixels")


def _decode(
    data: bytes, image: pillow.Image, kind: str, bake: bool, limit: shrink.Limit | None
) -> Image:
    stored, part = (image.height, image.width), None
    if kind == "jpeg":
        exif = orientation(data)
        if limit and max(stored) > limit.max_side:
            part = shrink.draft(image, limit.size(stored))
        image.load()
        plain = _is_plain_jpeg(data)
    else:
        exif = _tiff_orientation(image) if kind == "tiff" else 1
        image.load()  # which turns a TIFF, and finds a PNG's EXIF behind its pixels
        exif = max(exif, header.orientation_of(image))
        plain = kind == "png" and exif == 1 and _is_plain_png(data, image)
        stored = (image.height, image.width)
    pending = 1 if kind == "tiff" else exif
    size = stored[::-1] if pending >= 5 else stored
    target = limit.size(stored) if limit else stored
    if target == stored and plain and not (bake and exif > 1):
        return Image(data, kind, *size, exif, kept=True)
    lossy = (kind == "jpeg" and plain) or (target != stored and _is_lossy(data, kind))
    image, note = _eight_bit(image, _deep(data, kind))
    frames = _frames(data) if kind in _SEVERAL else 1
    if frames > 1:
        note = note or f"first of several frames taken: it has {frames}"
    original = None
    if target != stored:
        image, original = shrink.resized(image, target, part), size
        size = target[::-1] if pending >= 5 else target
    if pending > 1:
        image = pillow.fromarray(np.ascontiguousarray(upright(np.asarray(image), pending)))
    buffer = io.BytesIO()
    if not lossy:
        image.save(buffer, "png")
    elif original:  # with halved chroma, as cameras write it: a quarter less to store and decode
        image.save(buffer, "jpeg", quality=limit.quality)
    else:
        image.save(buffer, "jpeg", quality=_BAKED_QUALITY, subsampling=0)
    rewritten = "jpeg" if lossy else "png"
    return Image(buffer.getvalue(), rewritten, *size, exif, False, note, original)


def _frames(data: bytes) -> int:
    """How many frames or pages a file has, as far as they can be counted."""
    try:
        with pillow.open(io.BytesIO(data), formats=header.readers()) as image:
            return getattr(image, "n_frames", 1)
    except Exception:  # the first is intact, whatever the others are
        return 1


def _is_lossy(data: bytes, kind: str) -> bool:
    """Whether a file's pixels are approximate already, so that a JPEG of them may be, too."""
    return kind in ("jpeg", "HEIF", "AVIF") or (kind == "webp" and data[12:16] == b"VP8 ")


def _tiff_orientation(image: pillow.Image) -> int:
    try:
        value = image.tag_v2.get(header.ORIENTATION_TAG, 1)
    except Exception:  # broken metadata of an intact image
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _deep(data: bytes, kind: str) -> bool:
    """Whether these are the bytes of a 16-bit PNG."""
    return kind == "png" and data[24] == 16


def _is_plain_jpeg(data: bytes) -> bool:
    """Whether TensorFlow decodes it: a common frame, and segments up to an end marker, without
    which Pillow is content and TensorFlow is not."""
    at, plain = 2, False
    while at + 2 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xD9:  # end of image
            return plain
        if marker == 0xFF:  # a marker may be filled up with any number of these
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            head = data[at + 4 : at + 10]
            plain = marker in _PLAIN_FRAMES and head[:1] == b"\x08" and head[5:] in _COMPONENTS
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:  # what follows is coded pixels up to the next true marker
            match = _MARKER_IN_SCAN.search(data, at)
            at = match.start() if match else len(data)
    return False


def _is_plain_png(data: bytes, image: pillow.Image) -> bool:
    depth, color = data[24], data[25]  # IHDR: 0 grey, 2 RGB, 3 palette; 4 and 6 have alpha
    animated = getattr(image, "is_animated", False)
    return depth <= 8 and color in (0, 2, 3) and "transparency" not in image.info and not animated


def _without_texts(data: bytes) -> bytes:
    """A PNG without packed texts and color profile, of which Pillow refuses large ones.

    Raises ValueError where they are a bomb: they unpack to far more than the file's size."""
    parts, start, at = [], 0, 8
    left = min(_TEXT_RATIO * len(data), _TEXT_BYTES)
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        body = data[at + 8 : end - 4] if data[at + 4 : at + 8] in _TEXTS else b""
        if match := _PACKED.search(body):
            left -= _unpacked(body[match.start(1) :], left)
            if left < 0:
                raise ValueError("its texts unpack to far more than the file")
            parts.append(data[start:at])
            start = end
        at = end
    return b"".join([*parts, data[start:]]) if parts else data


def _unpacked(packed: bytes, limit: int) -> int:
    """How many bytes these unpack to, up to a little more than `limit`."""
    stream, size = zlib.decompressobj(), 0
    try:
        while packed and not stream.eof and size <= limit:
            size += len(stream.decompress(packed, 1 << 16))
            packed = stream.unconsumed_tail
    except zlib.error:  # damaged, which harms no pixel
        pass
    return size


def _check_chunks(data: bytes) -> None:
    """Raises ValueError for a PNG that is cut or damaged where Pillow does not mind."""
    at, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data):
            raise ValueError("the file is truncated")
        # Damage to what libpng may skip (lower-case chunks) harms no pixel.
        if kind[:1].isupper() and zlib.crc32(data[at + 4 : end]) != int.from_bytes(
            data[end : end + 4], "big"
        ):
            raise ValueError(f"checksum of chunk {kind.decode('latin-1')} is wrong")
        at = end + 4


def _eight_bit(image: pillow.Image, deep: bool) -> tuple[pillow.Image, str]:
    """Any mode that Pillow reads -> L or RGB, 8 bits, and what was lost; alpha on white.

    deep: the values were of 16 bits, of which Pillow may have kept the high byte."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError("pixel values are outside 0..65535")
        clear = pixels == image.info.get("transparency", -1)
        note = _levels(int(pixels.max()))
        return pillow.fromarray(np.where(clear, 255, pixels >> 8).astype(np.uint8)), note
    if image.mode == "F":
        pixels = np.asarray(image)
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 255):
            raise ValueError("pixels are floating point numbers outside 0..255")
        # Nobody writes 0..255 with a maximum of one: such an image is meant as 0..1.
        scale = 255.0 if pixels.max() <= 1 else 1.0
        return pillow.fromarray(np.round(pixels * scale).astype(np.uint8)), ""
    note = _levels(256 * max(high for _, high in _extrema(image)) + 255) if deep else ""
    if image.format == "TIFF" and image.mode == "RGBA" and _EXTRA_SAMPLES not in image.tag_v2:
        colors = pillow.merge("RGB", image.split()[:3])
        return colors, "fourth channel left out: the TIFF does not call it alpha"
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        image = image.convert("RGBA")
        white = pillow.new("RGBA", image.size, "white")
        return pillow.alpha_composite(white, image).convert("RGB"), note
    if image.mode == "1":
        return image.convert("L"), note
    return image if image.mode in ("L", "RGB") else image.convert("RGB"), note


def _extrema(image: pillow.Image) -> list[tuple[int, int]]:
    """(lowest, highest) of each channel but alpha."""
    extrema = image.getextrema()
    extrema = [extrema] if isinstance(extrema[0], (int, float)) else list(extrema)
    return extrema[: {"RGBA": 3, "LA": 1}.get(image.mode, len(extrema))]


def _levels(highest: int) -> str:
    """A note where the high byte of 16-bit values up to `highest` keeps few levels."""
    levels = (highest >> 8) + 1
    if levels > _FEW_LEVELS or highest == 0:
        return ""
    return (
        f"16-bit values of few levels: they use only 0..{highest}; the high byte keeps"
        f" {levels} level{'' if levels == 1 else 's'}; multiply the values by"
        f" {65536 // (highest + 1)} to use all"
    )
