"""Index masks beside images: a label map an image, paired by name (see `pairs`).

IMAGES may contain a folder <split>, ANNOTATIONS one <split> or <split>annot (CamVid's). A mask's
pixel is its class's number in the class list, or its color; 255 is void.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tfvision import errors, schema
from tfvision.sources import labels as lists
from tfvision.sources import pairs
from tfvision.sources.source import NOTHING_SAID, Options, Source, check_class_names, check_folder
from tfvision.sources.walking import relative

GROUPS = ("label_map",)


@dataclasses.dataclass(frozen=True)
class Coding:
    """What masks' pixels mean: {value: class id or VOID}, None where they are class ids already;
    {color: class id or VOID} or None."""

    values: Mapping[int, int] | None
    colors: Mapping[lists.Color, int] | None = None


_VOID_NAMES = ("void", "ignore", "unlabelled", "unlabeled")
_LEVELS_UP = 2  # how far above the masks and images a class list may lie


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads masks of any data set whose pixels are class numbers or classes' colors.

    annotations: the folder of the masks; without it they lie in IMAGES/<split>annot or with the
    images. The class list is `labels`, or one of labels.FILES beside the masks or images or up
    to two folders above; options.mask_values or options.mask_colors in its place say what values
    or colors mean. A last class named void, ignore, unlabelled or unlabeled is void and no
    class. Raises DataError where there is no class list."""
    base, roots = _roots(images, annotations, split)
    class_names, coding = classes(roots, labels, options)
    left = folders(images, roots)
    return Source(class_names, GROUPS, items(base, roots, coding), folders=left)


def folders(images: str, roots: Iterable[pairs.Pair]) -> dict[str, str]:
    """What a source says of the folders that (image folder, mask folder)s are in."""
    left = {images: "of another split"}
    with os.scandir(images) as entries:
        left |= {entry.path: "" for entry in entries if entry.name.endswith("annot")}
    for pictures, drawn in roots:
        left |= {drawn: ""} | {pictures: "no mask"}
    return left


def items(
    base: str, roots: Iterable[pairs.Pair], coding: Coding
) -> Iterator[schema.Sample | schema.Finding]:
    """The samples of (image folder, mask folder)s; file names are relative to `base`."""
    for images, masks in roots:
        for pair in pairs.walk(images, masks):
            if isinstance(pair, schema.Finding):
                yield pair
                continue
            path, mask = pair
            name = relative(path, base)
            drawn = schema.LabelMap(mask, values=coding.values, colors=coding.colors)
            yield schema.Sample(path, name, name, label_map=drawn)


def _roots(images: str, annotations: str | None, split: str) -> tuple[str, list[pairs.Pair]]:
    """The folder that file names are relative to, and the (image, mask) folders to walk."""
    check_folder(images, "image folder")
    if annotations:
        check_folder(annotations, "mask folder")
    elif not split:
        with os.scandir(images) as entries:
            folders = sorted(entry.path for entry in entries if entry.is_dir())
        roots = [(path, path + "annot") for path in folders if os.path.isdir(path + "annot")]
        if roots:
            return images, roots
    root = os.path.join(images, split)
    if not split or not os.path.isdir(root):
        root = images
    masks = annotations or images
    places = [os.path.join(masks, name) for name in (f"{split}annot", split) if split]
    if not annotations:
        places.append(os.path.normpath(images) + "annot")
    masks = next((place for place in places if os.path.isdir(place)), masks)
    return root, [(root, masks)]


def classes(
    roots: Sequence[pairs.Pair], labels: Sequence[str] | None, options: Options = NOTHING_SAID
) -> tuple[list[str], Coding]:
    """The class names, and what pixels mean."""
    if options.mask_values or options.mask_colors:
        return _said(labels, options)
    if labels:
        entries, where = [lists.Entry(i, name) for i, name in enumerate(labels)], "--labels"
    else:
        where = options.label_file or _label_file(roots)
        entries = lists.entries(where)
    last = max((entry.number for entry in entries), default=None)
    values, colors, names = {schema.VOID: schema.VOID}, {}, []
    for entry in sorted(entries, key=lambda entry: entry.number):
        # Where a list numbers its classes its colors are for people to look at.
        by_color = entry.color is not None and entry.counted
        if _is_void(entry.name) and (by_color or entry.number in (last, schema.VOID)):
            values[entry.number] = class_id = schema.VOID
        elif entry.number in values:
            raise errors.DataError(
                f"{where}: id {entry.number} of class '{entry.name}' appears twice or means void"
                f" ({schema.VOID} always does); give it another id, in the masks too"
            )
        else:
            values[entry.number] = class_id = len(names)
            names.append(entry.name)
        if by_color:
            colors[entry.color] = class_id
    return check_class_names(names, where), Coding(values, colors or None)


def _said(labels: Sequence[str] | None, options: Options) -> tuple[list[str], Coding]:
    """As the user says: several values or colors may mean one class, and any may mean void.

    Class ids follow `labels` where they are given, else the order of the values or colors."""
    where = options.mask_colors or "--mask_values"
    if options.mask_values:
        entries = lists.parse_values(options.mask_values)
    else:
        entries = lists.entries(options.mask_colors)
    if options.mask_colors and any(entry.color is None for entry in entries):
        raise errors.DataError(f"{where}: a class has no color; the columns are name, r, g, b")
    names = list(labels or (lists.read_labels(options.label_file) if options.label_file else ()))
    names = names or list(dict.fromkeys(e.name for e in entries if not _is_void(e.name)))
    ids = {name: i for i, name in enumerate(check_class_names(names, where))}
    values, colors = {}, {}
    for entry in entries:
        class_id = ids.get(entry.name, schema.VOID if _is_void(entry.name) else None)
        if class_id is None:
            hint = errors.suggestion(entry.name, names)
            raise errors.DataError(f"{where}: class '{entry.name}' is not in --labels{hint}")
        if entry.color:
            colors[entry.color] = class_id
        else:
            values[entry.number] = class_id
    return names, Coding(values, colors or None)


def _is_void(name: str) -> bool:
    return name.casefold() in _VOID_NAMES


def _label_file(roots: Sequence[pairs.Pair]) -> str:
    images, masks = roots[0]
    folders = [os.path.abspath(masks), os.path.abspath(images)]
    for _ in range(_LEVELS_UP + 1):
        for folder in folders:
            for name in lists.FILES:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    return path
        folders = [os.path.dirname(folder) for folder in folders]
    raise errors.DataError(
        f"{masks}: no class list ({', '.join(lists.FILES)}) beside the masks, the images or"
        f" up to {_LEVELS_UP} folders above; give one with --labels"
    )
