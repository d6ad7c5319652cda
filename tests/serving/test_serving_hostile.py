"""Requests that are wrong on purpose, asked of the ASGI application in this process."""

import asyncio
import base64
import gzip
import importlib.util
import json
import pathlib
import socket
import threading
import time

import pytest

from tfvision.serving import listening, payloads, rest, server

SPEC = importlib.util.spec_from_file_location("fuzz", pathlib.Path(__file__).with_name("fuzz.py"))
fuzz = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)
PREDICT = "/v1/models/pets:predict"
GZIP = [(b"content-encoding", b"gzip")]


@pytest.fixture(scope="module")
def model():
    return fuzz.model()


def ask(app, content, path=PREDICT, headers=()):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return asyncio.run(fuzz.ask(app, "POST", path, body, headers))


def test_no_wrong_request_is_the_servers_fault(model):
    statuses, _ = asyncio.run(fuzz.fuzz(server.Server(model), 2000, seed=1))
    assert {200, 400, 404, 405, 415} <= set(statuses)


@pytest.mark.parametrize(
    "content",
    [
        {"instances": ["\ud800"]},
        {"instances": [{"b64": "\udfff"}]},
        {"instances": [], "\ud800": 1},
        {"instances": [], "signature_name": "\ud83d"},
    ],
)
def test_half_a_character_is_a_wrong_request(model, content):
    status, reply = ask(server.Server(model), content)
    assert status == 400
    assert "no valid Unicode" in reply["error"]


def test_a_version_of_any_length_is_only_not_found(model):
    path = f"/v1/models/pets/versions/{'9' * 4300}:predict"
    assert ask(server.Server(model), fuzz.GOOD, path)[0] == 404


def test_the_pixels_of_a_request_are_counted_before_any_is_decoded(model, monkeypatch):
    image = {"b64": base64.b64encode(fuzz.png(10, 10)).decode()}
    app = server.Server(model, pixel_limit=250)
    assert ask(app, {"instances": [image] * 2})[0] == 200
    monkeypatch.setattr(payloads.image_files, "normalise", None)  # nothing gets as far as this
    status, reply = ask(app, {"instances": [image] * 3})
    assert status == 413
    assert "instance 2: the images up to this one have 300 pixels" in reply["error"]
    assert (
        ask(app, {"examples": [{"image/encoded": image}] * 3}, PREDICT[:-7] + "classify")[0] == 413
    )


def test_gzip_is_read_and_its_unpacked_size_bounded(model):
    app = server.Server(model, body_limit=10_000)
    good = gzip.compress(json.dumps(fuzz.GOOD).encode())
    assert ask(app, good, headers=GZIP) == (200, {"predictions": [[3.0]]})
    assert ask(app, gzip.compress(b" " * 10_001), headers=GZIP)[0] == 413
    assert ask(app, good[:-9], headers=GZIP)[0] == 400
    assert ask(app, b"{}", headers=GZIP)[0] == 400
    assert ask(app, good, headers=[(b"content-encoding", b"br")])[0] == 415


@pytest.mark.parametrize("text", ["-_8=", "-_8", "+/8=", "+/8", "+/\n8"])
def test_base64_may_be_url_safe_and_unpadded(text):
    assert payloads.data({"b64": text}, "instance 0") == b"\xfb\xff"


@pytest.mark.parametrize("text", ["a", "ab==c", "@@@@", "é"])
def test_what_is_no_base64_is_refused(text):
    with pytest.raises(rest.BadRequest, match="instance 0: its b64 is broken"):
        payloads.data({"b64": text}, "instance 0")


def test_a_request_that_stays_half_sent_is_closed(model):
    async def half():
        sent = []
        messages = [{"type": "http.request", "body": b'{"inst', "more_body": True}]

        async def receive():
            return messages.pop(0) if messages else await asyncio.sleep(60)

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": PREDICT, "headers": []}
        await server.Server(model, patience=0.2)(scope, receive, send)
        return sent

    begun = time.monotonic()
    start, body = asyncio.run(half())
    assert time.monotonic() - begun < 10
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert "did not come within 0.2 s" in json.loads(body["body"])["error"]


def test_silent_clients_are_closed_and_do_not_keep_the_server(model, monkeypatch):
    monkeypatch.setattr(listening, "DEADLINE", 1)
    app = server.Server(model, patience=1.0)
    bound = server.bind(port=0)
    http = listening.http_server(app)
    thread = threading.Thread(target=http.run, args=([bound],))
    thread.start()
    try:
        while not http.started:
            time.sleep(0.02)
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n".encode()
        answers = {}
        for name, sent in {"silent": b"", "head": head, "body": head + b"\r\n{"}.items():
            with socket.create_connection(bound.getsockname(), timeout=20) as client:
                client.sendall(sent)
                answers[name] = client.recv(12)
        assert answers == {"silent": b"", "head": b"", "body": b"HTTP/1.1 408"}
        app.patience = 60.0
        with socket.create_connection(bound.getsockname(), timeout=20) as client:
            client.sendall(head + b"\r\n{")
            time.sleep(0.2)
            http.should_exit = True  # what SIGTERM sets
            thread.join(20)
            assert not thread.is_alive()
    finally:
        http.should_exit = True
        thread.join(70)
        bound.close()
