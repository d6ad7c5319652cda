"""Commands in processes of their own that need not start TensorFlow: they are forked from one
that has imported it, and has run nothing yet.

    done = warm.run("tfvision", "convert", "--help", cwd=folder)   # like subprocess.run
"""

import functools
import multiprocessing
import multiprocessing.forkserver
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
from unittest import mock

TIMEOUT = 600


@functools.cache
def _context():
    """The processes' kind, its first one started."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm_imports"])
    # That process sees this one's sys.path from Python 3.13 on only; and what TensorFlow writes as
    # it starts, the commands silence before they import it.
    paths = [os.path.dirname(__file__), *filter(None, [os.environ.get("PYTHONPATH")])]
    changed = {"PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with mock.patch.dict(os.environ, changed):
        multiprocessing.forkserver.ensure_running()
    return context


class Process:
    """A module run as a script: `poll`, `send_signal` and `communicate` as subprocess.Popen's."""

    def __init__(self, module, *arguments, cwd=None):
        self._folder = tempfile.TemporaryDirectory()
        self._files = [pathlib.Path(self._folder.name, name) for name in ("out", "err")]
        self.args = [module, *map(str, arguments)]
        place = os.fspath(cwd or os.getcwd())
        call = (self.args, place, dict(os.environ), [str(file) for file in self._files])
        self._process = _context().Process(target=_child, args=call)
        self._process.start()

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def communicate(self):
        """Waits for the end; (what was written, what of it to the error stream)."""
        self._process.join(TIMEOUT)
        assert self._process.exitcode is not None, f"{self.args} goes on after {TIMEOUT} s"
        out, err = (file.read_text(errors="replace") for file in self._files)
        self._folder.cleanup()
        return out, err


def run(module, *arguments, cwd=None):
    """Runs `python -m module arguments` to its end."""
    process = Process(module, *arguments, cwd=cwd)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _child(arguments, cwd, environment, files):
    for number, file in enumerate(files, start=1):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", 1, closefd=False) for n in (1, 2))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    module, *sys.argv[1:] = arguments
    sys.path.insert(0, "")  # as `python -m` does
    runpy.run_module(module, run_name="__main__", alter_sys=True)
