"""SIGTERM and Ctrl-C ask a run to save and end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from tfvision import errors


class Interrupted(errors.TfvisionError):
    """The run was asked to stop; it has saved and goes on with the same command."""

    exit_code = 143


class Stop:
    """`asked` is the name of the signal that came inside `listening`, None before."""

    def __init__(self):
        self.asked: str | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """The first signal is noted; a second one ends the process at once."""

        def ask(number, frame):
            del frame
            self.asked = signal.Signals(number).name
            signal.signal(
                number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            )

        try:
            before = {s: signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)}
        except ValueError:  # not the main thread: there is nothing to catch here
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
