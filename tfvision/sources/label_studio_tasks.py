"""Tasks of Label Studio's exports JSON and JSON-MIN in one form (labelstud.io/guide/export)."""

from __future__ import annotations

import dataclasses
import os
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

from tfvision import errors
from tfvision.ops import sniff
from tfvision.sources import label_studio_shapes, stream, values

_IMAGE = "image"
_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")  # what an upload puts before a file's name
# Keys of JSON-MIN whose text is a choice, where no option names one.
_CHOICES = ("choice", "choices", "class", "label", "category")


@dataclasses.dataclass(frozen=True)
class Result:
    """One thing that an annotator said. source: the name of the tag that it comes from. kind:
    its type. key: its id, which results of one region share. size: (height, width) or None.
    turn: degrees by which the image was turned for the annotator."""

    source: str
    kind: str
    value: dict[str, Any]
    key: str | None = None
    size: tuple[int, int] | None = None
    turn: float = 0.0

    @property
    def shape(self) -> str:
        """Which region it is, "" for none."""
        return label_studio_shapes.kind(self.value)

    def texts(self) -> list[str]:
        """The classes that it names."""
        for key in sorted(self.value, key=lambda key: key != self.kind):
            if key == "choices" or key.endswith("labels"):
                given = self.value[key]
                given = [given] if isinstance(given, str) else given
                return [t for t in given if isinstance(t, str)] if isinstance(given, list) else []
        return []


@dataclasses.dataclass(frozen=True)
class Task:
    """One image. names: those that its file may have, the likeliest first. fault: why there are
    no results, or "". others: number of annotations that are not used."""

    name: str
    names: tuple[str, ...]
    results: tuple[Result, ...] = ()
    fault: str = ""
    others: int = 0


def tasks(path: str) -> Iterator[Task]:
    """The tasks of an export. Raises DataError where its first entry is none."""
    for i, entry in enumerate(stream.listing(path), start=1):
        name = f"entry {i}"
        if isinstance(entry, dict):
            data = entry.get("data")
            name = f"task {entry.get('id', i)}"
            if isinstance(data, dict):
                yield _task(name, entry, data)
                continue
            if _image(entry):
                yield Task(name, file_names(_image(entry)), tuple(_minimal(entry)))
                continue
        if i == 1:
            raise errors.DataError(
                f"{path}: its first entry has no 'data' and no image; is it Label Studio's export"
                " JSON or JSON-MIN of images?"
            )
        yield Task(name, (), fault="not a task of Label Studio")


def _task(name: str, entry: dict[str, Any], data: dict[str, Any]) -> Task:
    names = file_names(_image(data))
    annotations = entry.get("annotations", entry.get("completions"))
    annotations = (
        [a for a in annotations if isinstance(a, dict)] if isinstance(annotations, list) else []
    )
    # A skipped task has an annotation that was cancelled.
    sound = [a for a in annotations if not values.flag(a.get("was_cancelled"))]
    if not sound:
        fault = "task with predictions only" if entry.get("predictions") else ""
        return Task(name, names, fault=fault or "task without an annotation")
    results = sound[0].get("result")
    results = [r for r in results if isinstance(r, dict)] if isinstance(results, list) else []
    return Task(name, names, tuple(map(_result, results)), others=len(sound) - 1)


def _result(raw: dict[str, Any]) -> Result:
    value = raw.get("value")
    return Result(
        str(raw.get("from_name", "")),
        str(raw.get("type", "")),
        value if isinstance(value, dict) else {},
        str(raw["id"]) if "id" in raw else None,
        _size(raw),
        values.number(raw.get("image_rotation")) or 0.0,
    )


def _minimal(entry: dict[str, Any]) -> Iterator[Result]:
    """The results of an entry of JSON-MIN: {name of a tag: its regions or choices}."""
    for source, said in entry.items():
        if isinstance(said, list) and all(isinstance(region, dict) for region in said):
            for region in said:
                kind = next((key for key in region if key.endswith("labels")), "")
                turn = values.number(region.get("image_rotation")) or 0.0
                yield Result(source, kind, region, None, _size(region), turn)
        elif isinstance(said, dict) and "choices" in said:
            yield Result(source, "choices", said)
        elif isinstance(said, str) and source.casefold() in _CHOICES:
            yield Result(source, "choices", {"choices": [said]})


def _size(raw: dict[str, Any]) -> tuple[int, int] | None:
    return values.size(raw.get("original_height"), raw.get("original_width"))


def _image(data: dict[str, Any]) -> str:
    """The image's address: the value called image, else the first that looks like one."""
    names = [v for v in (data.get(_IMAGE), *data.values()) if isinstance(v, str) and v]
    if isinstance(data.get(_IMAGE), str):
        return data[_IMAGE]
    endings = sniff.EXTENSIONS + sniff.OTHER_EXTENSIONS
    return next((v for v in names if any(n.lower().endswith(endings) for n in file_names(v))), "")


def file_names(address: str) -> tuple[str, ...]:
    """The names that a file may have whose address a task gives; none for a picture in itself."""
    if not address or address.startswith("data:"):
        return ()
    path = address
    if "://" in address or address.startswith("/"):
        parts = urllib.parse.urlsplit(address)
        inner = urllib.parse.parse_qs(parts.query).get("d")  # /data/local-files/?d=...
        path = inner[0] if inner else parts.path
    path = path.lstrip("/")
    if "upload/" not in path:
        return (path,)
    tail = os.path.basename(path)
    return tuple(dict.fromkeys((tail, _PREFIX.sub("", tail, count=1))))
