"""dataset.json: what a converted data set holds; reading it, with every check that is cheap.

No TensorFlow here. The file stands beside its shards and is written last: a folder without it
is not a data set.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from tfvision import atomic, errors, json_files
from tfvision.json_files import COUNT, Maybe
from tfvision.records import aside

FILE = "dataset.json"
LABELS_FILE = "labels.txt"
VERSION = 1
_WAY_OUT = "convert the data again"
_SHARD = {"file": str, "records": COUNT, "bytes": COUNT, "sha256": str}
_SPLIT = {
    "shards": [_SHARD],
    "records": COUNT,
    "groups": [str],
    "objects": COUNT,
    "max_objects": COUNT,
    "notes?": [str],
    "teaches?": bool,
}
_SHAPE = {
    "name": str,
    "class_names": [str],
    "groups": [str],
    "category_ids": Maybe([int]),
    "splits": {str: _SPLIT},
}


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file: its name beside dataset.json, records, size, hex digest."""

    file: str
    records: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Split:
    """One split. groups: names of schema.GROUPS in its records. objects: in all of them.

    max_objects: the most that one record holds. notes: what is odd about it. teaches: whether
    there is anything to learn from it."""

    shards: tuple[Shard, ...]
    records: int
    groups: tuple[str, ...]
    objects: int
    max_objects: int
    notes: tuple[str, ...] = ()
    teaches: bool = True


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A converted data set.

    path: its folder. class_names: in id order. groups: names of schema.GROUPS that all splits
    hold. category_ids: COCO's own ids in class-id order, or None. raw: all of dataset.json."""

    name: str
    path: str
    class_names: tuple[str, ...]
    groups: tuple[str, ...]
    splits: Mapping[str, Split]
    category_ids: tuple[int, ...] | None
    raw: Mapping[str, Any] = dataclasses.field(repr=False, compare=False)

    def split(self, name: str) -> Split:
        """The split of that name; DataError that lists all for an unknown one."""
        if name not in self.splits:
            raise errors.DataError(
                f"{self.path}: there is no split '{name}'"
                f"{errors.suggestion(name, self.splits)} (it has: {', '.join(self.splits)})"
            )
        return self.splits[name]

    def files(self, name: str) -> list[str]:
        """Paths of a split's shards, in order."""
        return [os.path.join(self.path, shard.file) for shard in self.split(name).shards]


def read(path: str | os.PathLike[str]) -> Dataset:
    """Reads DIR/dataset.json (or the file's own path) and checks that the shards are there.

    Raises DataError for a missing folder or file, broken json, another version, a field that is
    missing or wrong, and a shard that is missing or of another size."""
    path = os.fspath(path)
    if os.path.basename(path) == FILE:
        path = os.path.dirname(path) or "."
    raw = load(path)
    splits = {name: _split(entry) for name, entry in raw["splits"].items()}
    category_ids = raw["category_ids"]
    data = Dataset(
        raw["name"],
        path,
        tuple(raw["class_names"]),
        tuple(raw["groups"]),
        splits,
        None if category_ids is None else tuple(category_ids),
        raw,
    )
    for split in splits.values():
        for shard in split.shards:
            _check_shard(path, shard)
    return data


def is_there(path: str) -> bool:
    """Whether `path` is a converted data set's folder, or its dataset.json."""
    return os.path.isfile(path if os.path.basename(path) == FILE else os.path.join(path, FILE))


def load(path: str) -> dict[str, Any]:
    """The plain content of DIR/dataset.json; DataError where it cannot be used."""
    if not os.path.isdir(path):
        raise errors.DataError(f"data set folder {path} does not exist; run tfvision convert first")
    file = os.path.join(path, FILE)
    if aside.is_stopped(path):
        raise errors.DataError(
            f"a conversion into {path} was stopped while it was put in place; run it again, which"
            " finishes it"
        )
    if not os.path.isfile(file):
        raise errors.DataError(
            f"{path} contains no {FILE}; it is no data set that tfvision convert wrote"
        )
    raw = json_files.read(file, {"version?": int}, _WAY_OUT)
    version = raw.get("version")
    if version != VERSION:
        raise errors.DataError(
            f"{file}: version is {version!r}, this tfvision reads {VERSION}; {_WAY_OUT}"
        )
    return json_files.conform(raw, _SHAPE, file, _WAY_OUT)


def _split(entry: Mapping[str, Any]) -> Split:
    return Split(
        tuple(Shard(s["file"], s["records"], s["bytes"], s["sha256"]) for s in entry["shards"]),
        entry["records"],
        tuple(entry["groups"]),
        entry["objects"],
        entry["max_objects"],
        tuple(entry.get("notes", ())),
        entry.get("teaches", True),
    )


def _check_shard(path: str, shard: Shard) -> None:
    file = os.path.join(path, shard.file)
    if os.path.basename(shard.file) != shard.file:
        raise errors.DataError(f"{path}/{FILE}: shard '{shard.file}' leaves the folder")
    if not os.path.isfile(file):
        raise errors.DataError(f"shard {file} is missing; convert the data again")
    size = os.path.getsize(file)
    if size != shard.bytes:
        raise errors.DataError(
            f"shard {file} has {size} bytes, {FILE} says {shard.bytes}; convert the data again"
        )


def write(path: str, raw: Mapping[str, Any]) -> None:
    """Writes labels.txt and dataset.json into the folder; each is whole or not there."""
    labels = "".join(f"{name}\n" for name in raw["class_names"])
    atomic.write_text(os.path.join(path, LABELS_FILE), labels)
    atomic.write_text(os.path.join(path, FILE), json.dumps(raw, indent=1) + "\n")


def digest(path: str) -> str:
    """The sha256 of a file, hex, once the file is on the disk."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            sha256.update(block)
        os.fsync(stream.fileno())
    return sha256.hexdigest()
