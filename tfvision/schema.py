"""The record's fields in one table, and `Sample`, what a source yields for one image.

The keys are those of TF Model Garden and the TF Object Detection API, so records travel both ways.
A field that a data set does not have is absent from its records; an image without objects
has its object lists present and empty.

Axis letters: H height, W width, N objects, L image-level labels, R proposals.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

VOID = 255  # label-map value of pixels that count for nothing
PADDING = -1  # class id that fills variable-length ground truth up to a fixed length


@dataclasses.dataclass(frozen=True)
class Field:
    """One row of the schema.

    keys: the tf.train.Example features that hold it. dtype: "string", "int64" or "float32".
    many: a list of any length (True) or exactly one value. meaning: shape and unit as decoded."""

    keys: tuple[str, ...]
    dtype: str
    many: bool
    meaning: str


_EDGES = ("ymin", "xmin", "ymax", "xmax")
_BOX = tuple(f"image/object/bbox/{edge}" for edge in _EDGES)
_PROPOSAL = tuple(f"image/proposals/bbox/{edge}" for edge in _EDGES)

FIELDS: dict[str, Field] = {
    "image": Field(("image/encoded",), "string", False, "JPEG or PNG; pixels uint8 [H, W, 3]"),
    "format": Field(("image/format",), "string", False, "'jpeg' or 'png'"),
    "height": Field(("image/height",), "int64", False, "of the upright image, pixels"),
    "width": Field(("image/width",), "int64", False, "of the upright image, pixels"),
    "filename": Field(("image/filename",), "string", False, "path relative to the image folder"),
    "source_id": Field(("image/source_id",), "string", False, "unique in the data set; COCO's id"),
    "sha256": Field(("image/key/sha256",), "string", False, "hex digest of image/encoded"),
    "labels": Field(("image/class/label",), "int64", True, "class ids of the image [L]"),
    "label_texts": Field(("image/class/text",), "string", True, "their names [L]"),
    "boxes": Field(_BOX, "float32", True, "[N, 4] y x y x; 0..1 in the record, pixels decoded"),
    "class_ids": Field(("image/object/class/label",), "int64", True, "[N] in 0..K-1"),
    "class_texts": Field(("image/object/class/text",), "string", True, "[N]"),
    "is_crowd": Field(("image/object/is_crowd",), "int64", True, "[N] 0 or 1"),
    "difficult": Field(("image/object/difficult",), "int64", True, "[N] 0 or 1 (Pascal VOC)"),
    "area": Field(("image/object/area",), "float32", True, "[N] square pixels, the format's own"),
    "masks": Field(("image/object/mask",), "string", True, "[N] PNGs, whole image or box-cropped"),
    "proposals": Field(_PROPOSAL, "float32", True, "[R, 4] as boxes; of no class, the best first"),
    "label_map": Field(
        ("image/segmentation/class/encoded",), "string", False, "8-bit PNG [H, W], void 255"
    ),
    "label_map_format": Field(("image/segmentation/class/format",), "string", False, "'png'"),
}

# What every record holds, whatever the task.
ALWAYS = ("image", "format", "height", "width", "filename", "source_id", "sha256")
# A data set announces what else it has by these names in dataset.json: {name: its fields}.
GROUPS = {
    "labels": ("labels", "label_texts"),
    "objects": ("boxes", "class_ids", "class_texts", "is_crowd", "difficult", "area"),
    "masks": ("masks",),
    "label_map": ("label_map", "label_map_format"),
    "proposals": ("proposals",),
}


def image_ids(source_ids: Sequence[str]) -> list[int]:
    """COCO's ids of a split's images: the source_ids where all are different whole numbers, else
    1, 2 ... in the order of its records."""
    if all(name.isdecimal() and str(int(name)) == name for name in source_ids):
        ids = [int(name) for name in source_ids]
        if len(set(ids)) == len(ids):
            return ids
    return list(range(1, len(source_ids) + 1))


@dataclasses.dataclass
class Object:
    """One annotated object.

    box: (y1, x1, y2, x2) in pixels, continuous edges, or None where only a mask is given.
    mask: None; a list of polygons, each a flat [x0, y0, x1, y1, ...] in pixels; an RLE dict
    {"size": [H, W], "counts": list of runs or COCO's compressed string}; a PNG's bytes, of the
    whole image or of the box's pixels; or the object's id in the sample's `segments` file.
    area: the format's own figure in square pixels, or None.
    name: how reports call it, such as "annotation 1768" ."""

    class_id: int
    box: tuple[float, float, float, float] | None = None
    mask: list[list[float]] | dict[str, Any] | bytes | int | None = None
    is_crowd: bool = False
    difficult: bool = False
    area: float | None = None
    name: str = ""


@dataclasses.dataclass
class LabelMap:
    """Where an image's label map comes from.

    path: an index image (8 or 16 bit, palette or grey), or one of segment ids (RGB with
    id = r + 256 g + 65536 b). data: the file's bytes where they are not a file of their own.
    values: value -> class id or VOID, and a value that is not in it is unknown; None: values
    are class ids already, VOID is void. colors: (r, g, b) -> class id or VOID, of masks whose
    colors are the classes. segments: it is an image of segment ids."""

    path: str
    data: bytes | None = None
    values: Mapping[int, int] | None = None
    colors: Mapping[tuple[int, int, int], int] | None = None
    segments: bool = False


@dataclasses.dataclass
class Sample:
    """What a source knows of one image: plain Python, nothing decoded yet.

    path: the image file. filename: its path relative to the image folder, with "/".
    source_id: unique in the data set. size: (height, width) that the annotation claims, or None.
    labels: image-level class ids, or None where the format has none. objects: None where the
    format has none; [] for an image without objects. segments: path of an image of segment ids,
    which masks that are ids refer to. part: (offset, length) where the image's bytes are a part
    of the file. data: these bytes where they are in no file; `path` is then but a name of it.
    background: the format wants an annotation file, there is none, and so the image
    counts as one without objects."""

    path: str
    filename: str
    source_id: str
    size: tuple[int, int] | None = None
    labels: list[int] | None = None
    objects: list[Object] | None = None
    label_map: LabelMap | None = None
    segments: str | None = None
    part: tuple[int, int] | None = None
    data: bytes | None = None
    background: bool = False


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that a source or the converter left out or changed, for the report.

    kind: "clipped", "dropped" (an object), "skipped" (an image) or "noted". reason: a short
    fixed phrase that findings are counted by. detail: the object and the value. path: the image
    file that is left out, where `file` is not its name."""

    kind: str
    reason: str
    file: str
    detail: str = ""
    path: str = dataclasses.field(default="", compare=False)


class Rejected(Exception):
    """An object or an image that cannot be used as it is; whoever catches it makes the finding."""

    def __init__(self, reason: str, detail: str):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail

    def finding(self, kind: str, file: str, about: str, path: str = "") -> Finding:
        """about: what `detail` is of, such as a line or an object's name; "" for the file."""
        detail = f"{about}: {self.detail}" if about else self.detail
        return Finding(kind, self.reason, file, detail, path)


@dataclasses.dataclass
class Census:
    """What became of the images in the folders of a conversion, each counted once.

    unit: "images" of folders, "records" of record files, or "samples" that a program has made.
    found: all there are. used: those that became samples. background: of these, how many for want
    of an annotation. left: {why an image is not a sample: (how many, the first names)}."""

    unit: str = "images"
    found: int = 0
    used: int = 0
    background: int = 0
    left: dict[str, tuple[int, list[str]]] = dataclasses.field(default_factory=dict)
