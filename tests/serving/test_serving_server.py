import base64
import concurrent.futures
import http.client
import io
import json
import threading
import time
import types
import urllib.parse

import numpy as np
import pytest
import uvicorn
from PIL import Image
from test_serving_export import NAMES, encoded, picture

from tfvision import config as configs
from tfvision.records import example, image_files
from tfvision.serving import client, exporter, rest, server
from tfvision.tasks import ClassificationTask


def rotated():
    """A JPEG with EXIF orientation 6, and its upright pixels: the stored ones, clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(40, 64, 3), "JPEG", exif=exif, quality=95)
    stored = np.asarray(Image.open(io.BytesIO(data)))
    return data, np.rot90(stored, k=-1)


class Desk:
    """A running server, the net behind it, and an HTTP client."""

    def __init__(self, base):
        config = configs.config(
            model={"name": "resnet18", "stem": "small", "width": 8},
            inputs={"image_size": (32, 32), "resize": "stretch"},
        )
        self.task = ClassificationTask(config, NAMES)
        self.net = self.task.build()
        exporter.export(
            self.task,
            self.net,
            class_names=NAMES,
            config_json=config.to_dict(),
            metrics={},
            output=str(base),
            version=3,
            samples=[encoded(picture(20, 30), "PNG")],
        )
        app = server.Server(client.load(str(base)), body_limit=200_000)
        self.socket = server.bind(port=0)
        self.port = self.socket.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)

    def close(self):
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()

    def ask(self, method, path, content=None):
        """(status, JSON) of one request over HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = content if isinstance(content, bytes) else json.dumps(content)
        try:
            connection.request(method, path, body if content is not None else None)
            reply = connection.getresponse()
            assert reply.getheader("content-type") == "application/json"
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def predict(self, content):
        return self.ask("POST", "/v1/models/pets:predict", content)

    def expected(self, files):
        """The training-side scores [B, K] of encoded images."""
        ready = [image_files.normalise(data).data for data in files]
        return exporter.answers(self.task, self.net, ready)["scores"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory, all_checked_here):
    found = Desk(tmp_path_factory.mktemp("serve") / "pets")
    yield found
    found.close()


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


def several():
    alpha = np.dstack([picture(30, 50, 1), np.full((30, 50), 128, np.uint8)])
    return [
        encoded(picture(24, 70), "JPEG"),
        rotated()[0],
        encoded(alpha, "PNG"),
        encoded(picture(33, 21, 2), "WEBP", lossless=True),
    ]


def test_a_reply_is_what_the_net_says_for_any_mix_of_files(desk):
    files = several()
    status, reply = desk.predict({"instances": [b64(data) for data in files]})
    assert status == 200
    scores = [row["scores"] for row in reply["predictions"]]
    np.testing.assert_allclose(scores, desk.expected(files), 1e-4, 1e-5)
    for row in reply["predictions"]:
        order = np.argsort(row["scores"])[::-1].tolist()
        assert row["class_ids"] == order
        assert row["class_names"] == [NAMES[i] for i in order]


def test_the_rows_and_the_columns_say_the_same(desk):
    files = [b64(data) for data in several()[:2]]
    _, bare = desk.predict({"instances": files})
    _, named = desk.predict({"instances": [{"image_bytes": file} for file in files]})
    _, column = desk.predict({"inputs": {"image_bytes": files}})
    _, only = desk.predict({"inputs": files, "signature_name": "serving_default"})
    assert bare == named
    assert column == only
    assert column["outputs"]["scores"] == [row["scores"] for row in bare["predictions"]]


def test_a_rotated_photograph_is_answered_as_its_upright_pixels(desk):
    data, upright = rotated()
    _, turned = desk.predict({"instances": [b64(data)]})
    _, pixels = desk.predict(
        {"signature_name": "serving_image", "instances": [{"image": upright.tolist()}]}
    )
    np.testing.assert_allclose(
        turned["predictions"][0]["scores"], pixels["predictions"][0]["scores"], 1e-5, 1e-6
    )


def test_classify_answers_with_every_class_in_id_order(desk):
    data = several()[0]
    status, reply = desk.ask(
        "POST",
        "/v1/models/pets/versions/3:classify",
        {"signature_name": "classify", "examples": [{"image/encoded": b64(data)}]},
    )
    assert status == 200
    (row,) = reply["results"]
    assert [name for name, _ in row] == list(NAMES)
    np.testing.assert_allclose([s for _, s in row], desk.expected([data])[0], 1e-4, 1e-5)
    record = example.serialize({"image/encoded": ("string", [data])})
    _, same = desk.predict({"signature_name": "classify", "instances": [b64(record)]})
    assert same["predictions"][0] == {
        "classes": list(NAMES),
        "scores": [score for _, score in row],
    }


def test_an_empty_request_has_an_empty_answer(desk):
    assert desk.predict({"instances": []}) == (200, {"predictions": []})


def test_status_and_metadata_are_tensorflow_servings(desk):
    _, status = desk.ask("GET", "/v1/models/pets")
    (version,) = status["model_version_status"]
    assert (version["version"], version["state"]) == ("3", "AVAILABLE")
    _, found = desk.ask("GET", "/v1/models/pets/versions/3/metadata")
    assert found["model_spec"] == {"name": "pets", "signature_name": "", "version": "3"}
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert sorted(signatures) == ["classify", "serving_default", "serving_image"]
    taken = signatures["serving_default"]["inputs"]["image_bytes"]
    assert taken["dtype"] == "DT_STRING"
    assert taken["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    assert signatures["serving_default"]["outputs"]["scores"]["dtype"] == "DT_FLOAT"


GOOD = b64(encoded(picture(8, 8), "PNG"))
BAD = {
    "not JSON": (b"{", 400, "JSON Parse error"),
    "not an object": ([1], 400, "must be an object"),
    "both formats": ({"instances": [], "inputs": []}, 400, "exactly one"),
    "neither format": ({"signature_name": "serving_default"}, 400, "exactly one"),
    "an unknown key": ({"instance": []}, 400, "unknown key 'instance'"),
    "no list": ({"instances": {}}, 400, "must be a list"),
    "unknown signature": ({"instances": [GOOD], "signature_name": "x"}, 400, "'x' not found"),
    "unknown input": ({"instances": [{"picture": GOOD}]}, 400, r"\['picture'\]"),
    "broken b64": ({"instances": [GOOD, {"b64": "@"}]}, 400, "instance 1: its b64 is broken"),
    "no image": ({"instances": [GOOD, b64(b"text")]}, 400, "instance 1: not an image"),
    "an empty image": ({"instances": [b64(b"")]}, 400, "instance 0: the file is empty"),
    "half an image": (
        {"instances": [GOOD, GOOD, b64(encoded(picture(40, 40), "JPEG")[:400])]},
        400,
        "instance 2: unreadable JPEG",
    ),
    "a column's bad image": ({"inputs": [GOOD, b64(b"text")]}, 400, "instance 1: not an image"),
    "pixels out of range": (
        {"instances": [[[[0, 0, 256]]]], "signature_name": "serving_image"},
        400,
        "instance 0: 'image' must be whole numbers from 0 to 255",
    ),
    "two sizes of arrays": (
        {"instances": [[[[0, 0, 0]]], [[[0] * 3] * 2]], "signature_name": "serving_image"},
        400,
        "instance 1: 'image' is",
    ),
    "ragged pixels": (
        {"instances": [[[[0, 0, 0], [1]]]], "signature_name": "serving_image"},
        400,
        "unequal length",
    ),
    "a large body": (b" " * 200_001, 413, "larger than 200,000 bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_request_is_told_what_is_wrong(desk, case):
    content, status, message = BAD[case]
    found, reply = desk.predict(content)
    assert found == status
    assert list(reply) == ["error"]
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(reply["error"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/dogs:predict", 404),
        ("/v1/models/pets/versions/2:predict", 404),
        ("/v1/models/pets/labels/stable:predict", 404),
        ("/v2", 404),
        ("/v1/models/pets", 405),
    ],
)
def test_what_is_not_there_is_not_found(desk, path, status):
    found, reply = desk.ask("POST", path, {"instances": [GOOD]})
    assert found == status
    assert list(reply) == ["error"]


def test_many_clients_at_once_all_get_their_own_answer(desk):
    files = several()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda data: desk.predict({"instances": [b64(data)]}), files * 4))
    scores = [reply["predictions"][0]["scores"] for _, reply in replies]
    np.testing.assert_allclose(scores, np.tile(desk.expected(files), (4, 1)), 1e-4, 1e-5)


def test_a_lone_output_goes_without_its_name():
    outputs = {"scores": np.array([[0.5], [0.25]], np.float32)}
    rows, columns = (rest.Request("serving_default", {}, rows) for rows in (True, False))
    assert rest.predict_reply(rows, outputs) == {"predictions": [[0.5], [0.25]]}
    assert rest.predict_reply(columns, outputs) == {"outputs": [[0.5], [0.25]]}


def test_bytes_and_nan_in_a_reply():
    rows = rest.Request("serving_default", {}, rows=True)
    outputs = {"mask_bytes": np.array([b"\xff"], object)}
    assert rest.predict_reply(rows, outputs) == {"predictions": [{"b64": "/w=="}]}
    outputs = {"scores": np.array([[0.5], [np.nan]], np.float32)}
    with pytest.raises(rest.BadRequest, match="'scores' of instance 1 is NaN"):
        rest.predict_reply(rows, outputs)


@pytest.mark.parametrize("name", ["pets", "a=b,c:d", "50%20 #1?", "lr[0.1]", "猫", "x:predict"])
def test_a_model_of_any_name_has_an_address(name):
    found = server.Server(types.SimpleNamespace(name=name, version=3))
    assert found.address.isascii()
    place = urllib.parse.unquote(found.address)
    assert found._what(place) == ""
    assert found._what(f"{place}/versions/3:predict") == ":predict"
    with pytest.raises(rest.BadRequest, match="Servable not found for request: others"):
        found._what("/v1/models/others:predict")


def test_a_name_that_is_no_utf_8_is_served_as_text():
    found = server.Server(types.SimpleNamespace(name="caf\udce9", version=3))
    assert found.address == "/v1/models/caf%C3%A9"
