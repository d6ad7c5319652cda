"""What every reader of a data set format returns, and the checks that they share."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence

from tfvision import errors, schema
from tfvision.sources import class_names

_PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar")
FRAMES = ("stored", "upright")
BOXES = ("xywh", "xyxy", "xywh_relative", "xyxy_relative")


@dataclasses.dataclass(frozen=True)
class Options:
    """What a user may say of a data set whose files do not say it; each for some formats.

    class_attribute: the attribute that contains the class, where several could. mask_values: masks'
    pixel values and the classes that they mean, "0:background,255:cat". mask_colors: the path
    of a table name, r, g, b. boxes: one of BOXES, what a COCO file's four numbers are.
    annotations_of: one of FRAMES, the pixels of EXIF-rotated images that annotations speak of,
    or "" where recorded sizes tell. label_file: the path of the user's class list, where its
    numbers and colors matter."""

    class_attribute: str = ""
    mask_values: str = ""
    mask_colors: str = ""
    boxes: str = BOXES[0]
    annotations_of: str = ""
    label_file: str = ""

    def given(self) -> list[str]:
        """The options that are not at their default."""
        fields = dataclasses.fields(self)
        return [f.name for f in fields if getattr(self, f.name) != f.default]


NOTHING_SAID = Options()


@dataclasses.dataclass
class Source:
    """One split of a data set, or all of it, read as it is iterated and never decoded.

    class_names: in id order. groups: names of schema.GROUPS that the samples hold. items: the
    samples, in any order, and between them the findings: what was left out or changed already.
    They are iterated once, and memory must not grow with their number. category_ids: COCO's
    own ids in class-id order, so that results can be mapped back; None for other formats.
    folders: {folder of images: why one in it or below that no item speaks of is left out}, the
    nearest folder counts; "" where its pictures are not images (masks); {} where the images are
    in record files. frame: one of FRAMES,
    the pixels that all annotations speak of, or "" where an image's recorded size tells; known
    when the items have ended. census: what became of the images, known then too."""

    class_names: list[str]
    groups: tuple[str, ...]
    items: Iterable[schema.Sample | schema.Finding]
    category_ids: list[int] | None = None
    folders: Mapping[str, str] = dataclasses.field(default_factory=dict)
    frame: str = ""
    census: schema.Census | None = None

    def __post_init__(self):
        findings = getattr(self.class_names, "findings", ())
        self.items = itertools.chain(findings, self.items)


def check_folder(path: str | None, what: str) -> str:
    """Returns `path` if it is a folder; raises DataError that names `what` and the path."""
    if not path:
        raise errors.UsageError(f"{what} is missing; give its path")
    if not os.path.isdir(path):
        state = "is not a directory" if os.path.exists(path) else "does not exist"
        if path.lower().endswith(_PACKED) and os.path.exists(path):
            state = "is an archive; unpack it and give the folder"
        raise errors.DataError(f"{what} {path} {state}")
    return path


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
            raise errors.DataError(f"{where}: class name '{name}' appears twice")
    findings = (class_names.finding(name, where) for name in names)
    cleaned.findings = tuple(finding for finding in findings if finding)
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

    @classmethod
    def of(cls, labels: Sequence[str] | None, names: Sequence[str], where: str) -> ClassList:
        """The list of the user's `labels`, else of the `names` that the data set `where` has."""
        return cls(list(labels), "--labels") if labels else cls(list(names), where)

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
            class_ids = self._folded[trimmed.casefold()]
            return class_ids, f"{text!r} taken for '{self.names[class_ids]}'"
        hint = errors.suggestion(trimmed, self.names)
        raise errors.DataError(
            f"{what}: class '{trimmed}' is not in the class list of {self._where}{hint};"
            " correct the name, or add it to the list and convert all splits"
        )


def _first_spellings(spellings: dict[str, list[str]]) -> list[str]:
    """The first spelling of each name; one that appears twice stays so."""
    firsts = []
    for names in spellings.values():
        firsts += names[:1] if len(set(names)) == len(names) else names
    return firsts
