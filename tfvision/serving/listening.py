"""The HTTP server under the application: uvicorn, whose patience with silent clients ends.

uvicorn comes with the extra `serve`.
"""

from __future__ import annotations

import functools
import socket

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from tfvision.serving.server import Server

DEADLINE = 10  # seconds from SIGTERM until what is not answered yet is dropped


class _Connection(AutoHTTPProtocol):
    """Closes a connection whose client is silent for `patience` seconds before a whole head.

    The application itself ends the wait for a body."""

    def __init__(self, *args, patience: float, **options):
        super().__init__(*args, **options)
        self._patience, self._timer = patience, None

    def connection_made(self, transport):
        """The client has connected."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data):
        """Some bytes of a request have come."""
        self._wait()
        super().data_received(data)

    def connection_lost(self, error):
        """The client has gone."""
        self._timer.cancel()
        super().connection_lost(error)

    def _wait(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(self._patience, self._close_without_request)

    def _close_without_request(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def http_server(application: Server) -> uvicorn.Server:
    """A server of `application`: `run(sockets=[...])` it; SIGTERM ends it within DEADLINE."""
    return uvicorn.Server(
        uvicorn.Config(
            application,
            http=functools.partial(_Connection, patience=application.patience),
            log_level="warning",
            timeout_graceful_shutdown=DEADLINE,
        )
    )


def run(application: Server, listening: socket.socket) -> None:
    """Serves on a bound socket until SIGTERM or Ctrl-C."""
    http_server(application).run(sockets=[listening])
