"""`write`: a trained run as one HTML page with everything on it.

The run is evaluated again, so that the page shows the weights at hand; curves come from the
run's log, pictures from the records (only the few that are shown are read).
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from typing import Any

from tfvision import atomic, json_files
from tfvision.metrics.examples import Example
from tfvision.ops import draw
from tfvision.records import dataset, read
from tfvision.training import logs, report_html, report_plots, workdirs

EXAMPLES = 12  # mistakes, and as many of the best
CELL = 240  # longest side of an example's picture, pixels
_JPEG = 85


def write(trainer, path: str, *, step: int, split: str) -> dict[str, float]:
    """Evaluates `split` with a restored Trainer and writes the page; returns the metrics.

    step: of the restored weights."""
    examples = trainer.task.examples(EXAMPLES)
    kept = trainer.evaluator.metrics
    trainer.evaluator.metrics = [*kept, examples]
    try:
        results = trainer.evaluate(split)
    finally:
        trainer.evaluator.metrics = kept
    report = {
        **workdirs.evaluation_json(step, split, results, trainer.evaluator),
        "workdir": trainer.workdir,
        "config": trainer.config.to_dict(),
        "versions": _json(os.path.join(trainer.workdir, "versions.json")),
        "log": read_log(trainer.workdir),
        "data": {name: part.records for name, part in trainer.data.splits.items()},
        "weights": trainer.net.train.count_params(),
        "precision": trainer.precision,
    }
    shown = {"mistakes": examples.mistakes(), "best": examples.best()}
    names = trainer.config.data.class_names
    pictures = thumbnails(trainer.data, split, [*shown["mistakes"], *shown["best"]], names)
    page = report_html.page(report, report_plots.plots(report), shown, pictures)
    atomic.write_text(path, page)
    return results


def _json(path: str) -> dict[str, Any]:
    if not os.path.exists(path):
        return {}
    return json_files.read(path, {}, "it may be removed: the report goes without it")


def read_log(workdir: str) -> dict[str, list[dict[str, Any]]]:
    """The entries of a run's log by kind; a half-written last line is left out."""
    entries: dict[str, list] = {"train": [], "val": []}
    path = os.path.join(workdir, logs.FILE)
    if not os.path.exists(path):
        return entries
    for _, entry in logs.entries(path):
        entries.setdefault(entry.pop("kind"), []).append(entry)
    return entries


def thumbnails(
    data: dataset.Dataset, split: str, examples: Sequence[Example], class_names: Sequence[str] = ()
) -> dict[int, str]:
    """{index: data URI of a small JPEG} of the examples' images, read from the shards.

    What an example predicts is drawn on it."""
    by_index = {example.index: example for example in examples}
    indices = sorted(by_index)
    thumbs, start = {}, 0
    for shard, path in zip(data.split(split).shards, data.files(split), strict=True):
        here = [index - start for index in indices if start <= index < start + shard.records]
        if here:
            for place, record in enumerate(read.records(path)):
                if place in here:
                    index = start + place
                    thumbs[index] = _thumbnail(record, by_index[index], class_names)
                if place == here[-1]:
                    break
        start += shard.records
    return thumbs


def _thumbnail(record: bytes, example: Example, class_names: Sequence[str]) -> str:
    picture = read.picture(read.features(record))
    if example.prediction is not None:
        picture = draw.prediction(picture, example.prediction, class_names, explained=False)
    stream = io.BytesIO()
    draw.resized(picture, draw.scale_of(picture.size, CELL)).save(stream, "JPEG", quality=_JPEG)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
