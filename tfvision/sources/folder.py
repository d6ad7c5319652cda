"""Class folders: IMAGES/<class>/<image> or IMAGES/<split>/<class>/<image>.

Class ids follow the folder names, numbers by their value and the rest sorted, or the label file
where one is given. Folders inside a class's belong to the class.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.sources import walking
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder

# Names that folders of splits have; a class folder without images that is called so is none.
_SPLITS = ("train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing")


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads IMAGES/<split> where that folder exists and contains folders, else IMAGES itself.

    A file is an image if its content or its name says so; hidden files, links that lead out of
    the folder and everything else are skipped with a finding. Raises DataError for a missing
    folder, for a class without images and for a folder that `labels` does not name."""
    del options
    if annotations:
        raise errors.UsageError("format folder takes no annotations; the folders are the classes")
    top = root = check_folder(images, "image folder")
    if split and _folders(os.path.join(top, split), top)[0]:
        root = os.path.join(top, split)
    folders, findings = _folders(root, top)
    if not folders:
        odd = f" ({findings[0].file} is a {findings[0].reason})" if findings else ""
        raise errors.DataError(
            f"{root}: there are no class folders{odd}; expected {root}/<class>/<image>"
        )
    numbers = all(re.fullmatch(r"\d+", name) for name in folders)
    if numbers:
        folders.sort(key=lambda name: (int(name), name))
    classes = ClassList.of(labels, folders, root)
    for name in folders:
        classes.find(name, root)
    if numbers and not labels and folders != sorted(folders):
        detail = f"class 0 is '{folders[0]}', class 1 is '{folders[1]}', and so on"
        reason = "class folders in the order of their numbers"
        findings.append(schema.Finding("noted", reason, ".", detail))
    items = _items(root, folders, classes, findings)
    left = {top: "outside the class folders" if root == top else "of another split"}
    return Source(classes.names, ("labels",), items, folders=left | {root: "outside the classes"})


def _items(
    root: str, folders: list[str], classes: ClassList, findings: list[schema.Finding]
) -> Iterator[schema.Sample | schema.Finding]:
    yield from findings
    for name in folders:
        class_id, note = classes.find(name, root)
        if note:
            yield schema.Finding("noted", "class name matched loosely", name, note)
        left = []
        any_image = False
        for path in walking.below(os.path.join(root, name), root):
            if isinstance(path, schema.Finding):
                left.append(path)
                yield path
                continue
            any_image = True
            filename = walking.relative(path, root)
            yield schema.Sample(path, filename, source_id=filename, labels=[class_id])
        if not any_image:
            raise errors.DataError(_empty_class(root, name, left))


def _folders(path: str, top: str) -> tuple[list[str], list[schema.Finding]]:
    """Names of the folders in `path`, and findings for those that are not classes."""
    if not os.path.isdir(path):
        return [], []
    _, names, findings = walking.listing(path, top)
    for name in names:
        folder = os.path.join(path, name)
        if path != top or name.casefold() not in _SPLITS:
            continue
        images, inner, _ = walking.listing(folder, top)
        if inner and not images:
            raise errors.DataError(
                f"{folder}: class folder '{name}' contains folders ({', '.join(inner[:3])}, ...)"
                f" and no images; if it is a split, name it: --split={name}"
            )
    return names, [f for f in findings if f.kind == "noted"]


def _empty_class(root: str, name: str, left: list[schema.Finding]) -> str:
    folder = os.path.join(root, name)
    left = [finding for finding in left if finding.reason != walking.EMPTY]
    if left:
        return (
            f"{folder}: class '{name}' has no image that can be used: {left[0].file} is a"
            f" {left[0].reason}{f', and {len(left) - 1} more' if len(left) > 1 else ''};"
            " put the images themselves there, or remove the folder"
        )
    return f"{folder}: class '{name}' has no images; add some or remove the folder"
