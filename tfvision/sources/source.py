"""What every reader of a data set format returns, and the checks that they share."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator

from tfvision import errors, schema
from tfvision.ops import sniff
from tfvision.sources import class_names, yolo_yaml


@dataclasses.dataclass
class Source:
    """One split of a data set, or all of it, read as it is iterated and never decoded.

    class_names: in id order. groups: names of schema.GROUPS that the samples hold. items: the
    samples, in any order, and between them the findings: what was left out or changed already.
    They are iterated once, and memory must not grow with their number. category_ids: COCO's
    own ids in class-id order, so that results can be mapped back; None for other formats."""

    class_names: list[str]
    groups: tuple[str, ...]
    items: Iterable[schema.Sample | schema.Finding]
    category_ids: list[int] | None = None

    def __post_init__(self):
        findings = getattr(self.class_names, "findings", ())
        self.items = itertools.chain(findings, self.items)


def check_folder(path: str | None, what: str) -> str:
    """Returns `path` if it is a folder; raises DataError that names `what` and the path."""
    if not path:
        raise errors.UsageError(f"{what} is missing; give its path")
    if not os.path.isdir(path):
        state = "is not a folder" if os.path.exists(path) else "does not exist"
        raise errors.DataError(f"{what} {path} {state}")
    return path


def is_inside(path: str, folder: str) -> bool:
    """Whether a path, its links followed, stays inside `folder`."""
    root = os.path.realpath(folder)
    return os.path.commonpath([root, os.path.realpath(path)]) == root


def reason_to_skip(path: str, root: str) -> str | None:
    """Why an entry of an image folder is no image of it, or None.

    A file is an image if its content or its name says so; hidden files, links that lead out of
    `root` and everything else are not."""
    name = os.path.basename(path)
    if name.startswith("."):
        return "hidden file"
    if not is_inside(path, root):
        return "link that leads out of the folder"
    if os.path.isdir(path):
        return "folder among the images"
    if not os.path.isfile(path):
        return "not a file"
    # Which images are sound is found out when they are decoded.
    if name.lower().endswith(sniff.EXTENSIONS):
        return None
    with open(path, "rb") as file:
        return None if sniff.image_format(file.read(sniff.HEAD_BYTES)) else "not an image"


def files(folder: str, root: str) -> Iterator[str | schema.Finding]:
    """Paths of the images in a folder, not below it; a finding for every entry that is none."""
    with os.scandir(folder) as entries:
        for entry in entries:
            reason = reason_to_skip(entry.path, root)
            if reason:
                yield schema.Finding("skipped", reason, relative(entry.path, root))
            else:
                yield entry.path


def relative(path: str, root: str) -> str:
    """A path below `root`, relative to it, with "/"."""
    return os.path.relpath(path, root).replace(os.sep, "/")


def listed(root: str, name: str) -> str | None:
    """Why an image that an annotation names cannot be used, or None: it leaves the folder or
    is not there."""
    path = os.path.join(root, name)
    try:
        os.fsencode(path)
        inside = "\0" not in path and is_inside(path, root)
    except ValueError:  # a lone surrogate, which no file has
        return "image file missing"
    if not inside:
        return "path that leaves the image folder"
    return None if os.path.isfile(path) else "image file missing"


def check_class_names(names: list[str], where: str) -> list[str]:
    """Returns `names` as they are stored (`class_names.clean`), with findings of what changed.

    Raises DataError for an empty list, an empty name or a duplicate; two Unicode forms of one
    name are one name."""
    if not names:
        raise errors.DataError(f"{where}: there are no classes")
    cleaned = class_names.Names(map(class_names.clean, names))
    for name, count in collections.Counter(cleaned).items():
        if not name:
            raise errors.DataError(f"{where}: a class has an empty name")
        if count > 1:
            raise errors.DataError(f"{where}: class name '{name}' is there twice")
    found = (class_names.finding(name, where) for name in names)
    cleaned.findings = tuple(finding for finding in found if finding)
    return cleaned


class ClassList:
    """Class names in id order, and the id of a name as somebody typed it.

    names: in several Unicode forms or with other white space, a name is one class all the same."""

    def __init__(self, names: list[str], where: str):
        spellings: dict[str, list[str]] = {}
        for name in names:
            spellings.setdefault(class_names.clean(name), []).append(name)
        self.names = check_class_names(_first_spellings(spellings), where)
        self._where = where
        self._ids = {name: i for i, name in enumerate(self.names)}
        self._ids |= {name: self._ids[class_names.clean(name)] for name in names}
        folded = collections.Counter(name.casefold() for name in self.names)
        self._folded = {
            name.casefold(): i for i, name in enumerate(self.names) if folded[name.casefold()] == 1
        }

    def find(self, text: str, what: str) -> tuple[int, str]:
        """The class id of a name, and a note: "" or why it is not quite the name.

        White space around it and its case may differ from the list's. what: file and object,
        for the error. Raises DataError for a name that is not in the list."""
        if text in self._ids:
            return self._ids[text], ""
        trimmed = class_names.clean(text)
        if trimmed in self._ids:
            same = trimmed == class_names.composed(text)
            return self._ids[trimmed], "" if same else f"name trimmed: {text!r}"
        if trimmed.casefold() in self._folded:
            found = self._folded[trimmed.casefold()]
            return found, f"{text!r} taken for '{self.names[found]}'"
        hint = errors.suggestion(trimmed, self.names)
        raise errors.DataError(
            f"{what}: class '{trimmed}' is not in the class list of {self._where}{hint};"
            " correct the name, or add it to the list and convert all splits"
        )


def _first_spellings(spellings: dict[str, list[str]]) -> list[str]:
    """The first spelling of each name; one that is there twice stays so."""
    found = []
    for names in spellings.values():
        found += names[:1] if len(set(names)) == len(names) else names
    return found


def read_labels(path: str) -> list[str]:
    """Class names from a text file, one a line, in id order, or from `names` in a yaml.

    Raises DataError where it cannot be read, and for a yaml whose ids are not 0..K-1."""
    if path.endswith(yolo_yaml.EXTENSIONS):
        by_id = yolo_yaml.names(yolo_yaml.load(path), path)
        if sorted(by_id) != list(range(len(by_id))):
            raise errors.DataError(
                f"{path}: the ids of its names are not 0 to {len(by_id) - 1}; with --format=yolo"
                " give it as --annotations, or else number the classes without gaps"
            )
        return check_class_names([by_id[number] for number in sorted(by_id)], path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            names = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        way = "; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise errors.DataError(f"label file {path} cannot be read: {error}{way}") from error
    while names and not names[-1]:
        names.pop()
    return check_class_names(names, path)
