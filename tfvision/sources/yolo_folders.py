"""Where a YOLO data set keeps its images, label files and names."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence

from tfvision import errors, schema
from tfvision.sources import labels as lists
from tfvision.sources import texts, walking, yolo_yaml
from tfvision.sources.source import check_folder

_NAME_FILES = ("classes.txt", "obj.names", "data.yaml")
# Text files that tools write beside the label files.
_NO_LABELS = ("classes.txt", "labels.txt", "train.txt", "val.txt", "test.txt", "readme.txt")
_COMPANIONS = (".txt", ".names", ".yaml", ".yml", ".data", ".cache")
_LEVELS = 3  # a folder and two above it are searched for names
_SPLITS = ("train", "val", "valid", "test")
_TEXT = ".txt"


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder of images, not below it, and the one of their label files. only: names of the
    images that a list chooses, or None for all."""

    images: str
    labels: str
    only: frozenset[str] | None = None


@dataclasses.dataclass(frozen=True)
class Places:
    """The folders of a split. top: what file names are relative to. rest: folders of label
    files below which every file should be an image's. left: see `Source.folders`."""

    top: str
    places: Sequence[Place]
    rest: Sequence[str]
    left: Mapping[str, str]


def find(root: str, said: yolo_yaml.Said, labels: str | None, split: str) -> Places:
    """The folders of a split that contain images, each with its label folder.

    said: what a yaml says of the split; its folders inside `root` go first. labels: the label
    folder, or None. Raises DataError where there are no images or no label files."""
    if labels:
        labels = check_folder(labels, "label folder")
    if said.lists:
        return _listed(root, said, labels)
    # A link to the yaml's folder is taken as it is spelt, for the sake of the folder beside it.
    bases = [root if os.path.samefile(f, root) else f for f in said.folders]
    bases = [f for f in bases if walking.is_inside(f, root)]
    if not bases and split:
        tried = [("images", split), (split, "images"), (split,)]
        paths = [os.path.join(root, *parts) for parts in tried]
        bases = [path for path in paths if os.path.isdir(path)][:1]
        if not bases and said.missing:
            raise errors.DataError(said.missing)
        if not bases:
            inner = os.path.join(root, "images")
            bases = [inner if os.path.isdir(inner) else root]
    elif not bases:
        bases = [root]
    folders = {f: base for base in bases for f in _with_images(base, _SPLITS if split else ())}
    if not folders:
        raise errors.DataError(f"{root}: there are no images of split '{split}' in it")
    places = [Place(f, _label_folder(f, base, root, labels)[0]) for f, base in folders.items()]
    tops = [(base, *_label_folder(base, base, root, labels)) for base in bases]
    if not any(label_files(folder) for place in places for folder in (place.labels, place.images)):
        _refuse(bases[0], tops[0][2], labels)
    left = {root: "of another split"} | dict.fromkeys(bases, "not read")
    rest = [folder for base, folder, _ in tops if folder != base]
    top = places[0].images if len(places) == 1 else bases[0] if len(bases) == 1 else root
    return Places(top, places, rest, left)


def _listed(root: str, said: yolo_yaml.Said, labels: str | None) -> Places:
    """The images that lists name, by their folders."""
    by_folder: dict[str, set[str]] = {}
    for name in said.lists:
        folder, file = os.path.split(os.path.join(root, name))
        by_folder.setdefault(folder, set()).add(file)
    lists = [
        Place(folder, _label_folder(folder, folder, root, labels)[0], frozenset(names))
        for folder, names in by_folder.items()
    ]
    if not any(label_files(folder) for place in lists for folder in (place.labels, place.images)):
        _refuse(lists[0].images, lists[0].labels, labels)
    return Places(root, lists, (), {root: "not in the list of the split"})


def _refuse(folder: str, tried: str, labels: str | None) -> None:
    raise errors.DataError(
        f"{folder}: there are no label files (*.txt) for its images; looked in {tried}"
        f"{'' if labels else ' and beside them; give their folder with --annotations'}"
    )


def _with_images(base: str, but: Sequence[str]) -> Iterator[str]:
    """A folder and those in it, but those called so, as far as they hold images."""
    return (f for f, _ in walking.folders(base, but) if walking.listing(f, f)[0])


def _label_folder(folder: str, base: str, root: str, labels: str | None) -> tuple[str, str]:
    """(the folder of the label files of a folder of images, where they were looked for)."""
    if labels:
        inner = [os.path.normpath(os.path.join(labels, os.path.relpath(folder, top)))
                 for top in (root, base)]  # fmt: skip
        chosen = next((path for path in inner if os.path.isdir(path)), labels)
        return chosen, chosen
    parts = os.path.abspath(folder).split(os.sep)
    if "images" not in parts:
        return folder, "a folder 'labels' beside a folder 'images'"
    last = len(parts) - 1 - parts[::-1].index("images")
    tried = os.sep.join([*parts[:last], "labels", *parts[last + 1 :]])
    return (tried if os.path.isdir(tried) else folder), tried


def label_files(folder: str) -> dict[str, str]:
    """{name without its extension: path} of the label files in a folder."""
    by_stem = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, extension = os.path.splitext(entry.name)
            if extension.lower() == _TEXT and entry.name.lower() not in _NO_LABELS:
                by_stem[stem] = entry.path
    return by_stem


def of_place(place: Place) -> tuple[dict[str, str], list[schema.Finding]]:
    """Label files by the names of a place's images, those in its label folder before those
    beside the images; and findings for images that have one in both."""
    apart, beside = label_files(place.labels), label_files(place.images)
    findings = []
    if place.labels != place.images:
        for stem in sorted(set(apart) & set(beside)):
            detail = f"{apart[stem]} is read, {beside[stem]} is not"
            findings.append(schema.Finding("noted", "two label files of one image", stem, detail))
    return beside | apart, findings


def lines(place: Place) -> Iterator[str]:
    """Every line of every label file, as far as it can be read."""
    for path in of_place(place)[0].values():
        try:
            yield from texts.read(path, "label file").split("\n")
        except errors.DataError:
            continue  # reported when its image is read


def belongs(path: str) -> bool:
    """Whether what is not an image may well stand among them: label files, lists of names."""
    return path.lower().endswith(_COMPANIONS)


def names(places: Sequence[Place]) -> tuple[dict[int, str], str]:
    """({class id: name}, path) of the nearest file of names; DataError where there is none."""
    folders = [os.path.abspath(f) for place in places for f in (place.images, place.labels)]
    for _ in range(_LEVELS):
        for folder in dict.fromkeys(folders):
            files = sorted(n for n in os.listdir(folder) if n.endswith(".names"))
            for name in (*_NAME_FILES, *files):
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                if name.endswith(yolo_yaml.EXTENSIONS):
                    return yolo_yaml.names(yolo_yaml.load(path), path), path
                return dict(enumerate(lists.read_labels(path))), path
        folders = [os.path.dirname(folder) for folder in folders]
    raise errors.DataError(
        f"{places[0].images}: there are no class names; give them with --labels=FILE (one a"
        f" line, or a yaml with names), or put one of {', '.join(_NAME_FILES)} beside the folder"
    )
