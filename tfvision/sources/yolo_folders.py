"""Where a YOLO data set keeps its images, label files and names."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

from tfvision import errors
from tfvision.sources import yolo_yaml
from tfvision.sources.source import check_folder, files, is_inside, read_labels

_NAME_FILES = ("classes.txt", "obj.names", "data.yaml")
# Text files that tools write beside the label files.
_NO_LABELS = ("classes.txt", "labels.txt", "train.txt", "val.txt", "test.txt", "readme.txt")
_COMPANIONS = (".txt", ".names", ".yaml", ".yml", ".data", ".cache")
_LEVELS = 3  # a folder and two above it are searched for names


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder of images, and the one of their label files."""

    images: str
    labels: str


def places(root: str, found: Sequence[str], labels: str | None, split: str) -> list[Place]:
    """The folders of a split that hold images, each with its label folder.

    found: folders that a yaml names; those inside `root` go first. labels: the label folder,
    or None. Raises DataError where there are no images or no label files."""
    if labels:
        labels = check_folder(labels, "label folder")
    # A link to the yaml's folder is taken as it is spelt, for the sake of the folder beside it.
    folders = [root if os.path.samefile(f, root) else f for f in found if is_inside(f, root)]
    if not folders and split:
        tried = [("images", split), (split, "images"), (split,), ("images",), ()]
        paths = [os.path.join(root, *parts) for parts in tried]
        folders = [next(path for path in paths if os.path.isdir(path))]
    elif not folders:
        for folder, inner, _ in os.walk(root):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            folders.append(folder)
    folders = [f for f in folders if any(isinstance(path, str) for path in files(f, f))]
    if not folders:
        raise errors.DataError(f"{root}: there are no images of split '{split}' in it")
    return [Place(folder, _label_folder(folder, root, labels)) for folder in folders]


def _label_folder(folder: str, root: str, labels: str | None) -> str:
    if labels:
        inner = os.path.normpath(os.path.join(labels, os.path.relpath(folder, root)))
        chosen = inner if os.path.isdir(inner) else labels
        tried = chosen
    else:
        parts = os.path.abspath(folder).split(os.sep)
        tried = "a folder 'labels' beside a folder 'images'"
        chosen = folder
        if "images" in parts:
            last = len(parts) - 1 - parts[::-1].index("images")
            tried = os.sep.join([*parts[:last], "labels", *parts[last + 1 :]])
            chosen = tried if os.path.isdir(tried) else folder
    if next(label_files(chosen), None) is None:
        raise errors.DataError(
            f"{folder}: there are no label files (*.txt) for its images; looked in {tried}"
            f"{'' if labels else ' and beside them; give their folder with --annotations'}"
        )
    return chosen


def label_files(folder: str) -> Iterator[str]:
    """Names of the label files in a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".txt") and entry.name.lower() not in _NO_LABELS:
                yield entry.name


def lines(place: Place) -> Iterator[str]:
    """Every line of every label file, as far as it can be read."""
    for name in label_files(place.labels):
        try:
            with open(os.path.join(place.labels, name), encoding="utf-8-sig") as file:
                yield from file
        except (OSError, UnicodeDecodeError):
            continue  # reported when its image is read


def belongs(path: str) -> bool:
    """Whether what is no image may well stand among them: label files, lists of names, folders."""
    return path.endswith(_COMPANIONS) or os.path.isdir(path)


def names(places: Sequence[Place]) -> tuple[dict[int, str], str]:
    """({class id: name}, path) of the nearest file of names; DataError where there is none."""
    folders = [os.path.abspath(f) for place in places for f in (place.images, place.labels)]
    for _ in range(_LEVELS):
        for folder in dict.fromkeys(folders):
            found = sorted(n for n in os.listdir(folder) if n.endswith(".names"))
            for name in (*_NAME_FILES, *found):
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                if name.endswith(yolo_yaml.EXTENSIONS):
                    return yolo_yaml.names(yolo_yaml.load(path), path), path
                return dict(enumerate(read_labels(path))), path
        folders = [os.path.dirname(folder) for folder in folders]
    raise errors.DataError(
        f"{places[0].images}: there are no class names; give them with --labels=FILE (one a"
        f" line, or a yaml with names), or put one of {', '.join(_NAME_FILES)} beside the folder"
    )
