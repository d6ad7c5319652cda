"""tfvision predict: predictions for image files and folders, as files and as pictures.

tfvision predict --model=BASE --output=DIR IMAGE... writes DIR/predictions.json as it goes, a drawn
PNG of each of the first --pictures images (of a segmenter also each image's class map, a PNG of
class ids) and sheet.png. IMAGE: a file, a folder, or a pattern in quotes. --model also takes a
run's folder, which is exported first. A detector's lists hold every detection, whatever its score;
masks are COCO's run lengths at the image's size. An image that cannot be read is listed with its
error; the others are done all the same, and the exit code is 1.
"""

from __future__ import annotations

import collections
import concurrent.futures
import io
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from absl import app, flags

from tfvision import command_line, errors, kinds, paths
from tfvision.tools import runs

_MODEL = flags.DEFINE_string("model", None, "BASE (its highest version), BASE/N, or a run.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the predictions and the pictures.")
_FORMAT = flags.DEFINE_string("format", "json", "json, jsonl, csv, coco or yolo.")
_PICTURES = flags.DEFINE_integer("pictures", 200, "Images at most that are drawn.", 0)
_SHEET = flags.DEFINE_integer("sheet", 24, "Pictures on sheet.png at most; 0: no sheet.", 0)
_THRESHOLD = flags.DEFINE_float(
    "threshold", 0.5, "Boxes of higher scores are drawn and counted.", 0.0, 1.0
)

_BATCH = 16
_STEM = 50  # letters of an image's name in its picture's: a file's name has 255 bytes


def main(argv: Sequence[str]) -> None:
    """Predicts. Raises UsageError, and DataError where an image could not be read."""
    command_line.needed(_MODEL, _OUTPUT)
    files = iter(runs.image_files(argv[1:]))
    first = next(files, None)
    if first is None:
        raise errors.UsageError("no images; name files or folders of images after the flags")
    paths.check_folder(_OUTPUT.value, "--output")
    from tfvision import serving
    from tfvision.serving import results

    model = serving.load(runs.exported(_MODEL.value))
    boxes = kinds.BOXES in kinds.of(model.outputs)
    writer = results.opened(_FORMAT.value, _OUTPUT.value, model.class_names, model.card, boxes)
    work = _Work(model)
    try:
        for batch in _ahead(itertools.chain([first], files)):
            writer.add(work.rows(batch))
    finally:  # Ctrl-C too: what is done is kept
        writer.close()
        work.finish()
        print(f"{work.done:,} images -> {writer.path}")
    if work.failed:
        more = " (the others are done)" if work.done else ""
        raise errors.DataError(
            f"{work.failed} of {work.failed + work.done} images could not be read:"
            f" {work.first_error}{more}"
        )


def _ahead(files: Iterable[str]) -> Iterator[list[tuple[str, Any]]]:
    """Batches of (file, its bytes or the DataError), read while the model works."""
    from tfvision.serving import client

    def ready(file: str) -> Any:
        try:
            return client.ready(file)
        except errors.DataError as error:
            return error

    files = iter(files)
    waiting: collections.deque = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        while True:
            for file in itertools.islice(files, 2 * _BATCH - len(waiting)):
                waiting.append((file, pool.submit(ready, file)))
            if not waiting:
                return
            batch = [waiting.popleft() for _ in range(min(_BATCH, len(waiting)))]
            yield [(file, future.result()) for file, future in batch]


class _Work:
    """Predicts batch by batch, draws, prints, and counts."""

    def __init__(self, model: Any):
        self._model = model
        self._several = model.card.get("config", {}).get("head") == "sigmoid"
        self._seen, self._shown = 0, []
        self.done = self.failed = self._bare = 0
        self._best = 0.0
        self.first_error = ""

    def rows(self, batch: list[tuple[str, Any]]) -> list[dict]:
        """The results of a batch, printed and drawn."""
        good = [data for _, data in batch if not isinstance(data, errors.DataError)]
        start = time.perf_counter()
        predictions = iter(self._model.predict(good) if good else ())
        each = 1000 * (time.perf_counter() - start) / max(len(good), 1)
        rows = []
        for file, data in batch:
            row: dict = {"file": file}
            if isinstance(data, errors.DataError):
                row["error"] = str(data)
                self.failed += 1
                self.first_error = self.first_error or str(data)
                print(data if str(data).startswith(file) else f"{file}: {data}")
            else:
                prediction = next(predictions)
                row |= self._one(file, data, prediction)
                self.done += 1
                print(f"{file}: {self._said(row, prediction)}, {each:.0f} ms")
            self._seen += 1
            rows.append(row)
        return rows

    def _one(self, file: str, data: Any, prediction: dict) -> dict:
        from tfvision.ops import draw, header
        from tfvision.serving import client, pictures

        stem = os.path.splitext(os.path.basename(file))[0][:_STEM]
        name = f"{self._seen:05d}-{stem}.png"
        row: dict = {"size": list(header.sizes(io.BytesIO(data))[1])}
        if self._seen < _PICTURES.value:
            image = pictures.open_upright(data, file)
            drawn = pictures.draw_prediction(
                image,
                prediction,
                self._model.class_names,
                several=self._several,
                threshold=_THRESHOLD.value,
            )
            draw.save(drawn, os.path.join(_OUTPUT.value, name))
            row["picture"] = name
            if len(self._shown) < _SHEET.value:
                self._shown.append(drawn)
        if kinds.MAPS in kinds.of(prediction):
            return row | _maps(name, prediction, self._model.class_names)
        return row | client.plain(prediction)

    def _said(self, row: dict, prediction: dict) -> str:
        """What the line of an image says of it."""
        if "shares" in row:
            name, fraction = max(row["shares"].items(), key=lambda pair: pair[1])
            return f"mostly {name} ({fraction:.0%})"
        names, scores = row["class_names"], row["scores"]
        if "boxes" not in row:
            return f"{names[0]} {row['top_scores'][0]:.2f}"
        count = sum(score > _THRESHOLD.value for score in scores)
        best = max(scores, default=0.0)
        self._bare += not count
        self._best = max(self._best, best)
        shown = f" ({names[scores.index(best)]} {best:.2f})" if scores else ""
        word = "box" if count == 1 else "boxes"
        return f"{count or 'no'} {word} above {_THRESHOLD.value:g}{shown}"

    def finish(self) -> None:
        """The sheet, and what to try where most images have no box."""
        from tfvision.ops import draw

        if self._shown:
            draw.save(draw.sheet(self._shown), os.path.join(_OUTPUT.value, "sheet.png"))
        if 2 * self._bare > self.done:
            text = f"{self._bare} of {self.done} images have no box above {_THRESHOLD.value:g}"
            if self._best > 0:
                lower = max(round(self._best / 4, 2), 0.01)
                text += f"; the best is {self._best:.2f}; try --threshold={lower:g}"
            print(text)


def _maps(name: str, prediction: dict, class_names: Sequence[str]) -> dict:
    """Writes the class map beside the picture `name`, as an 8-bit PNG of class ids.

    Returns its name, and the share of the image's pixels of each class that it has."""
    import numpy as np
    from PIL import Image

    from tfvision.ops import draw

    file = f"{os.path.splitext(name)[0]}.classes.png"
    picture = Image.fromarray(prediction["class_map"])
    draw.save(picture, os.path.join(_OUTPUT.value, file))
    ids, counts = np.unique(prediction["class_map"], return_counts=True)
    fractions = (counts / counts.sum()).round(6).tolist()
    return {
        "class_map": file,
        "shares": {class_names[i]: s for i, s in zip(ids, fractions, strict=True)},
    }


if __name__ == "__main__":
    app.run(main)
