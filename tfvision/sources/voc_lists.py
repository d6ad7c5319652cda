"""What the readers of Pascal VOC share: lists of the splits, class lists, images by name."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tfvision import errors
from tfvision.ops import sniff
from tfvision.sources import texts

_LABEL_FILES = ("labels.txt", "classes.txt", "labelmap.txt")


def label_file(root: str) -> str | None:
    """The path of a data set's own class list, if it has one."""
    paths = [os.path.join(root, name) for name in _LABEL_FILES]
    return next((path for path in paths if os.path.isfile(path)), None)


def split_names(root: str, split: str, kinds: Sequence[str]) -> list[str] | None:
    """The lines of ImageSets/<kind>/<split>.txt, first kind first; None where all is wanted.

    Raises DataError that lists the splits where there are some but not this one."""
    folders = [os.path.join(root, "ImageSets", kind) for kind in kinds]
    folders = [folder for folder in folders if os.path.isdir(folder)]
    if not split or not folders:
        return None
    for folder in folders:
        path = os.path.join(folder, f"{split}.txt")
        if os.path.isfile(path):
            lines = texts.read(path, "list of images").split("\n")
            return [line.strip() for line in lines if line.strip()]
    if split == "train" and all(os.listdir(folder) == ["default.txt"] for folder in folders):
        return split_names(root, "default", kinds)  # CVAT's name for a set that is not divided
    names = sorted(n[:-4] for folder in folders for n in os.listdir(folder) if n.endswith(".txt"))
    raise errors.DataError(
        f"{folders[0]}: there is no list of split '{split}'{errors.suggestion(split, names)}"
        f" (it has: {', '.join(names[:12]) or 'none'})"
    )


def find_image(folder: str, stem: str) -> str | None:
    """The name of the image <stem>.jpg, .png, ... in a folder, in any case of the extension."""
    for extension in sniff.EXTENSIONS:
        for name in (
            stem + extension,
            stem + extension.upper(),
            stem + extension[0] + extension[1:].capitalize(),
        ):
            if os.path.isfile(os.path.join(folder, name)):
                return name
    return None
