"""The yaml that describes a YOLO data set: names by class id, and the folders of its splits."""

from __future__ import annotations

import os
from typing import Any

import yaml

from tfvision import errors

EXTENSIONS = (".yaml", ".yml")
_SPLITS = ("train", "val", "test")


def load(path: str) -> dict[str, Any]:
    """The content of a yaml; DataError where it is broken or no mapping."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise errors.DataError(f"{path} cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise errors.DataError(f"{path}: not a sound yaml file: {reason}") from error
    if not isinstance(content, dict):
        raise errors.DataError(f"{path}: there are no keys in it; expected names, train, val")
    return content


def names(content: dict[str, Any], path: str) -> dict[int, str]:
    """{class id: name} from `names`, a list or a mapping, whose ids may have gaps."""
    found = content.get("names")
    if isinstance(found, list):
        found = dict(enumerate(found))
    if not isinstance(found, dict) or not found:
        raise errors.DataError(f"{path}: there is no list or mapping 'names'")
    by_id = {}
    for key, name in found.items():
        is_id = not isinstance(key, bool) and str(key).isdecimal()
        if not is_id or isinstance(name, bool) or not isinstance(name, (str, int, float)):
            raise errors.DataError(
                f"{path}: names has {key!r}: {name!r}; expected a class id and a name"
                " (put quotes around yes, no, on and off)"
            )
        by_id[int(key)] = str(name).strip()
    count = content.get("nc", len(by_id))
    if count != len(by_id):
        raise errors.DataError(f"{path}: nc is {count}, but there are {len(by_id)} names")
    return by_id


def folders(content: dict[str, Any], path: str, split: str) -> list[str]:
    """The image folders that exist of those that it names for a split, all with split "".

    They are relative to its `path`, else to the yaml. Raises DataError that lists the splits
    where there are some but not this one."""
    place = os.path.dirname(os.path.abspath(path))
    base = os.path.join(place, str(content.get("path") or ""))
    base = base if os.path.isdir(base) else place
    known = [name for name in _SPLITS if content.get(name)]
    if split and known and not content.get(split):
        hint = errors.suggestion(split, known)
        raise errors.DataError(f"{path}: there is no split '{split}'{hint} (it has {known})")
    found = []
    for name in [split] if split else known:
        entry = content.get(name) or []
        for text in map(str, entry if isinstance(entry, list) else [entry]):
            if text.endswith(".txt"):
                raise errors.DataError(
                    f"{path}: {name} is the list {text}; lists of images are not read, give the"
                    " folder of the split"
                )
            # Some tools write ../train/images and mean it relative to the yaml.
            tried = [os.path.join(base, part) for part in (text, text.removeprefix("../"))]
            found += [os.path.normpath(folder) for folder in tried if os.path.isdir(folder)][:1]
    return found
