"""Predictions of many images as files, written as they come: whoever stops in the middle has all
that was done, and memory does not grow with the number of images.

Formats: json (one list), jsonl (a line an image), csv (a line a prediction), coco (COCO's results
list), yolo (a text file an image).
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvision import atomic, errors, kinds

Row = dict[str, Any]  # an image's result: file, size [H, W], and `client.plain`'s or an error


class _Growing:
    """A file that is whole after every `append`; one that the disk refuses leaves it as it was.

    It takes the place of an older one with the first `append`. head, tail: what begins and ends
    it, around all that is appended."""

    def __init__(self, path: str, head: str = "", tail: str = ""):
        self.path, self._head, self._tail, self._end = path, head.encode(), tail.encode(), 0
        self._aside: str | None = atomic.hidden(path)
        self._file = open(self._aside, "wb", buffering=0)  # noqa: SIM115, closed by close()

    def append(self, text: str) -> None:
        """Writes `text` before the tail. Raises DataError where the disk refuses."""
        data = text.encode("utf-8", "backslashreplace")
        if self._aside:
            data = self._head + data
        try:
            with atomic.reported(self.path):
                self._put(data + self._tail)
                if self._aside:
                    os.replace(self._aside, self.path)
                    self._aside = None
        except BaseException:  # Ctrl-C too
            with contextlib.suppress(OSError):
                self._file.truncate(self._end)
                self._put(self._tail)
            raise
        self._end += len(data)

    def _put(self, data: bytes) -> None:
        """Writes over the tail, in one call where the system takes all: a kill finds it whole."""
        self._file.seek(self._end)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Ends the file; where nothing was appended, an older one stays."""
        self._file.close()
        if self._aside:
            with contextlib.suppress(OSError):
                os.remove(self._aside)


class _List(_Growing):
    """A json file that contains a list."""

    def __init__(self, path: str):
        super().__init__(path, "[\n", "\n]\n")
        self._first = True

    def add(self, items: Sequence[Any]) -> None:
        text = ",\n".join(json.dumps(item) for item in items)
        self.append(text if self._first or not items else ",\n" + text)
        self._first = self._first and not items


class Json(_List):
    """predictions.json: a list of rows."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        super().__init__(os.path.join(folder, "predictions.json"))


class Jsonl(_Growing):
    """predictions.jsonl: a row a line."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        super().__init__(os.path.join(folder, "predictions.jsonl"))

    def add(self, rows: Sequence[Row]) -> None:
        """Writes the rows of a batch."""
        self.append("".join(json.dumps(row) + "\n" for row in rows))


class Csv(_Growing):
    """predictions.csv: file, class, class_id, score, and of boxes x1, y1, x2, y2 in pixels.

    A segmenter's score is the class's share of the pixels."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        head = "file,class,class_id,score,x1,y1,x2,y2\r\n"
        super().__init__(os.path.join(folder, "predictions.csv"), head)
        self._names = class_names

    def add(self, rows: Sequence[Row]) -> None:
        """Writes the predictions of a batch; an image that could not be read has none."""
        text = io.StringIO(newline="")
        lines = ((row["file"], *values) for row in rows for values in self._values(row))
        csv.writer(text).writerows(lines)
        self.append(text.getvalue())

    def _values(self, row: Row) -> list[tuple]:
        if "shares" in row:
            ids = {name: i for i, name in enumerate(self._names)}
            return [(name, ids.get(name, ""), share) for name, share in row["shares"].items()]
        if kinds.BOXES in kinds.of(row):
            columns = (row["class_names"], row["class_ids"], row["scores"], row["boxes"])
            return [
                (name, number, score, x1, y1, x2, y2)
                for name, number, score, (y1, x1, y2, x2) in zip(*columns, strict=True)
            ]
        columns = (row.get(name, ()) for name in ("class_names", "class_ids", "top_scores"))
        return list(zip(*columns, strict=True))


class Coco(_List):
    """predictions.json as COCO's results: a detection an element, `image_id` counted from 1.

    Beside COCO's fields each has its `file_name`; masks are run lengths. `category_id` is the
    data set's own, or 1..K where it had none."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        super().__init__(os.path.join(folder, "predictions.json"))
        self._category_ids, self._images = category_ids, 0

    def add(self, rows: Sequence[Row]) -> None:
        """Writes the detections of a batch."""
        entries = []
        for row in rows:
            self._images += 1
            for i, box in enumerate(row.get("boxes", ())):
                y1, x1, y2, x2 = box
                entry = {
                    "image_id": self._images,
                    "file_name": row["file"],
                    "category_id": self._category_ids[row["class_ids"][i]],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": row["scores"][i],
                }
                if kinds.MASKS in kinds.of(row):
                    entry["segmentation"] = row["masks"][i]
                entries.append(entry)
        super().add(entries)


class Yolo:
    """labels/<name>.txt: class, center, width and height as shares of the image, and the score."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        self.path = os.path.join(folder, "labels")
        self._used: set[str] = set()
        names = "".join(f"{name}\n" for name in class_names)
        atomic.write_text(os.path.join(folder, "classes.txt"), names, durable=False)

    def add(self, rows: Sequence[Row]) -> None:
        """Writes the text files of a batch; an image that could not be read has none."""
        for row in rows:
            if "error" in row:
                continue
            stem = os.path.splitext(os.path.basename(row["file"]))[0]
            name, count = stem, 1
            while name in self._used:  # images of one name in two folders
                name, count = f"{stem}-{count}", count + 1
            self._used.add(name)
            lines = self._lines(row)
            atomic.write_text(os.path.join(self.path, f"{name}.txt"), lines, durable=False)

    @staticmethod
    def _lines(row: Row) -> str:
        height, width = row["size"]
        lines = []
        for number, box, score in zip(row["class_ids"], row["boxes"], row["scores"], strict=True):
            y1, x1, y2, x2 = np.array(box) / [height, width, height, width]
            numbers = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, score)
            lines.append(" ".join([str(number), *(f"{n:.6f}" for n in numbers)]) + "\n")
        return "".join(lines)

    def close(self) -> None:
        """Nothing is open."""


FORMATS = {"json": Json, "jsonl": Jsonl, "csv": Csv, "coco": Coco, "yolo": Yolo}
_OF_BOXES = ("coco", "yolo")


def opened(
    kind: str, folder: str, class_names: Sequence[str], card: Mapping[str, Any], boxes: bool
) -> Any:
    """The writer of a format into `folder`, which is made. boxes: the model is a detector.

    Raises UsageError for a format that the model's predictions do not have, and DataError where
    the folder cannot be written."""
    writer = errors.choose(FORMATS, kind, "format of predictions")
    if kind in _OF_BOXES and not boxes:
        raise errors.UsageError(
            f"--format={kind} is of boxes, which this model does not predict; choose json, jsonl"
            " or csv"
        )
    category_ids = card.get("category_ids") or range(1, (len(class_names) or 1 << 16) + 1)
    with atomic.reported(folder):
        os.makedirs(folder, exist_ok=True)
        return writer(folder, class_names, category_ids)
