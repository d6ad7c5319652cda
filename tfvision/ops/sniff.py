"""Which image format a file's first bytes announce."""

from __future__ import annotations

HEAD_BYTES = 16
# Names that say "image" even where the content does not, so that a broken one is reported.
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
# Pictures that are not read here: {what they are: their usual names}.
OTHERS = {
    "HEIF": (".heic", ".heif"),
    "AVIF": (".avif",),
    "JPEG XL": (".jxl",),
    "JPEG 2000": (".jp2", ".j2k", ".jpx"),
    "Photoshop": (".psd",),
    "camera raw": (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"),
    "SVG": (".svg",),
    "ICO": (".ico",),
    "OpenEXR": (".exr",),
    "DICOM": (".dcm",),
    "TGA": (".tga",),
}
# What to do about some of them.
WAYS_OUT = {"HEIF": " (of a phone), which is read where pillow-heif is installed"}
OTHER_EXTENSIONS = tuple(name for names in OTHERS.values() for name in names)

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    *((b"P%d" % n, "ppm") for n in range(1, 7)),
)
_OTHER_MAGIC = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "ICO"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"<svg", "SVG"),
    (b"%PDF", "PDF"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def image_format(head: bytes) -> str | None:
    """ "jpeg", "png", "gif", "bmp", "tiff", "webp" or "ppm"; None where it is not an image.

    head: at least the first HEAD_BYTES bytes of the file."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            is_ppm = name != "ppm" or head[2:3] in (b" ", b"\n", b"\r", b"\t", b"#")
            return name if is_ppm else None
    return None


def other_format(head: bytes, name: str = "") -> str | None:
    """What a picture is that `image_format` does not know, by its first bytes, else its name."""
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"avif", b"avis"):
            return "AVIF"
        if head[8:12] in _HEIF_BRANDS:
            return "HEIF"
    for magic, what in _OTHER_MAGIC:
        if head.startswith(magic):
            return what
    lower = name.lower()
    return next((what for what, names in OTHERS.items() if lower.endswith(names)), None)
