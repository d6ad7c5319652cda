"""A generated folder: written aside, renamed when complete, never over anything else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

from tfvision import errors

MARKER = "synthetic.json"


@contextlib.contextmanager
def folder(output: str, made_by: dict[str, Any]) -> Iterator[str]:
    """Yields an empty folder that becomes `output` at the end, and is removed on an error.

    made_by: what to note in MARKER. An `output` that contains the marker is replaced. Raises
    DataError for one that contains anything else."""
    output = os.path.abspath(output)
    _check(output)
    parent, name = os.path.split(output)
    aside = os.path.join(parent, f".{name}.tmp-{os.getpid()}")
    try:
        os.makedirs(parent, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        os.mkdir(aside)
        yield aside
        with open(os.path.join(aside, MARKER), "w", encoding="utf-8") as file:
            json.dump(made_by, file, indent=1)
        if os.path.isdir(output):
            old = aside + "-old"
            os.rename(output, old)
            os.rename(aside, output)
            shutil.rmtree(old)
        else:
            os.rename(aside, output)
    except OSError as error:
        raise errors.DataError(f"{output} cannot be written: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check(output: str) -> None:
    if not os.path.lexists(output):
        return
    if not os.path.isdir(output):
        raise errors.DataError(f"{output} is not a directory; choose another output")
    entries = os.listdir(output)
    if entries and MARKER not in entries:
        raise errors.DataError(
            f"{output} contains files that were not generated ({entries[0]}, ...);"
            " choose an empty or new folder"
        )
