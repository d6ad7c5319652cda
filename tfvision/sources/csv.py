"""Tables of images: a header and a class name a row, a 0 or 1 a class, or an object a row."""

from __future__ import annotations

import collections
import json
import os
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.sources import csv_objects, csv_onehot, stream, tables
from tfvision.sources.csv_columns import LABEL, PATH, SPLIT
from tfvision.sources.locate import Images, roboflow
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder

_ROBOFLOW = ("_annotations.csv", "_classes.csv")


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads a csv whose header names a column of paths, one of labels and perhaps one of splits.

    images: the folder that the paths are relative to. Without `annotations` it is Roboflow's
    export: a table beside the images of its split. Rows of the same path are labels of the
    same image. Separated by comma, semicolon or tab, whichever the header uses. With a column
    `split`, the rows of that split are read (all with ""), without one every row. Without
    `labels`, the classes are the sorted names of all rows, whatever their split. A table with
    columns of boxes is read by `csv_objects`, one with a column of 0 and 1 a class by
    `csv_onehot`. Raises DataError where the table is malformed, lacks a column or the split."""
    top = root = check_folder(images, "image folder")
    if not annotations:
        annotations = roboflow(root, split, _ROBOFLOW)
        if annotations is None:
            raise errors.UsageError("format csv needs annotations: the path of its csv file")
        root = os.path.dirname(annotations)
    if not os.path.isfile(annotations):
        raise errors.DataError(f"annotation file {annotations} is not a file")
    other = {top: "of another split"} if top != root else {}
    table, layout = (annotations, root, split), csv_objects.layout(annotations)
    if layout:
        source = csv_objects.read(*table, labels, layout, options)
    elif csv_onehot.fits(annotations):
        source = csv_onehot.read(*table, labels)
    else:
        source = _labels(*table, labels)
    source.folders = other | dict(source.folders)
    return source


def _labels(annotations: str, root: str, split: str, labels: Sequence[str] | None) -> Source:
    """The source of a table with a class name a row."""
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
        listed = ", ".join(f"'{part}'" for part in sorted(splits))
        raise errors.DataError(
            f"{annotations}: there is no split '{split}'{hint} (it has {listed})"
        )
    shelf.index()
    classes = ClassList.of(labels, sorted(names - {""}), annotations)
    items = _items(shelf, Images(root), annotations, classes)
    left = f"in no row of {os.path.basename(annotations)}" + (
        f" of split '{split}'" if split else ""
    )
    return Source(classes.names, ("labels",), items, folders={root: left})


def _rows(path: str) -> Iterator[tuple[int, str, str, str | None]]:
    """(line, path, label, split or None) of every row that is not blank."""
    rows = tables.rows(path)
    _, header = next(rows)
    columns = [tables.column(header, names) for names in (PATH, LABEL, SPLIT)]
    for names, column in zip((PATH, LABEL), columns, strict=False):
        if column is None:
            raise errors.DataError(
                f"{path}: there is no column {' or '.join(names)}; its columns are:"
                f" {', '.join(header) or 'none'}"
            )
    for line, cells in rows:
        yield line, *(None if column is None else cells[column] for column in columns)


def _items(
    shelf: stream.Shelf, files: Images, table: str, classes: ClassList
) -> Iterator[schema.Sample | schema.Finding]:
    for name, rows in shelf.images():
        lines = f"line {', '.join(str(line) for line, _ in rows)}"
        if not name:
            yield schema.Finding("skipped", "no path", os.path.basename(table), lines)
            continue
        sample = yield from files.sample(name, lines)
        if sample is None:
            continue
        filename = sample.filename
        if not any(label for _, label in rows):
            yield schema.Finding("skipped", "no label", filename, lines)
            continue
        class_ids: list[int] = []
        for line, label in rows:
            what = f"line {line}"
            if not label:
                yield schema.Finding("noted", "row without a label", filename, what)
                continue
            class_id, note = classes.find(label, f"{table}, {what}: {name}")
            if note:
                detail = f"{what}: {note}"
                yield schema.Finding("noted", "class name matched loosely", filename, detail)
            if class_id in class_ids:
                yield schema.Finding("noted", "the same label twice", filename, what)
            else:
                class_ids.append(class_id)
        sample.labels = sorted(class_ids)
        yield sample
