"""A folder that one process has for itself. No TensorFlow here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from tfvision import errors

try:
    import fcntl
except ImportError:  # Windows: that two processes write into one folder is the user's own care
    fcntl = None


@contextlib.contextmanager
def held(folder: str, taken: errors.TfvisionError) -> Iterator[None]:
    """Holds `folder`, which must be there; the lock goes with the process, killed or not.

    Raises `taken` where another process holds it."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken from error
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)
