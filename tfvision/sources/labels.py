"""Class lists as they come: a name a line, a table, a yaml, CVAT's labelmap.txt, CamVid's colors.

A list may give each class the number and the color that it has in masks.
"""

from __future__ import annotations

import csv
import dataclasses
import os
import re
from collections.abc import Sequence

from tfvision import errors
from tfvision.sources import pbtxt, tables, texts, values, yolo_yaml
from tfvision.sources.source import check_class_names

# Class lists that may lie among images and masks.
FILES = (
    *("labels.txt", "classes.txt", "classes.csv", "labelmap.txt", "_classes.csv"),
    *("class_dict.csv", "label_colors.txt"),
)
_NAMES = ("name", "class", "label", "class_name", "classname", "classes", "labels", "category")
_IDS = ("id", "value", "pixel value", "index", "class_id", "class id", "number", "label_id")
_CHANNELS = (("r", "g", "b"), ("red", "green", "blue"))
_CVAT = re.compile(r"([^:]*):(?:(\d+),(\d+),(\d+))?:[^:]*:[^:]*")
_COLORS = re.compile(r"(\d+)\s+(\d+)\s+(\d+)\s+(\S.*)")

Color = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A class: the number that masks have for it, its name, its color (r, g, b) or None.

    counted: the number is its place in the list, which gives none."""

    number: int
    name: str
    color: Color | None = None
    counted: bool = False


def read_labels(path: str) -> list[str]:
    """Class names in id order.

    Raises DataError where the file cannot be read, and where its ids are not 0..K-1."""
    sorted_entries = sorted(entries(path), key=lambda entry: entry.number)
    numbers = [entry.number for entry in sorted_entries]
    if numbers != list(range(len(sorted_entries))):
        raise errors.DataError(
            f"{path}: the ids of its names are not 0 to {len(numbers) - 1}; with --format=yolo"
            " give it as --annotations, or else number the classes without gaps"
        )
    return check_class_names([entry.name for entry in sorted_entries], path)


def entries(path: str) -> list[Entry]:
    """The classes of a list, in its order. Raises DataError where it cannot be read.

    Told by its name and content: a yaml's `names`, a label map's items (pbtxt), a table with a
    header, CVAT's name:r,g,b:parts:actions, CamVid's r g b name, else a name a line. Lines at
    the start that begin with "# " are comments."""
    lower = os.path.basename(path).lower()
    if lower.endswith(yolo_yaml.EXTENSIONS):
        by_id = yolo_yaml.names(yolo_yaml.load(path), path)
        return [Entry(number, name) for number, name in sorted(by_id.items())]
    if lower.endswith((".pbtxt", ".pbtext")):
        return [Entry(i, name) for i, name in enumerate(pbtxt.read(path)[0])]
    lines = texts.read(path, "label file").split("\n")
    if lower.endswith((".csv", ".tsv")):
        return _table(lines, path)
    lines = [line.strip() for line in lines]
    while lines and (lines[0].startswith("# ") or lines[0] == "#"):
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    for pattern, name, color in ((_CVAT, 1, (2, 3, 4)), (_COLORS, 4, (1, 2, 3))):
        matches = [pattern.fullmatch(line) for line in lines if line]
        if matches and all(matches):
            return [_colored(i, m, name, color, path) for i, m in enumerate(matches)]
    return [Entry(i, line) for i, line in enumerate(lines)]


def _colored(number: int, match: re.Match, name: int, groups: Sequence[int], path: str) -> Entry:
    channels = [match[group] for group in groups]
    color = _color(channels, path) if channels[0] is not None else None
    return Entry(number, match[name].strip(), color, counted=True)


def _color(channels: Sequence[str], where: str) -> Color:
    values_read = [values.whole(channel) for channel in channels]
    if not all(channel is not None and 0 <= channel <= 255 for channel in values_read):
        raise errors.DataError(f"{where}: color {', '.join(channels)} is not three of 0..255")
    return values_read[0], values_read[1], values_read[2]


def _table(lines: list[str], path: str) -> list[Entry]:
    """A table with a column of names; without one of ids, rows count from 0."""
    try:
        delimiter = max(",;\t", key=lines[0].count)
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise errors.DataError(f"class list {path} cannot be read: {error}") from error
    rows = [[cell.strip() for cell in row] for row in rows]
    header = [cell.casefold() for cell in rows[0]]
    name = tables.column(header, _NAMES)
    if name is None and all(len(row) <= 1 for row in rows):
        return [Entry(i, row[0]) for i, row in enumerate(row for row in rows if row)]
    if name is None:
        raise errors.DataError(
            f"{path}: the first line must name the columns, 'name' among them and best 'id'"
        )
    number = tables.column(header, _IDS)
    channels = next(([header.index(c) for c in cs] for cs in _CHANNELS if set(cs) <= {*header}), [])
    table: list[Entry] = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        cells = row + [""] * (len(header) - len(row))
        where = f"{path}, line {line}"
        table.append(
            Entry(
                len(table) if number is None else _number(cells[number], where),
                cells[name],
                _color([cells[c] for c in channels], where) if channels else None,
                counted=number is None,
            )
        )
    return table


def _number(text: str, where: str) -> int:
    number = values.whole(text)
    if number is None or number < 0:
        raise errors.DataError(f"{where}: id '{text}' is not a whole number")
    return number


def parse_values(text: str) -> list[Entry]:
    """The entries of "0:background,255:cat". Raises UsageError."""
    parsed = []
    for part in text.split(","):
        number, colon, name = part.partition(":")
        value = values.whole(number)
        if value is None or not colon or not name.strip():
            raise errors.UsageError(
                f"mask_values: '{part.strip()}' is not VALUE:CLASS; write 0:background,255:cat"
            )
        parsed.append(Entry(value, name.strip()))
    return parsed
