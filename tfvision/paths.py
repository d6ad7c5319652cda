"""A path that a user gave, as TensorFlow takes it. No TensorFlow here.

A path is bytes to the system, and a str to Python. Names that are not UTF-8 have surrogates there
(`os.fsdecode`), which TensorFlow refuses, and its checkpoint reader takes a name with "[" or "*"
for a pattern. Two ways around it: record files and summaries take bytes (`os.fsencode`), and
checkpoints and SavedModels are opened through `plain`. What a command is to write is tried by
`check_file` and `check_folder` before its work.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

from tfvision import errors

_PATTERN = frozenset("[]*?" if os.sep == "\\" else "[]*?\\")


def is_plain(path: str) -> bool:
    """Whether TensorFlow opens the file that `path` names: no pattern, and valid UTF-8."""
    return not _PATTERN & set(path) and os.fsencode(path) == path.encode("utf-8", "replace")


def readable(name: str) -> str:
    """A file's name as valid Unicode: one that is not UTF-8 is read as cp1252, which is Windows's,
    or, where that has no such letter, as Latin-1."""
    try:
        name.encode("utf-8")
        return name
    except UnicodeEncodeError:
        pass
    try:
        data = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, as broken json has it
        return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@contextlib.contextmanager
def plain(folder: str) -> Iterator[str]:
    """Yields a path of `folder` that TensorFlow opens: its own, or that of a temporary link.

    folder: must be there. Raises UsageError where a link cannot be made, or the folder of
    temporary files has such a name itself."""
    if is_plain(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="tfvision-") as place:
        if not is_plain(place):
            raise errors.UsageError(
                f"TensorFlow cannot open {folder}, nor a link to it in {place}; set TMPDIR to a"
                " folder without []*?\\ and letters that are not UTF-8"
            )
        link = os.path.join(place, "folder")
        try:
            os.symlink(os.path.abspath(folder), link, target_is_directory=True)
        except OSError as error:  # Windows asks for a privilege
            raise errors.UsageError(
                f"TensorFlow cannot open {folder}, and no link to it can be made ({error}); rename"
                " it without []*? and letters that are not UTF-8"
            ) from error
        yield link


_LONGEST = 255  # bytes of a name, on the file systems in use


def check_file(path: str, flag: str) -> None:
    """Raises UsageError, which names `flag`, where no file `path` can be written."""
    if os.path.isdir(path) or path.endswith(os.sep):
        raise errors.UsageError(f"{flag} is {path}, a folder; give the name of a file in it")
    _check(path, flag)


def check_folder(path: str, flag: str) -> None:
    """Raises UsageError, which names `flag`, where `path` is not a directory and cannot be one."""
    if os.path.lexists(path) and not os.path.isdir(path):
        raise errors.UsageError(f"{flag} is {path}, a file; give a folder, or a new name")
    _check(path, flag)


def _check(path: str, flag: str) -> None:
    here = os.path.abspath(path)
    for name in here.split(os.sep):
        if len(os.fsencode(name)) > _LONGEST or "\0" in name:
            raise errors.UsageError(
                f"{flag}: '{name[:40]}...' has {len(name)} letters, and a name has"
                f" at most {_LONGEST} bytes; choose a shorter one"
            )
    while not os.path.lexists(here):
        here = os.path.dirname(here)
    folder = here if os.path.isdir(here) else os.path.dirname(here)
    if folder != here and here != os.path.abspath(path):
        raise errors.UsageError(f"{flag} is {path}, but {here} is a file; choose another place")
    try:
        with tempfile.TemporaryFile(dir=folder):  # one without a name, where the system has such
            pass
    except OSError as error:
        raise errors.UsageError(
            f"{flag} is {path}, but {folder} cannot be written into: {error.strerror or error}"
        ) from error
