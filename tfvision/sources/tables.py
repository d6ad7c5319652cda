"""Tables as text, separated by comma, semicolon or tab, row by row."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence

from tfvision import errors
from tfvision.sources import texts

_DELIMITERS = ",;\t"


def rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every row that is not blank; the first one always, as the header.

    Separated by whichever the first line uses; blanks around a cell are not part of it, missing
    cells are "". Raises DataError where the table is malformed, a row longer than the first."""
    try:
        with texts.opened(path, "annotation file", newline="") as file:
            first = file.readline()
            delimiter = max(_DELIMITERS, key=first.count)
            reader = csv.reader(itertools.chain([first], file), delimiter=delimiter, strict=True)
            header = next(reader, [])
            yield reader.line_num, [cell.strip() for cell in header]
            for row in reader:
                if any(row[len(header) :]):
                    raise errors.DataError(
                        f"{path}, line {reader.line_num}: {len(row)} values for {len(header)}"
                        f' columns; put double quotes around a value that contains "{delimiter}"'
                    )
                cells = [cell.strip() for cell in row[: len(header)]]
                if any(cells):
                    yield reader.line_num, cells + [""] * (len(header) - len(cells))
    except csv.Error as error:
        raise errors.DataError(f"{path}, line {reader.line_num}: {error}") from error


def column(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Where the first of some names is that a header has, case aside; None for none."""
    folded = [cell.casefold() for cell in header]
    return next((folded.index(name) for name in names if name in folded), None)
