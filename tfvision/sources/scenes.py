"""CamVid, Cityscapes and ADE20K as they are published: `masks` with their folders and classes.

CamVid: Brostow et al. 2009, in the 11 classes of SegNet (arXiv:1511.00561). Cityscapes: Cordts
et al. 2016, arXiv:1604.01685. ADE20K: Zhou et al. 2017, arXiv:1608.05442 (ADEChallengeData2016).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tfvision import errors, schema
from tfvision.sources import index_masks, texts
from tfvision.sources.source import NOTHING_SAID, Options, Source, check_class_names, check_folder

_CAMVID = (
    *("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car"),
    *("Pedestrian", "Bicyclist", "Unlabelled"),
)

# The 19 classes that count, in the order of their train ids: the id that the masks hold -> name.
_CITYSCAPES = {
    7: "road",
    8: "sidewalk",
    11: "building",
    12: "wall",
    13: "fence",
    17: "pole",
    19: "traffic light",
    20: "traffic sign",
    21: "vegetation",
    22: "terrain",
    23: "sky",
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
_CITYSCAPES_IDS = 34
_ADE_SPLITS = {"train": "training", "val": "validation"}
_ADE_NAMES = "objectInfo150.txt"


def read_camvid(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads IMAGES/<split> and IMAGES/<split>annot; void is 11. `labels` replaces the names."""
    if not options.label_file:
        labels = labels or _CAMVID
    return index_masks.read(images, annotations, split=split, labels=labels, options=options)


def read_cityscapes(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads ROOT/leftImg8bit/<split>/<city> and the labelIds of ROOT/gtFine/<split>/<city>.

    annotations: the folder gtFine, if it is elsewhere. Ids outside the 19 classes are void."""
    del options
    if labels:
        raise errors.UsageError("format cityscapes has its own class list; drop --labels")
    base = check_folder(os.path.join(images, "leftImg8bit"), "image folder")
    label_root = annotations or os.path.join(images, "gtFine")
    roots = [_pair(base, label_root, split)]
    values = dict.fromkeys((*range(_CITYSCAPES_IDS), schema.VOID), schema.VOID)
    values |= {number: i for i, number in enumerate(_CITYSCAPES)}
    items = index_masks.items(roots[0][0], roots, index_masks.Coding(values))
    left = index_masks.folders(base, roots)
    return Source(list(_CITYSCAPES.values()), index_masks.GROUPS, items, folders=left)


def read_ade20k(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads ROOT/images/<training or validation> and ROOT/annotations of the same.

    annotations: the folder of the masks, if it is elsewhere. 0 is void, 1..K are the classes of
    `labels` or of ROOT/objectInfo150.txt, each by the first of its names."""
    del options
    base = check_folder(os.path.join(images, "images"), "image folder")
    label_root = annotations or os.path.join(images, "annotations")
    names = list(labels or _ade_names(os.path.join(images, _ADE_NAMES)))
    roots = [_pair(base, label_root, _ADE_SPLITS.get(split, split))]
    values = {0: schema.VOID, schema.VOID: schema.VOID}
    values |= {i + 1: i for i in range(len(names))}
    items = index_masks.items(roots[0][0], roots, index_masks.Coding(values))
    return Source(names, index_masks.GROUPS, items, folders=index_masks.folders(base, roots))


def _pair(images: str, labels: str, split: str) -> tuple[str, str]:
    return (
        check_folder(os.path.join(images, split), "image folder"),
        check_folder(os.path.join(labels, split), "mask folder"),
    )


def _ade_names(path: str) -> list[str]:
    """Names from the table whose last column is `Name`, with synonyms after commas."""
    lines = texts.read(path, "class list (give one with --labels)").split("\n")
    rows = [line.split("\t") for line in lines if line.strip()]
    full = [row[-1].strip() for row in rows[1:]]
    first = [name.split(",")[0].strip() for name in full]
    return check_class_names(first if len(set(first)) == len(first) else full, path)
