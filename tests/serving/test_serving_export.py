import io
import json
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import config as configs
from tfvision import errors, serving
from tfvision.serving import exporter, module
from tfvision.tasks import ClassificationTask

NAMES = ("cat", "dog", "owl")
MODEL = {"name": "resnet18", "stem": "small", "width": 8}


def picture(height, width, seed=0):
    """Smooth and colorful, uint8 [height, width, 3]."""
    corners = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(corners).resize((width, height), Image.BICUBIC))


def encoded(pixels, kind="JPEG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def make(head="softmax"):
    config = configs.config(
        model=MODEL, head=head, inputs={"image_size": (32, 32), "resize": "stretch"}
    )
    tf.random.set_seed(1)
    task = ClassificationTask(config, NAMES)
    return task, task.build(), config


def save(output, head="softmax", **changes):
    task, net, config = make(head)
    samples = [encoded(picture(40, 60)), encoded(picture(90, 30, 1), "PNG")]
    options = {
        "class_names": NAMES,
        "config_json": config.to_dict(),
        "metrics": {"top1": 0.5},
        "output": str(output),
        "samples": samples,
    }
    return exporter.export(task, net, **{**options, **changes}), task, net


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return save(tmp_path_factory.mktemp("export") / "pets")


@pytest.mark.addons
def test_a_saved_model_answers_as_the_net_it_was_made_from(exported):
    path, task, net = exported
    assert path.endswith("pets/1")
    images = [encoded(picture(33, 50, 7)), encoded(picture(64, 20, 8), "PNG")]
    model = serving.load(os.path.dirname(path))
    assert (model.name, model.version, model.class_names) == ("pets", 1, NAMES)
    found = model.predict([*images, picture(64, 20, 8)])
    expected = exporter.answers(task, net, images)
    for i in range(2):
        np.testing.assert_allclose(found[i]["scores"], expected["scores"][i], 1e-4, 1e-5)
        assert list(found[i]["class_ids"]) == list(expected["class_ids"][i])
        assert list(found[i]["class_names"]) == [NAMES[k] for k in expected["class_ids"][i]]
    np.testing.assert_allclose(found[2]["scores"], found[1]["scores"], 1e-5, 1e-6)


@pytest.mark.addons
def test_the_signatures_are_a_contract(exported):
    signatures = serving.load(exported[0]).signatures
    found = {}
    for name, function in signatures.items():
        _, inputs = function.structured_input_signature
        for way, specs in (("in", inputs), ("out", function.structured_outputs)):
            for key, spec in specs.items():
                found[name, way, key] = (spec.dtype.name, spec.shape.as_list())
    answers = {
        "scores": ("float32", [None, 3]),
        "class_ids": ("int32", [None, 3]),
        "class_names": ("string", [None, 3]),
        "top_scores": ("float32", [None, 3]),
    }
    assert found == {
        ("serving_default", "in", "image_bytes"): ("string", [None]),
        **{("serving_default", "out", key): value for key, value in answers.items()},
        ("serving_image", "in", "image"): ("uint8", [None, None, None, 3]),
        **{("serving_image", "out", key): value for key, value in answers.items()},
        ("classify", "in", "inputs"): ("string", [None]),
        ("classify", "out", "classes"): ("string", [None, 3]),
        ("classify", "out", "scores"): ("float32", [None, 3]),
    }


def test_an_empty_batch_has_an_empty_answer(exported):
    model = serving.load(exported[0])
    found = model.run("serving_default", {"image_bytes": np.array([], object).astype("S1")})
    assert found["scores"].shape == (0, 3)
    assert model.predict([]) == []


def test_the_folder_holds_what_a_server_and_a_person_need(exported):
    folder = exported[0]
    assert set(os.listdir(folder)) >= {"saved_model.pb", "variables", "assets", "assets.extra"}
    with open(os.path.join(folder, "assets", "labels.txt")) as file:
        assert file.read() == "cat\ndog\nowl\n"
    with open(os.path.join(folder, "model_card.json")) as file:
        card = json.load(file)
    assert card["classes"] == list(NAMES)
    assert card["metrics"] == {"split": "val", "top1": 0.5}
    assert card["check"]["samples"] == 2
    assert {row["signature"] for row in card["check"]["compared"]} == {
        "serving_default",
        "serving_image",
        "classify",
    }
    assert os.listdir(os.path.dirname(folder)) == ["1"]


def test_the_served_graph_has_constants_for_weights(exported):
    function = serving.load(exported[0]).signatures["serving_default"]
    assert not function.captured_inputs
    assert function.structured_outputs["scores"].shape.as_list() == [None, 3]


def test_a_version_is_never_overwritten(exported):
    base = os.path.dirname(exported[0])
    with pytest.raises(errors.DataError, match="already has version 1"):
        save(base, version=1)
    assert os.listdir(base) == ["1"]


def test_nothing_is_left_when_the_saved_model_answers_differently(tmp_path, monkeypatch):
    right = exporter.answers

    def wrong(*args):
        found = right(*args)
        return {**found, "scores": found["scores"] + np.float32(0.001)}

    monkeypatch.setattr(exporter, "answers", wrong)
    with pytest.raises(errors.DataError, match=r"scores.*differs by up to 0\.001"):
        save(tmp_path / "base")
    assert os.listdir(tmp_path) == []


def test_an_export_without_a_picture_is_refused(tmp_path):
    with pytest.raises(errors.DataError, match="there is none"):
        save(tmp_path / "base", samples=[])


@pytest.mark.usefixtures("checked_here")
def test_a_net_too_large_to_freeze_is_saved_with_variables(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FREEZE_LIMIT", 0)
    path, _, _ = save(tmp_path / "base", head="sigmoid", version=7)
    assert path.endswith("/7")
    model = serving.load(path)
    assert model.signatures["serving_default"].captured_inputs
    assert model.card["config"]["head"] == "sigmoid"


def test_a_folder_without_a_model_is_an_error_that_says_so(tmp_path):
    with pytest.raises(errors.DataError, match="contains no exported model"):
        serving.load(str(tmp_path))
    with pytest.raises(errors.DataError, match="is not a directory"):
        serving.load(str(tmp_path / "none"))


def test_a_bad_image_is_named(exported, tmp_path):
    model = serving.load(exported[0])
    with pytest.raises(errors.DataError, match="image 1: not an image"):
        model.predict([encoded(picture(8, 8)), b"no picture at all"])
    with pytest.raises(errors.DataError, match=r"x\.png: No such file"):
        model.predict([str(tmp_path / "x.png")])
    with pytest.raises(errors.DataError, match=r"image 0 is float64 \(4, 4, 3\)"):
        model.predict([np.zeros((4, 4, 3))])
