"""Paths are bytes: every verb works in a folder of any name, on files of any name."""

import asyncio
import base64
import html
import json
import os
import subprocess
import sys
import unicodedata
import urllib.parse

import keras
import numpy as np
import pytest
import uvicorn
import verbs
from PIL import Image

from tfvision import architectures, cli, paths
from tfvision.net import Net
from tfvision.serving import check
from tfvision.training import report_plots
from tfvision.weights import native, readers

NAMES = {
    "brackets": "lr[0.1]",
    "blanks": "a b ",
    "percent": "50%20#1",
    "braces": "{x,y}",
    "pattern": "a*b?c",
    "decomposed": unicodedata.normalize("NFD", "épée"),
    "chinese": "猫",
    "latin-1": os.fsdecode(b"caf\xe9"),
    "quotes": 'it\'s "so" <b>',
    "flag": "-a=b,c:d $x$",
}
USED = set()  # verbs
CONFIG = """
from tfvision.config import config

def get_config():
    return config(
        data={"path": "nowhere"},
        model={"name": "tiny"},
        inputs={"image_size": (8, 8), "resize": "stretch"},
        train={"batch_size": 2, "steps": 1, "precision": "float32", "report_input": False},
    )
"""
CFG = "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\nsize=1\n[avgpool]\n"
WEIGHTS = np.array([0, 2, 0, 0, 0], np.int32).tobytes() + np.zeros(8, np.float32).tobytes()


def tiny(*, num_classes, image_size):
    """One dense layer on the mean color."""
    image = keras.Input((*image_size, 3), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    logits = keras.layers.Dense(num_classes, kernel_initializer="zeros", name="fc")(mean)
    model = keras.Model({"image": image}, {"class_logits": logits}, name="tiny")
    return Net(model, model)


def tfvision(*arguments):
    """The verb as the command runs it, without starting TensorFlow anew."""
    verbs.run(*arguments)
    USED.add(arguments[0])


@pytest.fixture
def one_process(monkeypatch, check_by):
    """The tiny model, an export that is checked in this process, and no plots without names."""
    for table in (architectures.MODELS, architectures.CLASSIFIERS):
        monkeypatch.setitem(table, "tiny", tiny)
    # Elsewhere it takes a second a name, and `predict` opens the model the same way.
    check_by(lambda folder, file: [] if paths.is_plain(folder) else check.run(folder, file))
    for plot in ("_curves", "_reliability"):
        monkeypatch.setattr(report_plots, plot, lambda *_: "data:,")


class Place:
    """Paths below a folder: FOLDER/NAME/<what>/NAME<ending>."""

    def __init__(self, folder, name):
        self.root, self.name = os.path.join(folder, name), name

    def __call__(self, what, ending=""):
        os.makedirs(os.path.join(self.root, what), exist_ok=True)
        return os.path.join(self.root, what, self.name + ending)

    def write(self, what, ending, content):
        path = self(what, ending)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def pictures(at):
    for split in ("train", "val"):
        for shade, name in ((40, at.name), (200, "other")):
            folder = os.path.join(at("images"), split, name)
            os.makedirs(folder)
            for i in range(2):
                picture = Image.new("RGB", (9, 9), (shade + 20 * i,) * 3)
                picture.save(os.path.join(folder, f"{i}{at.name}.png"))


@pytest.fixture(params=NAMES.values(), ids=NAMES)
def at(request, tmp_path):
    place = Place(str(tmp_path), request.param)
    try:
        pictures(place)
    except OSError as error:
        pytest.skip(f"this file system has no such names: {error}")
    return place


def class_name(name):
    """What the class of a folder `name` is called."""
    return "café" if name == NAMES["latin-1"] else unicodedata.normalize("NFC", name).strip()


def ask(application, picture):
    """The classes that a served model answers one picture with."""
    sent = []

    async def receive():
        instance = {"b64": base64.b64encode(picture).decode()}
        return {"type": "http.request", "body": json.dumps({"instances": [instance]}).encode()}

    async def send(message):
        sent.append(message)

    path = urllib.parse.unquote(f"{application.address}:predict")
    asyncio.run(application({"type": "http", "method": "POST", "path": path}, receive, send))
    assert sent[0]["status"] == 200, sent
    return json.loads(sent[1]["body"])["predictions"][0]["class_names"]


def prepare(at):
    """Pictures -> records that are verified and looked at."""
    tfvision("synthesize", "--name=digits", "--train=10", "--val=10", f"--output={at('digits')}")
    assert os.path.isdir(os.path.join(at("digits"), "train"))
    labels = at.write("labels", ".txt", f"other\n{class_name(at.name)}\n")
    for split in ("train", "val"):
        tfvision(
            "convert", "--format=folder", f"--images={at('images')}", f"--split={split}",
            f"--labels={labels}", f"--output={at('records')}",
        )  # fmt: skip
    tfvision("verify", at("records"))
    found = read_json(os.path.join(at("records"), "dataset.json"))
    assert found["class_names"] == ["other", class_name(at.name)]
    tfvision("inspect", at("records"), f"--output={at('seen')}")
    assert os.path.isfile(os.path.join(at("seen"), "val-plots.png"))


def training(at):
    """The arguments of `tfvision train`, but for the folder; it starts from a file's weights."""
    net = tiny(num_classes=2, image_size=(8, 8))
    native.save(native.collect(net), at("start", ".npz"))
    return (
        "train", f"--config={at.write('config', '.py', CONFIG)}",
        f"--config.data.path={at('records')}", f"--config.weights.path={at('start', '.npz')}",
    )  # fmt: skip


def train(at):
    """A run that is trained, gone on with, evaluated and reported."""
    for _ in range(2):
        tfvision(*training(at), f"--workdir={at('run')}")
    assert os.path.isdir(os.path.join(at("run"), "tensorboard", "train"))
    assert set(readers.read(at("run"))) == {"fc/kernel", "fc/bias"}  # as another run starts from it
    tfvision("evaluate", f"--workdir={at('run')}", f"--output={at('metrics', '.json')}")
    assert read_json(at("metrics", ".json"))["metrics"]["images"] == 4
    tfvision("report", f"--workdir={at('run')}", f"--output={at('report', '.html')}")
    with open(at("report", ".html"), encoding="utf-8") as file:
        assert html.escape(class_name(at.name)) in file.read()


def use(at, monkeypatch):
    """The run exported, asked for predictions and served."""
    tfvision("export", f"--workdir={at('run')}", f"--output={at('model')}", "--samples=1")
    folder = os.path.join(at("images"), "val")
    tfvision("predict", f"--model={at('model')}", f"--output={at('out')}", folder)
    results = read_json(os.path.join(at("out"), "predictions.json"))
    assert len(results) == 4
    for result in results:
        assert os.path.isfile(result["file"])
        assert os.path.isfile(os.path.join(at("out"), result["picture"]))
        assert set(result["class_names"]) == {"other", class_name(at.name)}
    served = []

    def run(server, sockets):
        served.append(server.config.app)
        sockets[0].close()

    monkeypatch.setattr(uvicorn.Server, "run", run)
    tfvision("serve", f"--model={at('model')}", "--port=0")
    with open(results[0]["file"], "rb") as file:
        assert set(ask(served[0], file.read())) == {"other", class_name(at.name)}


def exchange(at):
    """Weights that come from files, and a table that goes to one."""
    cfg, weights = at.write("cfg", ".cfg", CFG), at.write("weights", ".weights", WEIGHTS)
    tfvision(
        "import-weights", "--source=darknet", f"--cfg={cfg}", f"--checkpoint={weights}",
        f"--output={at('ours', '.safetensors')}",
    )  # fmt: skip
    assert os.path.isfile(at("ours", ".safetensors"))
    tfvision("models", "tiny", "--image_size=8,8", f"--output={at('table', '.json')}")
    assert read_json(at("table", ".json"))


@pytest.mark.slow
@pytest.mark.usefixtures("one_process")
def test_every_verb_works_in_a_folder_of_any_name(at, monkeypatch):
    prepare(at)
    train(at)
    use(at, monkeypatch)
    exchange(at)
    assert set(cli.VERBS) == USED | {"input-service"}  # which takes no path


@pytest.mark.slow
@pytest.mark.parametrize("at", [NAMES["latin-1"]], indirect=True)
def test_a_name_that_cannot_be_printed_is_no_traceback(at):
    """In a process of its own, with paths relative to its folder."""
    command = [sys.executable, "-m", "tfvision.cli", "convert", "--format=folder"]
    command += [f"--images={at.name}/images/{at.name}", f"--output={at.name}/records"]
    letters = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=os.path.dirname(at.root), env=letters, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"split train -> caf\\udce9/records")
