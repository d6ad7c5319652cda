"""Which image format a file's first bytes announce."""

from __future__ import annotations

HEAD_BYTES = 16
# Names that say "image" even where the content does not, so that a broken one is reported.
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)

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


def image_format(head: bytes) -> str | None:
    """ "jpeg", "png", "gif", "bmp", "tiff", "webp" or "ppm"; None where it is no image.

    head: at least the first HEAD_BYTES bytes of the file."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            is_ppm = name != "ppm" or head[2:3] in (b" ", b"\n", b"\r", b"\t", b"#")
            return name if is_ppm else None
    return None
