"""Tables with a column of 0 and 1 a class, as Roboflow's `_classes.csv` of several labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.sources import drawn, tables, values
from tfvision.sources.csv_columns import LABEL, PATH, SPLIT
from tfvision.sources.locate import Images
from tfvision.sources.source import ClassList, Source


def fits(path: str) -> bool:
    """Whether a table names paths and no class, and its first row has 0 or 1 in each column."""
    rows = tables.rows(path)
    _, header = next(rows)
    columns = _classes(header)
    if tables.column(header, PATH) is None or tables.column(header, LABEL) is not None:
        return False
    _, cells = next(rows, (0, []))
    return bool(cells and columns) and all(values.whole(cells[c]) in (0, 1) for c in columns)


def read(path: str, root: str, split: str, labels: Sequence[str] | None) -> Source:
    """The source of a table whose classes are its columns, in their order or in `labels`' order.

    An image without any class is one without labels. Raises DataError for a cell that is neither
    0 nor 1, a column that `labels` lacks and a split that is not there."""
    header = next(tables.rows(path))[1]
    columns = _classes(header)
    names = [header[column] for column in columns]
    classes = ClassList.of(labels, names, path)
    ids = [classes.find(name, f"{path}: column")[0] for name in names]
    items = _items(path, Images(root), split, dict(zip(columns, ids, strict=True)))
    left = {root: f"in no row of {os.path.basename(path)}"}
    return Source(classes.names, ("labels",), items, folders=left)


def _classes(header: Sequence[str]) -> list[int]:
    taken = {tables.column(header, names) for names in (PATH, SPLIT)}
    return [i for i, name in enumerate(header) if name and i not in taken]


def _items(
    path: str, files: Images, split: str, ids: dict[int, int]
) -> Iterator[schema.Sample | schema.Finding]:
    rows = tables.rows(path)
    _, header = next(rows)
    name_at, split_at = (tables.column(header, names) for names in (PATH, SPLIT))
    seen = set()
    for line, cells in rows:
        if split and split_at is not None and not drawn.is_split(cells[split_at], split):
            continue
        what = f"line {line}"
        if not cells[name_at]:
            yield schema.Finding("skipped", "no path", os.path.basename(path), what)
            continue
        sample = yield from files.sample(cells[name_at], what, seen)
        if sample is None:
            continue
        chosen = []
        for column, class_id in ids.items():
            on = values.whole(cells[column] or 0)
            if on not in (0, 1):
                raise errors.DataError(
                    f"{path}, line {line}: column '{header[column]}' has '{cells[column]}';"
                    " write 0 or 1"
                )
            if on:
                chosen.append(class_id)
        sample.labels = sorted(chosen)
        yield sample
    if split and split_at is not None and not seen:
        raise errors.DataError(f"{path}: no row of split '{split}' names an image that is there")
