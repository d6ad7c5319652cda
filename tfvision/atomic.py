"""Files that are whole or not there: written aside, synced, renamed. No TensorFlow here.

The hidden name depends on the file's own, so what a killed process has left is written over by the
next one. What the disk refuses is a DataError of one line, and nothing is left of the attempt.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator

from tfvision import errors

_PREFIX, _SUFFIX = ".tfvision-", ".aside"
# TensorFlow says "...; No space left on device [Op:SaveV2]"; more lines may follow.
_OF_THE_SYSTEM = re.compile(r"; ([A-Z][^;\[\]\n]+?)\s*(?:\[Op:\w+\].*)?$", re.M)


def is_aside(name: str) -> bool:
    """Whether a file of this name is one that was not finished."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def hidden(path: str) -> str:
    """Where the file `path` is written until it is whole: beside it, by a name of its own."""
    folder, name = os.path.split(path)
    digest = hashlib.blake2b(os.fsencode(name), digest_size=6).hexdigest()
    return os.path.join(folder, f"{_PREFIX}{digest}{_SUFFIX}")


@contextlib.contextmanager
def file(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[str]:
    """Yields a hidden path in the folder of `path`, which is made if it is not there.

    What is written there becomes `path` at the end. durable: it is synced before; of many files
    that can be made again this takes too long. Where `path` is a link, the file that it names is
    written; what is not a file (/dev/stdout) is written into. Raises DataError where the disk
    refuses."""
    path, real = os.fspath(path), os.path.realpath(path)
    if os.path.exists(real) and not os.path.isfile(real) and not os.path.isdir(real):
        with reported(path):
            yield real
        return
    folder, aside = os.path.dirname(real), hidden(real)
    made = []
    try:
        with reported(path):
            made = folders(folder)
            yield aside
            if durable:
                sync(aside)
            os.replace(aside, real)
            if durable:
                sync(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(aside)
        remove_empty(made)
        raise


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = True) -> None:
    """Writes a text file, UTF-8; bytes of a name that are none come out as escapes."""
    with (
        file(path, durable=durable) as aside,
        open(aside, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream,
    ):
        stream.write(text)


@contextlib.contextmanager
def reported(path: str) -> Iterator[None]:
    """What the disk refuses inside comes out as a DataError that `path` cannot be written."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and not _is_of_tensorflow(error):
            raise
        raise errors.DataError(f"{path} cannot be written: {reason(error)}") from error


def _is_of_tensorflow(error: Exception) -> bool:
    return any(kind.__name__ == "OpError" for kind in type(error).__mro__)


def reason(error: Exception) -> str:
    """Why the system refused, without what TensorFlow puts around it."""
    if getattr(error, "strerror", None):
        return error.strerror
    match = _OF_THE_SYSTEM.search(str(error).strip())
    return match[1] if match else errors.one_line(error)


def sync(path: str) -> None:
    """Asks the disk to have a file, or the names in a folder."""
    with contextlib.suppress(OSError if os.path.isdir(path) else ()):  # not all open a folder
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_all(folder: str) -> None:
    """Asks the disk to have all that is in a folder, before it is renamed into place."""
    for place, _, names in os.walk(folder):
        for path in (*(os.path.join(place, name) for name in names), place):
            sync(path)


def folders(path: str) -> list[str]:
    """Makes a folder and those on the way to it; returns what was made, innermost first."""
    path, made = os.path.abspath(path), []
    while not os.path.lexists(path):
        made.append(path)
        path = os.path.dirname(path)
    try:
        for folder in reversed(made):
            os.mkdir(folder)
    except BaseException:
        remove_empty(made)
        raise
    return made


def remove_empty(made: list[str]) -> None:
    """Removes folders that `folders` made, where nothing is in them."""
    with contextlib.suppress(OSError):
        for path in made:
            os.rmdir(path)
