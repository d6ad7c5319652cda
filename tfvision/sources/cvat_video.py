"""Tracks of CVAT's xml for videos -> a sample a frame, whose image is a file of its number."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator
from typing import Any

from tfvision import errors, schema
from tfvision.sources import cvat_shapes, cvat_xml, drawn, stream, values, walking
from tfvision.sources.locate import Images
from tfvision.sources.source import ClassList

_NUMBER = re.compile(r"(\d+)\.[^.]*$")


def items(
    path: str, meta: cvat_xml.Meta, files: Images, classes: ClassList, attribute: str
) -> Iterator[schema.Sample | schema.Finding]:
    """A sample for each frame of the video that has a file; those without an object too.

    Frames between key frames count: CVAT writes the boxes that it interpolates. Raises DataError
    where two files have one number, and where none has a frame's."""
    numbered = _numbered(files)
    shelf = stream.Shelf()
    for number in sorted(numbered):
        if meta.frames is None or meta.frames[0] <= number <= meta.frames[1]:
            shelf.add_image(number, json.dumps(number))
    yield from _collect(path, shelf, attribute)
    shelf.index()
    _check(meta, numbered, path, files.root)
    for number, rows in shelf.images():
        filename = numbered.get(number)
        if filename is None:
            detail = f"no file whose name ends in {number} in {files.root}"
            yield schema.Finding("skipped", "frame without a file", f"frame {number}", detail)
            continue
        image = os.path.join(files.root, filename)
        sample = schema.Sample(image, filename, source_id=filename, size=meta.size)
        size = drawn.size(sample, "")
        drawn_rows = [_drawn(row, size) for row in rows]
        yield from drawn.add(sample, drawn_rows, classes, path, size)
        yield sample


def _drawn(row: dict[str, Any], size: tuple[int, int] | None) -> drawn.Drawn:
    make = functools.partial(cvat_shapes.convert, row["kind"], row["fields"], size)
    return drawn.Drawn(row["name"], row["text"], make, row["group"])


def _numbered(files: Images) -> dict[int, str]:
    """{frame: file} of the images whose names end in a number."""
    by_number: dict[int, str] = {}
    for path in walking.files(files.root):
        name = walking.relative(path, files.root)
        match = _NUMBER.search(name)
        if match is None:
            continue
        number = int(match[1])
        if number in by_number:
            raise errors.DataError(
                f"{files.root}: {by_number[number]} and {name} are both frame {number}; give the"
                " folder of one video's frames"
            )
        by_number[number] = name
    return by_number


def _collect(path: str, shelf: stream.Shelf, attribute: str) -> Iterator[schema.Finding]:
    """Puts the shapes of all tracks on the shelf, by frame."""
    for track in cvat_xml.children(path):
        if track.tag != "track":
            continue
        name = f"track {track.get('id')}"
        held: dict[str, str] = {}  # an attribute that does not change is written once
        for shape in track:
            held |= cvat_xml.attributes(shape)
            if shape.tag not in cvat_shapes.EVERY or values.flag(shape.get("outside")):
                continue
            number = values.whole(shape.get("frame"))
            if number is None:
                detail = f"{name}: frame {shape.get('frame')!r}"
                yield schema.Finding("dropped", "broken frame", os.path.basename(path), detail)
                continue
            row = {
                "kind": shape.tag,
                "name": name,
                "text": held.get(attribute, "") if attribute else track.get("label") or "",
                "group": values.whole(track.get("group_id")) or None,
                "fields": dict(shape.attrib),
            }
            shelf.add_image(number, json.dumps(number))
            shelf.add_annotation(number, None, json.dumps(row))


def _check(meta: cvat_xml.Meta, numbered: dict[int, str], path: str, root: str) -> None:
    if not numbered:
        raise errors.DataError(
            f"{root}: no image's name ends in the number of a frame, as frame_000000.png; write"
            " the video's frames so, or export the task as CVAT for images"
        )
    first, last, count = min(numbered), max(numbered), len(numbered)
    if first == 1 and last == count and meta.frames == (0, count - 1):
        raise errors.DataError(
            f"{root}: its files are numbered 1 to {last}, the frames of {path} 0 to {last - 1};"
            " number the files from 0"
        )
