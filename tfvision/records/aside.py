"""A hidden folder inside the output: written there first, renamed when all is complete.

A file inside says whose it is; folders of that name without it are somebody else's and stay.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from tfvision import atomic, errors, locks

_PREFIX = ".tmp-"
_KEPT = ".tmp-unfinished"
_MARK = ".tfvision"
JOURNAL = "commit.json"  # of what is left to be put in place


@contextlib.contextmanager
def folder(output: str, *, keep: bool = False) -> Iterator[str]:
    """Yields a folder inside `output`, which is made if it is not there.

    It is removed at the end, done or failed, and so is an `output` made here if it fails.
    Leftovers of a killed run are removed first; with `keep`, what such a run (or one that was
    interrupted) left in this folder is there again. Raises DataError if `output` is a file,
    cannot be written, or is being written by another process."""
    made = []
    try:
        made = atomic.folders(output)
        with locks.held(output, _taken(output)):
            aside = os.path.join(output, _KEPT if keep else f"{_PREFIX}{os.getpid()}")
            _remove_leftovers(output, aside if keep else "")
            _check_free(aside)
            try:
                _make(aside)
                yield aside
            except KeyboardInterrupt:
                if not keep:
                    _remove(aside)
                raise
            except BaseException:
                if not is_stopped(output):
                    _remove(aside)
                raise
            _remove(aside)
    except OSError as error:
        atomic.remove_empty(made)
        reason = error.strerror or str(error)
        name = error.filename
        if name is not None and not _is_below(os.fspath(name), output):
            raise errors.DataError(f"{os.fsdecode(name)} cannot be read: {reason}") from error
        raise errors.DataError(f"{output} cannot be written: {reason}") from error
    except BaseException:
        atomic.remove_empty(made)
        raise


def _is_below(path: str | bytes, folder: str) -> bool:
    folder = os.path.abspath(folder)
    path = os.path.abspath(os.fsdecode(path))
    return path == folder or path.startswith(os.path.join(folder, ""))


def _taken(output: str) -> errors.DataError:
    return errors.DataError(
        f"another conversion is writing into {output}; wait for it or choose another output"
    )


def is_stopped(output: str) -> bool:
    """Whether a conversion into this folder was stopped while it was put in place."""
    return os.path.isfile(os.path.join(output, _KEPT, JOURNAL))


def is_unfinished(output: str) -> bool:
    """Whether a run of ours that kept its work was killed in this folder."""
    return os.path.isfile(os.path.join(output, _KEPT, _MARK))


def _check_free(path: str) -> None:
    """Raises DataError where `path` is somebody else's; an empty folder may be a killed run's."""
    marked = os.path.isfile(os.path.join(path, _MARK))
    if os.path.lexists(path) and not marked and not (os.path.isdir(path) and not os.listdir(path)):
        raise errors.DataError(f"{path} is there and not of tfvision; rename it, or choose another")


def _make(path: str) -> None:
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, _MARK), "w", encoding="utf-8") as file:
        file.write("written by tfvision; may be removed\n")


def _remove_leftovers(output: str, kept: str) -> None:
    for name in os.listdir(output):
        path = os.path.join(output, name)
        ours = name.startswith(_PREFIX) and os.path.isfile(os.path.join(path, _MARK))
        if ours and path != kept:
            _remove(path)


def _remove(path: str) -> None:
    """Removes such a folder, the mark last: it tells whose it is until then."""
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            entry = os.path.join(path, name)
            if os.path.isdir(entry):
                shutil.rmtree(entry, ignore_errors=True)
            elif name != _MARK:
                os.remove(entry)
    shutil.rmtree(path, ignore_errors=True)
