"""NAME-SPLIT.images.csv: the images of a split, in the order of its records.

A line an image: `image_id`, as detections have it (`schema.image_ids`), `source_id`, `file_name`,
the digest of its bytes and the ids of its classes.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from tfvision import atomic, schema

_SUFFIX = ".images.csv"
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


class Row(NamedTuple):
    """One image. classes: ids, a blank between."""

    image_id: str
    source_id: str
    file_name: str
    sha256: str
    classes: str


def file(name: str, split: str) -> str:
    """The file's name."""
    return f"{name}-{split}{_SUFFIX}"


class Writer:
    """Writes one shard's part, without image ids: they depend on the others."""

    def __init__(self, path: str):
        self._file = open(path, "w", **_TEXT)  # noqa: SIM115, closed by __exit__
        self._rows = csv.writer(self._file, lineterminator="\n")

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, source_id: str, name: str, sha256: str, class_ids: Collection[int]) -> None:
        """Adds an image."""
        self._rows.writerow(
            Row("", source_id, name, sha256, " ".join(str(i) for i in sorted(class_ids)))
        )


def part(shard: str) -> str:
    """The file that belongs to one shard, until all are there."""
    return shard + _SUFFIX


def join(path: str, parts: Sequence[str]) -> None:
    """Writes the file of a split from those of its shards."""
    ids = schema.image_ids([row.source_id for each in parts for row in _rows(each)])
    with atomic.file(path, durable=False) as aside, open(aside, "w", **_TEXT) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(Row._fields)
        rows = (row for each in parts for row in _rows(each))
        table.writerows(row._replace(image_id=i) for i, row in zip(ids, rows, strict=True))


def rows(path: str) -> Iterator[Row]:
    """The images of a split's file."""
    listed = _rows(path)
    next(listed, None)
    yield from listed


def _rows(path: str) -> Iterator[Row]:
    with open(path, **_TEXT) as stream:
        yield from map(Row._make, csv.reader(stream))
