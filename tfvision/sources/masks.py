"""Index masks beside images: a label map an image, paired by name (see `pairs`).

IMAGES may hold a folder <split>, ANNOTATIONS one <split> or <split>annot (CamVid's). A mask's
pixel is its class's number in the class list; 255 is void.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tfvision import errors, schema
from tfvision.sources import pairs
from tfvision.sources.source import (
    Source,
    check_class_names,
    check_folder,
    read_labels,
    relative,
)

GROUPS = ("label_map",)
_VOID_NAMES = ("void", "ignore", "unlabelled", "unlabeled")
_LEVELS_UP = 2  # how far above the masks and images a class list may lie


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
) -> Source:
    """Reads masks of any data set whose pixels are class numbers.

    annotations: the folder of the masks; without it they lie in IMAGES/<split>annot or with the
    images. The class list is `labels`, or labels.txt, classes.txt or classes.csv (columns id,
    name) beside the masks or images or up to two folders above. A last class named void,
    ignore, unlabelled or unlabeled is void and no class. Raises DataError where there is no
    class list."""
    base, roots = _roots(images, annotations, split)
    class_names, values = _classes(roots, labels)
    return Source(class_names, GROUPS, items(base, roots, values))


def items(
    base: str, roots: Iterable[pairs.Pair], values: Mapping[int, int]
) -> Iterator[schema.Sample | schema.Finding]:
    """The samples of (image folder, mask folder)s; file names are relative to `base`."""
    for images, masks in roots:
        for found in pairs.walk(images, masks):
            if isinstance(found, schema.Finding):
                yield found
                continue
            path, mask = found
            name = relative(path, base)
            yield schema.Sample(path, name, name, label_map=schema.LabelMap(mask, values=values))


def _roots(images: str, annotations: str | None, split: str) -> tuple[str, list[pairs.Pair]]:
    """The folder that file names are relative to, and the (image, mask) folders to walk."""
    check_folder(images, "image folder")
    if annotations:
        check_folder(annotations, "mask folder")
    elif not split:
        with os.scandir(images) as entries:
            folders = sorted(entry.path for entry in entries if entry.is_dir())
        found = [(path, path + "annot") for path in folders if os.path.isdir(path + "annot")]
        if found:
            return images, found
    root = os.path.join(images, split)
    if not split or not os.path.isdir(root):
        root = images
    masks = annotations or images
    places = [os.path.join(masks, name) for name in (f"{split}annot", split) if split]
    if not annotations:
        places.append(os.path.normpath(images) + "annot")
    masks = next((place for place in places if os.path.isdir(place)), masks)
    return root, [(root, masks)]


def _classes(
    roots: Sequence[pairs.Pair], labels: Sequence[str] | None
) -> tuple[list[str], dict[int, int]]:
    """The class names, and {pixel value: class id or VOID}."""
    path = "--labels"
    entries = list(enumerate(labels or ()))
    if not entries:
        path = _label_file(roots)
        entries = _read_csv(path) if path.endswith(".csv") else list(enumerate(read_labels(path)))
    values = {schema.VOID: schema.VOID}
    names = []
    last = max(entries)[0] if entries else None
    for number, name in sorted(entries):
        if name.casefold() in _VOID_NAMES and number in (last, schema.VOID):
            values[number] = schema.VOID
            continue
        if number in values:
            raise errors.DataError(
                f"{path}: id {number} of class '{name}' is there twice or means void"
                f" ({schema.VOID} always does); give it another id, in the masks too"
            )
        values[number] = len(names)
        names.append(name)
    return check_class_names(names, path), values


def _label_file(roots: Sequence[pairs.Pair]) -> str:
    images, masks = roots[0]
    folders = [os.path.abspath(masks), os.path.abspath(images)]
    for _ in range(_LEVELS_UP + 1):
        for folder in folders:
            for name in pairs.LABEL_FILES:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    return path
        folders = [os.path.dirname(folder) for folder in folders]
    raise errors.DataError(
        f"{masks}: no class list ({', '.join(pairs.LABEL_FILES)}) beside the masks, the images or"
        f" up to {_LEVELS_UP} folders above; give one with --labels"
    )


def _read_csv(path: str) -> list[tuple[int, str]]:
    """(id, name) of a table with a column `name`; without a column `id`, rows count from 0."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.DataError(f"class list {path} cannot be read: {error}") from error
    header = [column.strip().lower() for column in rows[0]] if rows else []
    if "name" not in header:
        raise errors.DataError(
            f"{path}: the first line must name the columns, 'name' among them and best 'id'"
        )
    entries = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        number = cells.get("id", str(len(entries)))
        if not number.isascii() or not number.isdigit():
            raise errors.DataError(f"{path}: line {line}: id '{number}' is no whole number")
        entries.append((int(number), cells.get("name", "")))
    return entries
