"""Tables with an object a row: the TF Object Detection API's (filename, width, height, class,
xmin, ymin, xmax, ymax), OpenImages' (storage.googleapis.com/openimages), keras-retinanet's
path, x1, y1, x2, y2, class and AutoML Vision's, both without a header.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.ops import header as headers
from tfvision.ops import sniff
from tfvision.sources import csv_columns, drawn, shapes, stream, tables, values, voc_lists
from tfvision.sources.locate import Images
from tfvision.sources.source import ClassList, Options, Source
from tfvision.sources.spellings import Spellings

_UNNAMED = "object"  # the class where no column names one
_SHARE = 2.0  # boxes whose numbers all stay below it are shares of the image's sides
_SETS = ("train", "validate", "validation", "test", "unassigned")  # AutoML's, case aside


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which column is what; None for one that is not there.

    box: of the four numbers. form: "xyxy", "xywh", "center", or "corners" for two opposite ones
    in any order. size: of the image's height and width. shares: the format's boxes are shares."""

    path: int
    label: int | None
    box: tuple[int, int, int, int]
    form: str
    split: int | None = None
    size: tuple[int, int] | None = None
    crowd: int | None = None
    difficult: int | None = None
    has_header: bool = True
    shares: bool = False


def layout(path: str) -> Layout | None:
    """The layout of a table of objects; None for another table.

    Raises DataError where a box is one cell, and where no column names the image."""
    _, first = next(tables.rows(path))
    folded = [cell.casefold() for cell in first]
    if not csv_columns.EVERY & set(folded) and (first_row := _without_header(first)):
        return first_row
    for form, names in csv_columns.BOXES.items():
        box = tuple(tables.column(first, column) for column in names)
        if None in box:
            continue
        name = tables.column(first, csv_columns.OBJECT_PATH)
        if name is None:
            raise errors.DataError(
                f"{path}: there is no column {' or '.join(csv_columns.OBJECT_PATH)}; its columns"
                f" are: {', '.join(first)}"
            )
        size = tuple(tables.column(first, column) for column in csv_columns.IMAGE_SIZE)
        find = functools.partial(tables.column, first)
        return Layout(
            name,
            find(csv_columns.OBJECT_LABEL),
            box,
            form,
            split=find(csv_columns.SPLIT),
            size=None if None in size or set(size) & set(box) else size,
            crowd=find(csv_columns.CROWD),
            difficult=find(csv_columns.DIFFICULT),
            shares="imageid" in folded,
        )
    if (cell := tables.column(first, csv_columns.ONE_CELL)) is not None:
        raise errors.DataError(
            f"{path}: column '{first[cell]}' contains a box in one cell; write it into columns"
            " xmin, ymin, xmax, ymax, or leave the column out to read class names alone"
        )
    return None


def _without_header(first: Sequence[str]) -> Layout | None:
    if len(first) == 11 and first[0].casefold() in _SETS:
        box = (3, 4, 7, 8)  # of the four corners the first and the third, which two also have
        return Layout(1, 2, box, "corners", split=0, has_header=False, shares=True)
    numbers = [values.number(cell) for cell in first[1:5]]
    if len(first) == 6 and first[0] and (not any(first[1:]) or None not in numbers):
        return Layout(0, 5, (1, 2, 3, 4), "xyxy", has_header=False)
    return None


def read(
    path: str,
    root: str,
    split: str,
    labels: Sequence[str] | None,
    layout: Layout,
    options: Options,
) -> Source:
    """The source of a table of objects.

    Rows of one path are objects of one image; a row without a box and a class says that its
    image has none. Boxes are in pixels, or in shares of the image's sides where no number of the
    table reaches 2. Without a column of classes all objects are the only class of `labels`, or
    "object". Without `labels` the classes are the sorted names of all rows, whatever their
    split. Raises DataError for a split that is not there."""
    shelf, names, largest = stream.Shelf(), Spellings(), -1.0
    splits: collections.Counter[str] = collections.Counter()
    default = labels[0] if labels and len(labels) == 1 else _UNNAMED
    for line, cells in _rows(path, layout):
        box = [cells[column] for column in layout.box]
        numbers = [n for n in map(values.number, box) if n is not None]
        largest = max([largest, *map(abs, numbers)])
        text = (default if numbers else "") if layout.label is None else cells[layout.label]
        names.add(text)
        if layout.split is not None:
            splits[cells[layout.split]] += 1
            if split and not drawn.is_split(cells[layout.split], split):
                continue
        key = os.path.normpath(cells[layout.path]) if cells[layout.path] else ""
        row = {"line": line, "text": text, "box": box}
        row |= {n: cells[c] for n in ("crowd", "difficult") if (c := getattr(layout, n))}
        row |= {"size": [cells[c] for c in layout.size]} if layout.size else {}
        shelf.add_image(key, json.dumps(key))
        shelf.add_annotation(key, None, json.dumps(row))
    if split and splits and not any(drawn.is_split(part, split) for part in splits):
        listed = ", ".join(f"'{part}'" for part in sorted(splits))
        raise errors.DataError(f"{path}: there is no split '{split}' (it has {listed})")
    shelf.index()
    classes = ClassList.of(labels, names.names(), path)
    form = (layout, 0 <= largest < _SHARE, options.annotations_of)
    items = _items(shelf, Images(root), path, classes, form)
    left = f"in no row of {os.path.basename(path)}" + (f" of split '{split}'" if splits else "")
    return Source(classes.names, ("labels", "objects"), items, folders={root: left})


def _rows(path: str, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    rows = tables.rows(path)
    if layout.has_header:
        next(rows)
    return rows


def _items(
    shelf: stream.Shelf,
    files: Images,
    table: str,
    classes: ClassList,
    form: tuple[Layout, bool, str],
) -> Iterator[schema.Sample | schema.Finding]:
    layout, shares, frame = form
    if shares and not layout.shares:
        reason = "boxes taken as shares of the image's sides"
        yield schema.Finding("noted", reason, os.path.basename(table), "no number reaches 2")
    for name, rows in shelf.images():
        lines = f"line {', '.join(str(row['line']) for row in rows)}"
        if not name:
            yield schema.Finding("skipped", "no path", os.path.basename(table), lines)
            continue
        sample = yield from files.sample(_with_extension(name, files), lines)
        if sample is None:
            continue
        yield from _size(sample, rows[0])
        size = drawn.size(sample, frame)
        if shares and (sizes := headers.sizes(sample.path)) and size not in sizes:
            size = sizes[frame != "stored"]
        yield from drawn.add(
            sample, _objects(rows, layout.form, size if shares else (1, 1)), classes, table, size
        )
        yield sample


def _with_extension(name: str, files: Images) -> str:
    """OpenImages' ids are names without the extension."""
    if name.lower().endswith(sniff.EXTENSIONS + sniff.OTHER_EXTENSIONS) or files.has(name):
        return name
    return voc_lists.find_image(files.root, name) or f"{name}.jpg"


def _size(sample: schema.Sample, row: dict[str, Any]) -> Iterator[schema.Finding]:
    if not any(row.get("size", ())):
        return
    sample.size = values.size(*row["size"])
    if sample.size is None:
        detail = f"line {row['line']}: height '{row['size'][0]}', width '{row['size'][1]}'"
        yield schema.Finding("noted", "recorded size is wrong", sample.filename, detail)


def _objects(
    rows: Sequence[dict[str, Any]], form: str, scale: tuple[int, int] | None
) -> Iterator[drawn.Drawn]:
    """scale: (height, width) that the numbers are to be multiplied by."""
    seen = set()
    for row in rows:
        if not row["text"] and not any(row["box"]):
            continue
        key = (row["text"], *row["box"])
        yield drawn.Drawn(
            f"line {row['line']}",
            row["text"],
            functools.partial(_shape, row["box"], form, scale, key in seen),
            is_crowd=values.whole(row.get("crowd")) == 1,  # -1 says that nobody looked
            difficult=bool(values.flag(row.get("difficult"))),
        )
        seen.add(key)


def _shape(
    box: Sequence[str], form: str, scale: tuple[int, int] | None, again: bool
) -> shapes.Shape:
    numbers = [values.number(cell) for cell in box]
    said = f"box {', '.join(cell or 'missing' for cell in box)}"
    if None in numbers:
        raise schema.Rejected("broken box", said)
    if again:
        raise schema.Rejected("the same object twice", said)
    if scale is None:
        raise schema.Rejected("broken box", "its image's size is not known")
    x, y, c, d = numbers
    if form == "corners":
        x, y, c, d = min(x, c), min(y, d), max(x, c), max(y, d)
    elif form == "xywh":
        c, d = x + c, y + d
    elif form == "center":
        x, y, c, d = x - c / 2, y - d / 2, x + c / 2, y + d / 2
    if c <= x or d <= y:
        raise schema.Rejected("box without area", said)
    height, width = scale
    return shapes.box(x * width, y * height, c * width, d * height)
