"""Folders of images as they are found: what in them is an image, and why the rest is none.

Symbolic links are followed inside the image folder and not out of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tfvision import schema
from tfvision.ops import header, sniff

# Folders that archives and systems leave behind.
_LITTER = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information")
_DATASET, _CONVERTER, _HEAD = "dataset.json", b'"converter": "tfvision', 4096
_UNFINISHED = (".tmp-unfinished", ".tfvision")  # what a conversion that was killed leaves
# Files that stand among images by right; they are not opened to see whether they are some.
_TEXTS = (
    *(".txt", ".xml", ".json", ".csv", ".yaml", ".yml", ".names", ".data", ".cache", ".md"),
    *(".tfrecord", ".py", ".html", ".gz", ".zip", ".log", ".sha256", ".pbtxt", ".tsv"),
)
LITTER = "folder left by an archive or a system"
OURS = "output of tfvision convert"
EMPTY = "folder without images"
_HIDDEN, _FOLDER = "hidden file", "folder among the images"


def is_inside(path: str, folder: str) -> bool:
    """Whether a path, its links followed, stays inside `folder`."""
    root = os.path.realpath(folder)
    return os.path.commonpath([root, os.path.realpath(path)]) == root


def relative(path: str, root: str) -> str:
    """A path below `root`, relative to it, with "/"."""
    return os.path.relpath(path, root).replace(os.sep, "/")


def is_image(path: str) -> bool:
    """Whether a file's name or content says that it is a picture, readable here or not."""
    name = path.lower()
    if name.endswith(sniff.EXTENSIONS + sniff.OTHER_EXTENSIONS):
        return True
    if name.endswith(_TEXTS):
        return False
    head = _head(path)
    return sniff.image_format(head) is not None or sniff.other_format(head) is not None


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(sniff.HEAD_BYTES)
    except OSError:
        return b""


def reason_to_skip(path: str, root: str) -> str | None:
    """Why an entry of an image folder is not an image of it, or None.

    A file is an image if its content or its name says so; hidden files, links that lead out of
    `root` and everything else are not."""
    if os.path.basename(path).startswith("."):
        return _HIDDEN
    if os.path.islink(path) and not is_inside(path, root):
        return "link that leads out of the folder"
    if os.path.isdir(path):
        return _FOLDER
    if not os.path.isfile(path):
        return "not a file"
    # Which images are intact is found out when they are decoded.
    if path.lower().endswith(sniff.EXTENSIONS):
        return None
    if not is_image(path):
        return "not an image"
    head = _head(path)
    other = sniff.other_format(head, path)
    if sniff.image_format(head) or other in header.readers():
        return None
    return f"{other} picture{sniff.WAYS_OUT.get(other, ', which is not read')}"


def foreign(path: str) -> str | None:
    """Why a folder is not a part of a data set, or None: litter, or records of ours."""
    if os.path.basename(path) in _LITTER:
        return LITTER
    if os.path.isfile(os.path.join(path, *_UNFINISHED)):
        return OURS
    try:
        with open(os.path.join(path, _DATASET), "rb") as file:
            return OURS if _CONVERTER in file.read(_HEAD) else None
    except OSError:
        return None


def folders(root: str, but: Sequence[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """(a folder, the names of its files) of `root` and below, sorted; what is hidden and what is
    `foreign` is passed over, and folders in `root` whose names, case aside, are in `but`."""
    for folder, inner, names in os.walk(root):
        left = but if folder == root else ()
        inner[:] = sorted(
            name
            for name in inner
            if name[0] != "."
            and name.casefold() not in left
            and not foreign(os.path.join(folder, name))
        )
        yield folder, sorted(name for name in names if name[0] != ".")


def _entries(folder: str, root: str) -> Iterator[tuple[str, str | schema.Finding]]:
    """("image", path), ("folder", name) or ("other", finding) for the entries of a folder.

    Hidden folders are passed over; litter, our own records and links that lead out of `root`
    are findings."""
    with os.scandir(folder) as entries:
        for entry in entries:
            reason = reason_to_skip(entry.path, root)
            if reason == _FOLDER:
                reason = foreign(entry.path)
                if reason is None:
                    yield "folder", entry.name
                    continue
            if reason is None:
                yield "image", entry.path
            elif not (reason == _HIDDEN and entry.is_dir()):
                kind = "noted" if entry.is_dir() else "skipped"
                yield "other", schema.Finding(kind, reason, relative(entry.path, root))


def listing(folder: str, root: str) -> tuple[list[str], list[str], list[schema.Finding]]:
    """(paths of the images in a folder, names of the folders in it, findings for the rest).

    All sorted, see `_entries`."""
    listed: dict[str, list] = {"image": [], "folder": [], "other": []}
    for kind, entry in _entries(folder, root):
        listed[kind].append(entry)
    findings = sorted(listed["other"], key=lambda finding: finding.file)
    return sorted(listed["image"]), sorted(listed["folder"]), findings


def below(folder: str, root: str) -> Iterator[str | schema.Finding]:
    """Paths of the images in a folder and below it, and a finding for every entry that is none.

    In no order, so that memory does not grow with their number."""
    folders, empty, images = [], True, 0
    for kind, entry in _entries(folder, root):
        empty = False
        if kind == "folder":
            folders.append(entry)
        else:
            images += kind == "image"
            yield entry
    if not images and folder.lower().endswith(sniff.EXTENSIONS):
        yield schema.Finding("skipped", "folder named like an image", relative(folder, root))
    elif empty and folder != root:
        yield schema.Finding("noted", EMPTY, relative(folder, root))
    for name in sorted(folders):
        inner = os.path.join(folder, name)
        if not (os.path.islink(inner) and is_inside(folder, inner)):  # a link to above has no end
            yield from below(inner, root)


def files(root: str) -> Iterator[str]:
    """Paths of the images in a folder and below it."""
    return (path for path in below(root, root) if isinstance(path, str))
