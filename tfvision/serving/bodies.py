"""The body of an HTTP request from ASGI's messages: bounded in size, time and unpacked size."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping

from tfvision.serving.payloads import BadRequest


async def read(
    scope: Mapping, receive: Callable, *, limit: int, patience: float = 30.0
) -> bytes | None:
    """The whole body, unpacked where it is gzip; None where the client broke off.

    limit: bytes, packed and unpacked. patience: seconds that a client may stay silent. A body
    that is too large is read to its end, so that the client hears why. Raises BadRequest: 408
    (silence), 413 (size), 415 (another Content-Encoding), 400 (broken gzip)."""
    encoding = dict(scope.get("headers", ())).get(b"content-encoding", b"identity")
    encoding = encoding.decode("latin-1").strip().lower()
    chunks, size = [], 0
    while True:
        try:
            message = await asyncio.wait_for(receive(), patience)
        except asyncio.TimeoutError:
            raise BadRequest(
                f"the rest of the request did not come within {patience:g} s", 408
            ) from None
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
        if size > limit:
            chunks.clear()
        ended = not message.get("more_body", False)
        if size > limit and (ended or size > 16 * limit):
            raise _too_large(limit)
        if ended:
            return _unpacked(b"".join(chunks), encoding, limit)


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise BadRequest(f"Content-Encoding '{encoding}' is not read; send gzip or none", 415)
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)  # with gzip's header and checksum
    try:
        unpacked = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadRequest(f"the body is not valid gzip: {error}") from None
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not stream.eof:
        raise BadRequest("the body is not valid gzip: it is cut off")
    return unpacked


def _too_large(limit: int) -> BadRequest:
    return BadRequest(f"the request is larger than {limit:,} bytes; send fewer images", 413)
