"""The contract, for every task: record -> step -> checkpoint -> restore -> export -> reply."""

import base64
import io
import json
import threading
import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import config as configs
from tfvision import serving, sources, stack, tasks, training
from tfvision.records import dataset, writer
from tfvision.serving import export, server

CASES = {
    "classification": {"head": "softmax"},
    "classification, several labels": {"head": "sigmoid"},
    "classification, auxiliary head": {
        "model": {"name": "inception_v3", "width": 4},
        "inputs": {"image_size": (76, 80), "resize": "letterbox"},
    },
    "classification, depthwise": {
        "model": {"name": "mobilenet_v2", "width": 8},
        "inputs": {"image_size": (24, 16), "resize": "letterbox"},
    },
    "classification, dense layers": {
        "model": {"name": "vgg16_bn", "width": 2, "hidden": 8},
        "inputs": {"image_size": (40, 33), "resize": "letterbox"},
    },
}
SLOW = ("classification, auxiliary head", "classification, depthwise")
SMALL = {
    "model": {"name": "resnet18", "width": 4, "stem": "small", "dropout": 0.2},
    "inputs": {"image_size": (24, 16), "resize": "letterbox"},
}


def write_pictures(folder, split, count):
    """Two classes; odd pictures are stored turned, with EXIF orientation 6."""
    rng = np.random.default_rng(len(split))
    for shade, name in ((60, "dark"), (190, "light")):
        place = folder / split / name
        place.mkdir(parents=True)
        for index in range(count):
            pixels = rng.normal(shade, 20, (20, 30, 3)).clip(0, 255).astype(np.uint8)
            pixels[:5, :5] = 255 - shade
            exif = Image.Exif()
            exif[0x0112] = 6 if index % 2 else 1
            Image.fromarray(pixels).save(place / f"{index}.jpg", quality=95, exif=exif)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    for split, count in (("train", 6), ("val", 3)):
        write_pictures(folder / "images", split, count)
        source = sources.FORMATS["folder"](str(folder / "images"), None, split=split)
        writer.write(source, str(folder / "records"), writer.Options(split=split))
    return str(folder / "records")


def ask(model, images, count):
    """The predictions of a real server for encoded images, over HTTP."""
    import uvicorn

    listening = server.bind(port=0)
    running = uvicorn.Server(uvicorn.Config(server.Server(model, "m"), log_level="error"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server ended at once"
        time.sleep(0.02)
    port = listening.getsockname()[1]
    try:
        body = {"instances": [{"b64": base64.b64encode(i).decode()} for i in images]}
        url = f"http://127.0.0.1:{port}/v1/models/m:predict"
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=120) as reply:
            answers = json.load(reply)["predictions"]
    finally:
        running.should_exit = True
        thread.join(30)
        listening.close()
    assert len(answers) == count
    return answers


@pytest.mark.addons
@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] * (c in SLOW)) for c in CASES]
)
def test_what_is_served_is_what_was_evaluated(case, records, tmp_path):
    config = configs.config(
        data={"path": records},
        optimizer={"name": "lamb", "weight_decay": 0.01},
        schedule={"learning_rate": 0.01},
        train={"batch_size": 4, "steps": 4, "ema": 0.9, "precision": "float32"},
        **{**SMALL, **CASES[case]},
    )
    task = tasks.build(config)
    trainer = training.Trainer(task, config, str(tmp_path / "run"))
    used = type(trainer.optimizer).__module__
    assert used.startswith("tfvision" if stack.KERAS_3 else "tensorflow_addons")
    results = trainer.fit()

    again = training.Trainer(task, config, str(tmp_path / "run"))
    assert again.restore("latest")
    assert again.evaluate() == results

    # Evaluation's own predictions, image by image, with the averaged weights.
    data = dataset.read(records)
    raw = list(tf.data.TFRecordDataset(data.files("val")))
    parsed = [tf.train.Example.FromString(r.numpy()).features.feature for r in raw]
    images = [p["image/encoded"].bytes_list.value[0] for p in parsed]
    assert {Image.open(io.BytesIO(i)).getexif().get(0x0112, 1) for i in images} == {1, 6}
    with again.averaged():
        evaluated = export.answers(task, again.net, images)
        path = export.export(
            task,
            again.net,
            class_names=config.data.class_names,
            config_json=json.loads(configs.to_json(config)),
            metrics=results,
            output=str(tmp_path / "model"),
            samples=images[:3],
        )
    for row, answer in enumerate(ask(serving.load(path), images, len(images))):
        np.testing.assert_allclose(answer["scores"], evaluated["scores"][row], atol=1e-5)
        assert set(answer) == {"scores", "class_ids", "class_names"}
        names = [config.data.class_names[i] for i in answer["class_ids"]]
        assert answer["class_names"] == names
