"""Predictions of many images as files, written as they come: whoever stops in the middle has all
that was done, and memory does not grow with the number of images.

Formats: json (one list), jsonl (a line an image), csv (a line a prediction), coco (COCO's results
list), yolo (a text file an image).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from tfvision import errors

Row = dict[str, Any]  # an image's result: file, size [H, W], and `client.plain`'s or an error


class _List:
    """A json file that holds a list and is whole after every `add`."""

    def __init__(self, path: str):
        self.path = path
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115, closed by close()
        self._file.write("[\n]\n")
        self._end, self._first = 2, True

    def add(self, items: Sequence[Any]) -> None:
        if not items:
            return
        text = ",\n".join(json.dumps(item) for item in items)
        self._file.seek(self._end)
        self._file.write(text if self._first else ",\n" + text)
        self._end, self._first = self._file.tell(), False
        self._file.write("\n]\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Json(_List):
    """predictions.json: a list of rows."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        super().__init__(os.path.join(folder, "predictions.json"))


class Jsonl:
    """predictions.jsonl: a row a line."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        self.path = os.path.join(folder, "predictions.jsonl")
        self._file = open(self.path, "w", encoding="utf-8")  # noqa: SIM115, closed by close()

    def add(self, rows: Sequence[Row]) -> None:
        """Writes the rows of a batch."""
        self._file.writelines(json.dumps(row) + "\n" for row in rows)
        self._file.flush()

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


class Csv:
    """predictions.csv: file, class, class_id, score, and of boxes x1, y1, x2, y2 in pixels.

    A segmenter's score is the class's share of the pixels."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        self.path = os.path.join(folder, "predictions.csv")
        self._names = class_names
        self._file: TextIO = open(  # noqa: SIM115, closed by close()
            self.path, "w", encoding="utf-8", errors="backslashreplace", newline=""
        )
        self._writer = csv.writer(self._file)
        self._writer.writerow(("file", "class", "class_id", "score", "x1", "y1", "x2", "y2"))

    def add(self, rows: Sequence[Row]) -> None:
        """Writes the predictions of a batch; an image that could not be read has none."""
        for row in rows:
            for values in self._values(row):
                self._writer.writerow((row["file"], *values))
        self._file.flush()

    def _values(self, row: Row) -> list[tuple]:
        if "shares" in row:
            ids = {name: i for i, name in enumerate(self._names)}
            return [(name, ids.get(name, ""), share) for name, share in row["shares"].items()]
        if "boxes" in row:
            columns = (row["class_names"], row["class_ids"], row["scores"], row["boxes"])
            return [
                (name, number, score, x1, y1, x2, y2)
                for name, number, score, (y1, x1, y2, x2) in zip(*columns, strict=True)
            ]
        columns = (row.get(name, ()) for name in ("class_names", "class_ids", "top_scores"))
        return list(zip(*columns, strict=True))

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


class Coco(_List):
    """predictions.json as COCO's results: a detection an element, `image_id` counted from 1.

    Beside COCO's fields each has its `file_name`; masks are run lengths."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        super().__init__(os.path.join(folder, "predictions.json"))
        self._category_ids, self._images = category_ids, 0

    def add(self, rows: Sequence[Row]) -> None:
        """Writes the detections of a batch."""
        found = []
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
                if "masks" in row:
                    entry["segmentation"] = row["masks"][i]
                found.append(entry)
        super().add(found)


class Yolo:
    """labels/<name>.txt: class, centre, width and height as shares of the image, and the score."""

    def __init__(self, folder: str, class_names: Sequence[str], category_ids: Sequence[int]):
        self.path = os.path.join(folder, "labels")
        os.makedirs(self.path, exist_ok=True)
        self._used: set[str] = set()
        with open(os.path.join(folder, "classes.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in class_names)

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
            height, width = row["size"]
            with open(os.path.join(self.path, f"{name}.txt"), "w", encoding="utf-8") as file:
                columns = (row["class_ids"], row["boxes"], row["scores"])
                for number, box, score in zip(*columns, strict=True):
                    y1, x1, y2, x2 = np.array(box) / [height, width, height, width]
                    numbers = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, score)
                    file.write(" ".join([str(number), *(f"{n:.6f}" for n in numbers)]) + "\n")

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
    category_ids = card.get("category_ids") or range(len(class_names) or 1 << 16)
    try:
        os.makedirs(folder, exist_ok=True)
        return writer(folder, class_names, category_ids)
    except OSError as error:
        raise errors.DataError(f"{folder} cannot be written: {error.strerror or error}") from error
