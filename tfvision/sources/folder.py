"""Class folders: IMAGES/<class>/<image> or IMAGES/<split>/<class>/<image>.

Class ids follow the sorted folder names.
"""

from __future__ import annotations

import os

from tfvision import errors, schema
from tfvision.ops import sniff
from tfvision.sources.source import Source, check_class_names, check_folder, is_inside


def read(images: str, annotations: str | None = None, *, split: str = "train") -> Source:
    """Reads IMAGES/<split> where that folder exists and holds folders, else IMAGES itself.

    A file is an image if its content or its name says so; hidden files, links that lead out of
    the folder and everything else are skipped with a finding. Raises DataError for a missing
    folder and for a class without images."""
    if annotations:
        raise errors.UsageError("format folder takes no annotations; the folders are the classes")
    root = check_folder(images, "image folder")
    if split and _folders(os.path.join(root, split)):
        root = os.path.join(root, split)
    class_names = _folders(root)
    if not class_names:
        raise errors.DataError(
            f"{root}: there are no class folders; expected {root}/<class>/<image>"
        )
    check_class_names(class_names, root)
    source = Source(class_names, ("labels",), [])
    for class_id, name in enumerate(class_names):
        before = len(source.samples)
        _read_class(root, name, class_id, source)
        if len(source.samples) == before:
            raise errors.DataError(_empty_class(root, name))
    return source


def _folders(path: str) -> list[str]:
    if not os.path.isdir(path):
        return []
    with os.scandir(path) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _read_class(root: str, name: str, class_id: int, source: Source) -> None:
    folder = os.path.join(root, name)
    for entry in sorted(os.listdir(folder)):
        path, filename = os.path.join(folder, entry), f"{name}/{entry}"
        reason = _reason_to_skip(path, entry, root)
        if reason:
            source.findings.append(schema.Finding("skipped", reason, filename))
        else:
            source.samples.append(
                schema.Sample(path, filename, source_id=filename, labels=[class_id])
            )


def _reason_to_skip(path: str, entry: str, root: str) -> str | None:
    if entry.startswith("."):
        return "hidden file"
    if not is_inside(path, root):
        return "link that leads out of the folder"
    if os.path.isdir(path):
        return "folder inside a class folder"
    if not os.path.isfile(path):
        return "not a file"
    # Which images are sound is found out when they are decoded.
    if entry.lower().endswith(sniff.EXTENSIONS):
        return None
    with open(path, "rb") as file:
        return None if sniff.image_format(file.read(sniff.HEAD_BYTES)) else "not an image"


def _empty_class(root: str, name: str) -> str:
    folder = os.path.join(root, name)
    inner = _folders(folder)
    if inner:
        return (
            f"{folder}: class folder '{name}' holds folders ({', '.join(inner[:3])}, ...) and no"
            f" images; if it is a split, name it: --split={name}"
        )
    return f"{folder}: class '{name}' has no images; add some or remove the folder"
