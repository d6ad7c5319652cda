"""A development server with TensorFlow Serving's REST contract, as a plain ASGI application.

    POST /v1/models/NAME[/versions/N]:predict | :classify
    GET  /v1/models/NAME[/versions/N][/metadata]

For a desk: one model, one version, one call of the model at a time. TensorFlow Serving is the
engine for production and loads the same folder.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping

import tensorflow as tf

from tfvision import errors, paths
from tfvision.serving import bodies, payloads, rest
from tfvision.serving.client import Model

BODY_LIMIT = 64 << 20  # bytes
PATIENCE = 30.0  # seconds that a client may be silent within a request
PENDING = 4  # requests that are decoded or wait for the model at a time

_PATH = (
    r"/v1/models/(?P<name>%s)(/versions/(?P<version>[0-9]{1,19})|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>:predict|:classify|:regress|/metadata)?"
)


class Server:
    """The application: `Server(model, name)` is what an ASGI server calls.

    body_limit: bytes of a request, packed and unpacked. pixel_limit: of all its encoded images.
    patience: seconds that a client may be silent within a request, which is then closed."""

    def __init__(
        self,
        model: Model,
        name: str = "",
        *,
        body_limit: int = BODY_LIMIT,
        pixel_limit: int = payloads.PIXELS,
        patience: float = PATIENCE,
    ):
        self.model = model
        self.name = paths.readable(name or model.name)
        # The model's own name may contain what ends another one.
        self._path = re.compile(_PATH % f"{re.escape(self.name)}|[^/:]+")
        self.address = f"/v1/models/{urllib.parse.quote(self.name, safe='')}"
        self.body_limit, self.pixel_limit, self.patience = body_limit, pixel_limit, patience
        self._pending = asyncio.Semaphore(PENDING)
        self._one_at_a_time = threading.Lock()

    async def __call__(self, scope: Mapping, receive: Callable, send: Callable) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        if scope["type"] != "http":
            return
        try:
            body = await bodies.read(scope, receive, limit=self.body_limit, patience=self.patience)
            if body is None:
                return  # the client has gone
            async with self._pending:
                status, content = await asyncio.to_thread(
                    self._answer, scope["method"], scope["path"], body
                )
        except rest.BadRequest as error:
            status, content = error.status, _encode({"error": str(error)})
        await _reply(send, status, content)

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """(HTTP status, JSON body) of one request; runs in a thread."""
        try:
            return 200, _encode(self._content(method, path, body))
        except rest.BadRequest as error:
            return error.status, _encode({"error": str(error)})
        except tf.errors.InvalidArgumentError as error:
            return 400, _encode({"error": str(error.message)})
        except Exception as error:
            return 500, _encode({"error": f"{type(error).__name__}: {error}"})

    def _content(self, method: str, path: str, body: bytes) -> dict:
        what = self._what(path)
        http_method = "POST" if what.startswith(":") else "GET"
        if method != http_method:
            raise rest.BadRequest(
                f"Malformed request: {method} {path} (it is a {http_method})", 405
            )
        if what == "":
            return self._status()
        if what == "/metadata":
            return rest.metadata(self.name, self.model.version, self.model.signatures)
        if what == ":regress":
            raise rest.BadRequest("this model does not regress; use :predict")
        content = rest.parse(body)
        if what == ":classify":
            request = rest.classify_request(content, self.model.signatures, pixels=self.pixel_limit)
            return rest.classify_reply(self._run(request))
        request = rest.predict_request(content, self.model.signatures, pixels=self.pixel_limit)
        return rest.predict_reply(request, self._run(request))

    def _what(self, path: str) -> str:
        """What is asked of the model: "", "/metadata", ":predict" ... Raises BadRequest, 404."""
        match = self._path.fullmatch(path)
        if not match:
            raise rest.BadRequest(f"Malformed request: {path} (try {self.address}:predict)", 404)
        if match["name"] != self.name:
            raise rest.BadRequest(
                f"Servable not found for request: {match['name']} (there is: {self.name})", 404
            )
        if match["label"]:
            raise rest.BadRequest(f"unknown version label '{match['label']}' (there is none)", 404)
        if match["version"] and int(match["version"]) != self.model.version:
            raise rest.BadRequest(
                f"Servable not found for request: Specific({self.name}, {match['version']})"
                f" (there is version {self.model.version})",
                404,
            )
        return match["what"] or ""

    def _run(self, request: rest.Request) -> dict:
        with self._one_at_a_time:
            return self.model.run(request.signature, request.inputs)

    def _status(self) -> dict:
        state = {"error_code": "OK", "error_message": ""}
        version = {"version": str(self.model.version), "state": "AVAILABLE", "status": state}
        return {"model_version_status": [version]}


def bind(host: str = "127.0.0.1", port: int = 8501) -> socket.socket:
    """A bound socket; port 0 picks a free one. Raises UsageError where that is impossible."""
    if not 0 <= port < 1 << 16:  # the system takes what is left of the number
        raise errors.UsageError(f"--port is {port}; it is a number from 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
        return listener
    except (OSError, OverflowError) as error:
        raise errors.UsageError(
            f"cannot listen on {host} port {port}: {error}; choose another --port or --host"
        ) from error


def _encode(content: Mapping) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


async def _reply(send: Callable[[dict], Awaitable], status: int, content: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    if status == 408:  # the rest of its request may still come, and is not a request
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _lifespan(receive: Callable, send: Callable) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
