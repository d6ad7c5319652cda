"""Wrong requests from a seed, asked of the ASGI application in this process.

    python tests/serving/fuzz.py [COUNT [SEED]]     20,000 requests: about two minutes

No reply may be a 5xx, the good request stays right after each thousand, memory stays flat.
"""

import asyncio
import base64
import gzip
import io
import json
import random
import sys
import tempfile
import types

import numpy as np
import tensorflow as tf
from PIL import Image

from tfvision.serving import server

TEXTS = ["", "image", "\ud800", "\udfff x", "é", "\0", "a" * 5000, "serving_image", "classify"]
NUMBERS = [0, -1, 255, 256, 1e308, float("nan"), float("inf"), 10**30, 0.5, 10**400]
PATHS = ["", ":predict", ":classify", ":regress", "/metadata", "/versions/3:predict", ":x",
         "/versions/" + "9" * 4300 + ":predict", "/versions/٣:predict", "/labels/a",
         "\0"]  # fmt: skip


def png(height=3, width=2):
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


GOOD = {"instances": [{"b64": base64.b64encode(png()).decode()}]}


class Sizes(tf.Module):
    """The signatures of a classifier, whose score of an image is its height."""

    @tf.function
    def serving_default(self, image_bytes):
        def height(data):
            image = tf.io.decode_image(data, channels=3, expand_animations=False)
            return tf.cast(tf.shape(image)[0], tf.float32)

        return {"scores": tf.map_fn(height, image_bytes, fn_output_signature=tf.float32)[:, None]}

    @tf.function
    def serving_image(self, image):
        height = tf.cast(tf.shape(image)[1], tf.float32)
        return {"scores": tf.fill([tf.shape(image)[0], 1], height)}

    @tf.function
    def classify(self, inputs):
        shape = [tf.shape(inputs)[0], 1]
        return {"classes": tf.fill(shape, "a"), "scores": tf.fill(shape, 1.0)}


def model():
    """What `server.Server` takes for a loaded model: name, version, signatures and run."""
    sizes, texts = Sizes(), tf.TensorSpec([None], tf.string)
    pixels = tf.TensorSpec([None, None, None, 3], tf.uint8)
    signatures = {
        "serving_default": sizes.serving_default.get_concrete_function(image_bytes=texts),
        "serving_image": sizes.serving_image.get_concrete_function(image=pixels),
        "classify": sizes.classify.get_concrete_function(inputs=texts),
    }
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(sizes, folder, signatures=signatures)
        loaded = tf.saved_model.load(folder)
    signatures = dict(loaded.signatures)

    def run(signature, inputs):
        tensors = {k: tf.constant(v.tolist(), tf.string) if v.dtype.kind in "OS" else tf.constant(v)
                   for k, v in inputs.items()}  # fmt: skip
        return {k: v.numpy() for k, v in signatures[signature](**tensors).items()}

    return types.SimpleNamespace(name="pets", version=3, signatures=signatures, run=run, of=loaded)


async def ask(app, method, path, body, headers=()):
    """(status, JSON) of one request in one piece."""
    sent = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


def value(rng, depth=0):
    """Some JSON value; deeper ones are simpler."""
    choice = rng.randrange(9 if depth < 3 else 5)
    if choice == 0:
        return rng.choice(TEXTS)
    if choice == 1:
        return rng.choice(NUMBERS)
    if choice == 2:
        return rng.choice([None, True, False])
    if choice in (3, 4):
        return b64(rng)
    if choice in (5, 6):
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    names = [*TEXTS, "b64", "image_bytes", "inputs", "image/encoded"]
    return {rng.choice(names): value(rng, depth + 1) for _ in range(rng.randrange(3))}


def b64(rng):
    """An image, whole or damaged, with any alphabet and padding."""
    data = bytearray(png(rng.randrange(1, 5), rng.randrange(1, 5)))
    if rng.random() < 0.5:
        data[rng.randrange(len(data))] = rng.randrange(256)
    text = base64.b64encode(data[: rng.choice([None, 40])]).decode()
    return {
        "b64": rng.choice([text, text.rstrip("="), text + "=", text.replace("+", "-"), "@\ud800"])
    }


def request(rng):
    """(method, path, body, headers)."""
    content = {rng.choice(["instances", "inputs", "examples", *TEXTS]): value(rng)}
    if rng.random() < 0.4:
        content = {rng.choice(["instances", "inputs"]): [b64(rng) for _ in range(rng.randrange(3))]}
    if rng.random() < 0.3:
        content["signature_name"] = rng.choice([*TEXTS, value(rng, 3)])
    if rng.random() < 0.2:
        content["context"] = value(rng)
    body = json.dumps(content).encode()
    if rng.random() < 0.15:
        at = rng.randrange(len(body))
        body = body[:at] + bytes([rng.randrange(256)]) + body[at + rng.randrange(3) :]
    headers = []
    if rng.random() < 0.2:
        headers = [(b"content-encoding", rng.choice([b"gzip", b"br", b"\xff"]))]
        body = gzip.compress(body) if rng.random() < 0.7 else body
    path = "/v1/models/pets" + (":predict" if rng.random() < 0.6 else rng.choice(PATHS))
    return ("GET" if rng.random() < 0.05 else "POST"), path, body, headers


def resident():
    """MiB of memory that this process holds; 0 off Linux."""
    try:
        with open("/proc/self/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * 4096 / 2**20
    except OSError:
        return 0


async def fuzz(app, count, seed=0):
    """Asks `count` requests; returns {status: how many} and MiB after each thousand.

    Raises AssertionError for a 5xx, and where the good request is not answered rightly."""
    rng, statuses, memory = random.Random(seed), {}, []
    for number in range(1, count + 1):
        asked = request(rng)
        status, reply = await ask(app, *asked)
        assert status < 500, (asked, reply)
        assert status == 200 or list(reply) == ["error"], (asked, reply)
        statuses[status] = statuses.get(status, 0) + 1
        if number % 1000 == 0:
            found = await ask(app, "POST", "/v1/models/pets:predict", json.dumps(GOOD).encode())
            assert found == (200, {"predictions": [[3.0]]}), found
            memory.append(round(resident()))
    return statuses, memory


if __name__ == "__main__":
    count, seed = [*map(int, sys.argv[1:]), *(20_000, 0)[len(sys.argv) - 1 :]]
    print(asyncio.run(fuzz(server.Server(model()), count, seed)))
