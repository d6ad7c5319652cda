"""What every reader of a data set format returns, and the checks that they share."""

from __future__ import annotations

import dataclasses
import os

from tfvision import errors, schema


@dataclasses.dataclass
class Source:
    """One split of a data set, read but not decoded.

    class_names: in id order. groups: names of schema.GROUPS that the samples hold.
    findings: what was left out or changed already. category_ids: COCO's own ids in class-id
    order, so that results can be mapped back; None for other formats."""

    class_names: list[str]
    groups: tuple[str, ...]
    samples: list[schema.Sample]
    findings: list[schema.Finding] = dataclasses.field(default_factory=list)
    category_ids: list[int] | None = None


def check_folder(path: str, what: str) -> str:
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


def check_class_names(names: list[str], where: str) -> list[str]:
    """Returns `names`; raises DataError for an empty list, an empty name or a duplicate."""
    if not names:
        raise errors.DataError(f"{where}: there are no classes")
    for name in names:
        if not name:
            raise errors.DataError(f"{where}: a class has an empty name")
        if names.count(name) > 1:
            raise errors.DataError(f"{where}: class name '{name}' is there twice")
    return names
