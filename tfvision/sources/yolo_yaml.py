"""The yaml that describes a YOLO data set: names by class id, and the folders or lists of its
splits. Darknet's obj.data, lines of key = value, says the same.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import yaml

from tfvision import errors
from tfvision.sources import texts, values

EXTENSIONS = (".yaml", ".yml")
DATA = ".data"
_SPLITS = ("train", "val", "valid", "test")


def load(path: str) -> dict[str, Any]:
    """The content of a yaml or obj.data; DataError where it is broken or no mapping."""
    text = texts.read(path, "data set file")
    if path.endswith(DATA):
        return _load_data(text, path)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise errors.DataError(f"{path}: not valid YAML: {reason}") from error
    if not isinstance(content, dict):
        raise errors.DataError(f"{path}: there are no keys in it; expected names, train, val")
    return content


def _load_data(text: str, path: str) -> dict[str, Any]:
    pairs = (line.partition("=") for line in text.split("\n") if "=" in line)
    content: dict[str, Any] = {key.strip(): value.strip() for key, _, value in pairs}
    content["nc"] = content.pop("classes", None)
    file = str(content.get("names") or "obj.names")
    place = os.path.dirname(os.path.abspath(path))
    tried = [os.path.join(place, name) for name in (file, os.path.basename(file))]
    existing = next((name for name in tried if os.path.isfile(name)), tried[0])
    lines = [line.strip() for line in texts.read(existing, "file of names").split("\n")]
    content["names"] = [line for line in lines if line]
    return content


def names(content: dict[str, Any], path: str) -> dict[int, str]:
    """{class id: name} from `names`, a list or a mapping, whose ids may have gaps."""
    listed = content.get("names")
    if isinstance(listed, list):
        listed = dict(enumerate(listed))
    if not isinstance(listed, dict) or not listed:
        raise errors.DataError(f"{path}: there is no list or mapping 'names'")
    by_id = {}
    for key, name in listed.items():
        number = values.whole(key)
        is_id = number is not None and number >= 0
        if not is_id or isinstance(name, bool) or not isinstance(name, (str, int, float)):
            raise errors.DataError(
                f"{path}: names has {key!r}: {name!r}; expected a class id and a name"
                " (put quotes around yes, no, on and off)"
            )
        by_id[number] = str(name).strip()
    count = content.get("nc")
    if count not in (None, "") and values.whole(count) != len(by_id):
        raise errors.DataError(f"{path}: nc is {count}, but there are {len(by_id)} names")
    return by_id


@dataclasses.dataclass(frozen=True)
class Said:
    """What a data set file says of a split.

    folders: of its images, as far as they exist. lists: paths of its images, where lists name
    them, as they stand there. missing: the error where it names only what is not there."""

    folders: Sequence[str] = ()
    lists: Sequence[str] = ()
    missing: str = ""


def said(content: dict[str, Any], path: str, split: str) -> Said:
    """What the file says of a split, of all with split "".

    Paths are relative to its `path`, else to the file. Raises DataError that lists the splits
    where there are some but not this one."""
    place = os.path.dirname(os.path.abspath(path))
    base = os.path.join(place, str(content.get("path") or ""))
    bases = [base, place] if os.path.isdir(base) else [place]
    known = [name for name in _SPLITS if content.get(name)]
    if split and known and not content.get(split):
        hint = errors.suggestion(split, known)
        raise errors.DataError(f"{path}: there is no split '{split}'{hint} (it has {known})")
    folders, lists, tried = [], [], []
    for name in [split] if split else known:
        entry = content.get(name) or []
        for text in map(str, entry if isinstance(entry, list) else [entry]):
            # Some tools write ../train/images and mean it relative to the file.
            spelt = [text, text.removeprefix("../"), os.path.basename(text)]
            parts = spelt if text.endswith(".txt") else spelt[:2]
            places = [os.path.normpath(os.path.join(b, part)) for b in bases for part in parts]
            existing = next((p for p in places if os.path.exists(p)), None)
            if existing is None:
                tried.append(f"{name}: {text}")
            elif os.path.isdir(existing):
                folders.append(existing)
            else:
                lines = texts.read(existing, "list of images").split("\n")
                lists += [line.strip() for line in lines if line.strip()]
    missing = ""
    if tried and not folders and not lists:
        missing = f"{path}: {tried[0]} is not there (looked in {bases[0]}); correct the path"
    return Said(folders, lists, missing)
