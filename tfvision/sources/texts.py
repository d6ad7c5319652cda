"""Text files as they come: with or without a byte-order mark, perhaps packed by gzip."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from typing import TextIO

from tfvision import errors

_GZIP = b"\x1f\x8b"
_MARKS = (  # UTF-32's begins like UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextlib.contextmanager
def opened(path: str, what: str, newline: str | None = None) -> Iterator[TextIO]:
    """Yields a text file, UTF-8 unless its byte-order mark says otherwise, unpacked.

    what: how errors call it, such as "label file". Raises DataError for a file that cannot be
    read or is of another encoding, inside the `with` too."""
    try:
        with contextlib.ExitStack() as stack:
            raw = stack.enter_context(open(path, "rb"))
            if raw.peek(2)[:2] == _GZIP:
                raw = stack.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=raw)))
            head = raw.peek(4)[:4]
            encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
            yield stack.enter_context(io.TextIOWrapper(raw, encoding, newline=newline))
    except UnicodeError as error:
        raise errors.DataError(
            f"{what} {path} is not UTF-8 text ({error}); save it as UTF-8"
        ) from error
    except (EOFError, zlib.error) as error:
        raise errors.DataError(f"{what} {path} is cut or damaged: {error}") from error
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(path):
            raise
        reason = error.strerror or str(error)
        raise errors.DataError(f"{what} {path} cannot be read: {reason}") from error


def check(path: str) -> str:
    """Returns the path of an annotation file; raises DataError where there is no such file."""
    if not os.path.isfile(path):
        raise errors.DataError(f"annotation file {path} does not exist")
    return path


def read(path: str, what: str) -> str:
    """The whole of a text file, as `opened` reads it."""
    with opened(path, what) as file:
        return file.read()
