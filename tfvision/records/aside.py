"""A hidden folder inside the output: written there first, renamed when all is complete.

A file inside says whose it is; folders of that name without it are somebody else's and stay.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from tfvision import errors

_PREFIX = ".tmp-"
_KEPT = ".tmp-unfinished"
_MARK = ".tfvision"

try:
    import fcntl
except ImportError:  # Windows: two conversions into one folder are then the user's own care
    fcntl = None


@contextlib.contextmanager
def folder(output: str, *, keep: bool = False) -> Iterator[str]:
    """Yields a folder inside `output`, which is made if it is not there.

    It is removed at the end, done or failed, and so is an `output` made here if it fails.
    Leftovers of a killed run are removed first; with `keep`, what such a run (or one that was
    interrupted) left in this folder is there again. Raises DataError if `output` is a file,
    cannot be written, or is being written by another process."""
    missing = _missing(output)
    try:
        os.makedirs(output, exist_ok=True)
        with _lock(output):
            aside = os.path.join(output, _KEPT if keep else f"{_PREFIX}{os.getpid()}")
            _remove_leftovers(output, aside if keep else "")
            _make(aside)
            try:
                yield aside
            except KeyboardInterrupt:
                if not keep:
                    shutil.rmtree(aside, ignore_errors=True)
                raise
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        _remove_empty(missing)
        reason = error.strerror or str(error)
        name = error.filename
        if name is not None and not _is_below(os.fspath(name), output):
            raise errors.DataError(f"{os.fsdecode(name)} cannot be read: {reason}") from error
        raise errors.DataError(f"{output} cannot be written: {reason}") from error
    except BaseException:
        _remove_empty(missing)
        raise


def _is_below(path: str | bytes, folder: str) -> bool:
    folder = os.path.abspath(folder)
    path = os.path.abspath(os.fsdecode(path))
    return path == folder or path.startswith(os.path.join(folder, ""))


def _missing(path: str) -> list[str]:
    """The folders on the way to `path` that do not exist, innermost first."""
    path, found = os.path.abspath(path), []
    while not os.path.lexists(path):
        found.append(path)
        path = os.path.dirname(path)
    return found


def _remove_empty(folders: list[str]) -> None:
    with contextlib.suppress(OSError):
        for path in folders:
            os.rmdir(path)


def is_unfinished(output: str) -> bool:
    """Whether a run of ours that kept its work was killed in this folder."""
    return os.path.isfile(os.path.join(output, _KEPT, _MARK))


def _make(path: str) -> None:
    mark = os.path.join(path, _MARK)
    if os.path.lexists(path) and not os.path.isfile(mark):
        raise errors.DataError(f"{path} is there and not of tfvision; rename it, or choose another")
    os.makedirs(path, exist_ok=True)
    with open(mark, "w", encoding="utf-8") as file:
        file.write("written by tfvision; may be removed\n")


def _remove_leftovers(output: str, kept: str) -> None:
    for name in os.listdir(output):
        path = os.path.join(output, name)
        ours = name.startswith(_PREFIX) and os.path.isfile(os.path.join(path, _MARK))
        if ours and path != kept:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _lock(path: str) -> Iterator[None]:
    """Holds the folder for this process; the lock goes with the process, killed or not."""
    if fcntl is None:
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise errors.DataError(
                f"another conversion is writing into {path}; wait for it or choose another output"
            ) from error
        yield
    finally:
        os.close(handle)
