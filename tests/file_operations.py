"""A function called before each operation on files: what a kill at that moment would leave.

Python's audit events tell of its own operations. What TensorFlow's kernels write is not among
them; it goes to hidden folders only."""

import contextlib
import errno
import os
import sys

from tfvision import errors

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_listeners = []  # an audit hook stays for good; it has nothing to call outside `before_each`
_installed = []


def _hook(event, arguments):
    if not _listeners:
        return
    if event in _CHANGES or (event == "open" and (arguments[2] or 0) & _WRITES):
        listener = _listeners.pop()  # its own operations are not told
        try:
            listener(event, arguments)
        finally:
            _listeners.append(listener)


@contextlib.contextmanager
def before_each(function):
    """Calls function(event, arguments) before each change of the file system by Python inside."""
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    _listeners.append(function)
    try:
        yield
    finally:
        _listeners.remove(function)


def refused(work, at):
    """The error of `work` where a disk is full after `at` operations; None where it ends.

    Removals are not refused: they give space back."""
    count = 0

    def refuse(event, arguments):
        nonlocal count
        count += 1
        if count > at and event not in ("os.remove", "os.rmdir"):
            raise OSError(errno.ENOSPC, "No space left on device", str(arguments[0]))

    with before_each(refuse):
        try:
            work()
        except errors.TfvisionError as error:
            return error
    return None
