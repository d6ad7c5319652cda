"""Class folders: IMAGES/<class>/<image> or IMAGES/<split>/<class>/<image>.

Class ids follow the sorted folder names, or the label file where one is given.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.sources.source import ClassList, Source, check_folder, files, relative


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
) -> Source:
    """Reads IMAGES/<split> where that folder exists and holds folders, else IMAGES itself.

    A file is an image if its content or its name says so; hidden files, links that lead out of
    the folder and everything else are skipped with a finding. Raises DataError for a missing
    folder, for a class without images and for a folder that `labels` does not name."""
    if annotations:
        raise errors.UsageError("format folder takes no annotations; the folders are the classes")
    root = check_folder(images, "image folder")
    if split and _folders(os.path.join(root, split)):
        root = os.path.join(root, split)
    folders = _folders(root)
    if not folders:
        raise errors.DataError(
            f"{root}: there are no class folders; expected {root}/<class>/<image>"
        )
    classes = ClassList(list(labels or folders), "--labels" if labels else root)
    for name in folders:
        classes.find(name, root)
    return Source(classes.names, ("labels",), _items(root, folders, classes))


def _items(
    root: str, folders: list[str], classes: ClassList
) -> Iterator[schema.Sample | schema.Finding]:
    for name in folders:
        class_id, note = classes.find(name, root)
        if note:
            yield schema.Finding("noted", "class name matched loosely", name, note)
        found = False
        for path in files(os.path.join(root, name), root):
            if isinstance(path, schema.Finding):
                yield path
                continue
            found = True
            filename = relative(path, root)
            yield schema.Sample(path, filename, source_id=filename, labels=[class_id])
        if not found:
            raise errors.DataError(_empty_class(root, name))


def _folders(path: str) -> list[str]:
    if not os.path.isdir(path):
        return []
    with os.scandir(path) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _empty_class(root: str, name: str) -> str:
    folder = os.path.join(root, name)
    inner = _folders(folder)
    if inner:
        return (
            f"{folder}: class folder '{name}' holds folders ({', '.join(inner[:3])}, ...) and no"
            f" images; if it is a split, name it: --split={name}"
        )
    return f"{folder}: class '{name}' has no images; add some or remove the folder"
