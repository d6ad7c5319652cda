"""What the readers of Pascal VOC share: lists of the splits, class lists, images by name."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tfvision import errors
from tfvision.ops import sniff

_LABEL_FILES = ("labels.txt", "classes.txt")


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
            try:
                with open(path, encoding="utf-8-sig") as file:
                    return [line.strip() for line in file if line.strip()]
            except (OSError, UnicodeDecodeError) as error:
                raise errors.DataError(f"{path} cannot be read: {error}") from error
    found = sorted(n[:-4] for folder in folders for n in os.listdir(folder) if n.endswith(".txt"))
    raise errors.DataError(
        f"{folders[0]}: there is no list of split '{split}'{errors.suggestion(split, found)}"
        f" (it has: {', '.join(found[:12]) or 'none'})"
    )


def find_image(folder: str, stem: str) -> str | None:
    """The name of the image <stem>.jpg, .png, ... in a folder."""
    for extension in sniff.EXTENSIONS:
        for name in (stem + extension, stem + extension.upper()):
            if os.path.isfile(os.path.join(folder, name)):
                return name
    return None
