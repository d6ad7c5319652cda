"""What a run writes as it goes: a JSONL log, TensorBoard summaries and a progress bar."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
import tqdm

from tfvision import atomic, errors, json_files
from tfvision.json_files import COUNT, Maybe

FILE = "log.jsonl"
_ENTRY = {"kind": str, "step": COUNT, str: Maybe(float)}


class Logs:
    """The log of one run folder; entries after `step` are dropped when a run goes on from there.

    evaluates: `step` is evaluated again, so the entry of its evaluation goes too."""

    def __init__(self, workdir: str, *, step: int, total: int, evaluates: bool = False):
        self._file = os.path.join(workdir, FILE)
        self._truncate(step, evaluates)
        self._summaries = os.path.join(workdir, "tensorboard")
        self._writers: dict[str, Any] = {}  # made when they are needed: the folder is not there yet
        interactive = sys.stderr.isatty()
        self._bar = tqdm.tqdm(
            total=total, initial=step, unit="step", disable=not interactive, dynamic_ncols=True
        )
        self._interactive, self._total, self._printed = interactive, total, 0.0

    def _truncate(self, step: int, evaluates: bool) -> None:
        """Keeps the entries up to `step`; a half-written last line goes too."""
        if not os.path.exists(self._file):
            return
        kept = []
        for line, entry in entries(self._file):
            again = evaluates and entry["step"] == step and entry["kind"] == "val"
            if entry["step"] <= step and not again:
                kept.append(line)
        atomic.write_text(self._file, "".join(kept))

    def write(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Adds one entry of `kind` ("train" or "val")."""
        entry: dict[str, Any] = {"kind": kind, "step": step, "time": round(time.time(), 3)}
        # JSON has no NaN: a value without meaning (a metric of nothing) is null.
        entry |= {k: float(v) if math.isfinite(v) else None for k, v in values.items()}
        with atomic.reported(self._file):
            with open(self._file, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            self._summarise(kind, step, values)

    def _summarise(self, kind: str, step: int, values: dict[str, float]) -> None:
        """To TensorBoard's files."""
        if kind not in self._writers:
            folder = os.fsencode(os.path.join(self._summaries, kind))
            self._writers[kind] = tf.summary.create_file_writer(folder)
        with self._writers[kind].as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def progress(self, step: int, values: dict[str, float]) -> None:
        """Moves the bar, or prints a line every ten seconds where there is no terminal."""
        if self._interactive:
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix({k: f"{v:.4g}" for k, v in values.items()})
        elif time.monotonic() - self._printed > 10 or step >= self._total:
            self._printed = time.monotonic()
            rate = values.get("steps/s", 0.0)
            left = f", {_duration((self._total - step) / rate)} left" if rate else ""
            shown = ", ".join(f"{k} {v:.4g}" for k, v in values.items() if k != "steps/s")
            self.say(f"step {step}/{self._total}: {shown}{left}")

    def say(self, text: str) -> None:
        """Prints above the bar."""
        tqdm.tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        """Ends the bar and the summary files."""
        self._bar.close()
        for writer in self._writers.values():
            writer.close()


class Silent(Logs):
    """The logs of a worker that is not the chief: nothing is written or shown."""

    def __init__(self):
        pass

    def write(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def progress(self, step: int, values: dict[str, float]) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def entries(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(line, entry) of a log. A last line that was cut is left out.

    Raises DataError that names the line for another one that is not an entry."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError as error:
        raise errors.DataError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        try:
            place = f"{path}, line {number}"
            yield line, json_files.parse(line, _ENTRY, place, "remove the line, or the file")
        except errors.DataError:
            if number < len(lines) or line.endswith("\n"):
                raise


def history(workdir: str) -> dict[str, dict[str, list]]:
    """A run's log as columns: {"train": {"step": [...], "loss": [...] ...}, "val": {...}}.

    A value that an entry lacks is None. Raises DataError where there is no log."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for _, row in entries(os.path.join(workdir, "log.jsonl")):
        kinds.setdefault(row["kind"], []).append(row)
    return {
        kind: {
            name: [row.get(name) for row in rows]
            for name in dict.fromkeys(key for row in rows for key in row)
            if name != "kind"
        }
        for kind, rows in kinds.items()
    }


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
