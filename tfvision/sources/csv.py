"""A table of image paths and class names: csv with a header, one label a row."""

from __future__ import annotations

import collections
import csv
import itertools
import json
import os
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.sources import stream, texts
from tfvision.sources.locate import Images
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder

_DELIMITERS = ",;\t"
# Names of each column, the first that is there counts; case and white space do not matter.
_PATH = ("path", "file", "filename", "image")
_LABEL = ("label", "class", "name", "labels")
_SPLIT = ("split",)


def read(
    images: str,
    annotations: str | None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads a csv whose header names a column of paths, one of labels and perhaps one of splits.

    images: the folder that the paths are relative to. Rows of the same path are labels of the
    same image. Separated by comma, semicolon or tab, whichever the header uses. With a column
    `split`, the rows of that split are read (all with ""), without one every row. Without
    `labels`, the classes are the sorted names of all rows, whatever their split. Raises
    DataError where the table is malformed, lacks a column or the split."""
    del options
    root = check_folder(images, "image folder")
    if not annotations:
        raise errors.UsageError("format csv needs annotations: the path of its csv file")
    if not os.path.isfile(annotations):
        raise errors.DataError(f"annotation file {annotations} is not a file")
    shelf = stream.Shelf()
    names: set[str] = set()
    splits: collections.Counter[str] = collections.Counter()
    for line, name, label, part in _rows(annotations):
        names.add(" ".join(label.split()))
        if part is not None:
            splits[part] += 1
            if split not in ("", part):
                continue
        key = os.path.normpath(name).replace(os.sep, "/") if name else ""
        shelf.add_image(key, json.dumps(key))
        shelf.add_annotation(key, None, json.dumps([line, label]))
    if split and splits and split not in splits:
        hint = errors.suggestion(split, splits)
        found = ", ".join(f"'{part}'" for part in sorted(splits))
        raise errors.DataError(f"{annotations}: there is no split '{split}'{hint} (it has {found})")
    shelf.index()
    where = "--labels" if labels else annotations
    classes = ClassList(list(labels or sorted(names - {""})), where)
    items = _items(shelf, Images(root), annotations, classes)
    left = f"in no row of {os.path.basename(annotations)}" + (
        f" of split '{split}'" if split else ""
    )
    return Source(classes.names, ("labels",), items, folders={root: left})


def _rows(path: str) -> Iterator[tuple[int, str, str, str | None]]:
    """(line, path, label, split or None) of every row that is not blank."""
    try:
        with texts.opened(path, "annotation file", newline="") as file:
            first = file.readline()
            delimiter = max(_DELIMITERS, key=first.count)
            lines = itertools.chain([first], file)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            header = next(reader, [])
            columns = [_column(header, names) for names in (_PATH, _LABEL, _SPLIT)]
            for names, column in zip((_PATH, _LABEL), columns, strict=False):
                if column is None:
                    raise errors.DataError(
                        f"{path}: there is no column {' or '.join(names)}; its columns are:"
                        f" {', '.join(name.strip() for name in header) or 'none'}"
                    )
            for row in reader:
                if any(row[len(header) :]):
                    raise errors.DataError(
                        f"{path}, line {reader.line_num}: {len(row)} values for {len(header)}"
                        f' columns; put double quotes around a value that holds "{delimiter}"'
                    )
                cells = [None if c is None else _cell(row, c) for c in columns]
                if any(cells):
                    yield reader.line_num, *cells
    except csv.Error as error:
        raise errors.DataError(f"{path}, line {reader.line_num}: {error}") from error


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    found = [cell.strip().casefold() for cell in header]
    return next((found.index(name) for name in names if name in found), None)


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def _items(
    shelf: stream.Shelf, files: Images, table: str, classes: ClassList
) -> Iterator[schema.Sample | schema.Finding]:
    for name, rows in shelf.images():
        lines = f"line {', '.join(str(line) for line, _ in rows)}"
        if not name:
            yield schema.Finding("skipped", "no path", os.path.basename(table), lines)
            continue
        place = files.find(name, lines)
        if isinstance(place, schema.Finding):
            yield place
            continue
        filename, findings = place
        yield from findings
        if not any(label for _, label in rows):
            yield schema.Finding("skipped", "no label", filename, lines)
            continue
        path = os.path.join(files.root, filename)
        found: list[int] = []
        for line, label in rows:
            what = f"line {line}"
            if not label:
                yield schema.Finding("noted", "row without a label", filename, what)
                continue
            class_id, note = classes.find(label, f"{table}, {what}: {name}")
            if note:
                detail = f"{what}: {note}"
                yield schema.Finding("noted", "class name matched loosely", filename, detail)
            if class_id in found:
                yield schema.Finding("noted", "the same label twice", filename, what)
            else:
                found.append(class_id)
        yield schema.Sample(path, filename, source_id=filename, labels=sorted(found))
