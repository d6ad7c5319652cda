"""What a Keras user types: each line of a tour, with what it must give."""

import json
import subprocess
import sys

import class_folders
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tfvision
from tfvision import stack

pytestmark = pytest.mark.addons
SIDE = 32


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (6, SIDE, SIDE, 3)).astype("float32")


@pytest.fixture(scope="module")
def labels():
    return np.arange(6) % 3


def small(**options):
    options = {"image_size": (SIDE, SIDE), "width": 4, "stem": "small"} | options
    return tfvision.models.build("resnet18", num_classes=3, **options)


def test_the_parts_are_listed_and_there_after_one_quick_import():
    code = (
        "import sys, tfvision; print('keras' in sys.modules, *dir(tfvision)); "
        "print(tfvision.ops.boxes.iou_matrix.__name__, tfvision.ops.roi.align.__name__, "
        "tfvision.ops.nms.per_class.__name__, tfvision.inputs.pipeline.train.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = run.stdout.splitlines()
    assert first.split() == ["False", "__version__", *tfvision.__all__]
    assert second == "iou_matrix align per_class train"


def test_a_model_is_built_called_compiled_and_fitted(images, labels, tmp_path):
    model = small()
    assert model(images).shape == (6, 3)
    assert model.net.serve({"image": images})["class_logits"].shape == (6, 3)
    ours, theirs = (
        tfvision.losses.CrossEntropy(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for loss in (ours, theirs):
        model.compile(tfvision.optimizers.LAMB(1e-3), loss=loss, metrics=[tfvision.metrics.TopK(1)])
        model.fit(images, labels, verbose=0)
    one_hot = np.eye(3, dtype="float32")[labels]
    logits = model(images)
    assert float(ours(one_hot, logits)) == pytest.approx(float(theirs(labels, logits)), rel=1e-6)
    assert model.optimizer.get_config()["name"].lower().startswith("lamb")

    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(images), logits)
    if stack.KERAS_3:  # Keras 2.15 asks for functional or sequential models
        graph = keras.models.clone_model(model.net.serve)
        assert graph({"image": images})["class_logits"].shape == (6, 3)

    other = small()
    arrays = {native(variable): np.array(stack.raw(variable)) for variable in model.net.variables()}
    assert tfvision.weights.load(other, arrays, source="tfvision") > 1000
    np.testing.assert_array_equal(other(images), logits)


def native(variable):
    from tfvision.weights import native

    return native.name_of(variable)


def center(photo):
    """As the reference was made: the short side 256, the middle 224 x 224."""
    with Image.open(photo) as image:
        image = image.convert("RGB")
    scale = 256 / min(image.size)
    size = tuple(round(side * scale) for side in image.size)
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = ((side - 224) // 2 for side in size)
    return np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)


def test_real_weights_are_given_by_their_file(shared_data):
    """Against the answers of torch and of OpenCV."""
    weights = shared_data.parent / "weights"
    reference = json.loads((weights / "reference" / "mobilenet_v2_imagenet_top5.json").read_text())
    file = weights / "mobilenet_v2_imagenet_torch" / "mobilenet_v2-b0353104.npz"
    settings = {"inputs": {"resize": "center_crop"}}
    model = tfvision.models.build(
        "mobilenet_v2", num_classes=1000, weights=(file, "torchvision"), settings=settings
    )
    photos = sorted((shared_data / "cls_imagenet_sample" / "images").iterdir())[:12]
    wanted = [reference["predictions"][photo.name]["top5"][0] for photo in photos]
    scores = tf.nn.softmax(model(np.stack([center(photo) for photo in photos]))).numpy()
    assert scores.argmax(axis=1).tolist() == [best for best, _, _ in wanted]
    np.testing.assert_allclose(scores.max(axis=1), [score for _, _, score in wanted], atol=1e-3)
    answers = model.predict_images(photos)  # with our own resizing
    assert [answer["class_ids"][0] for answer in answers] == [best for best, _, _ in wanted]

    reference = weights / "reference" / "yolov3_tiny_coco_val_detections.json"
    wanted = dict(list(json.loads(reference.read_text())["detections"].items())[:6])
    folder = weights / "yolov3_tiny_darknet"
    names = (folder / "coco.names").read_text().split("\n")[:80]
    model = tfvision.models.build(
        "yolo_v3_tiny",
        class_names=names,
        image_size=416,
        weights=folder / "yolov3-tiny.weights",
        settings={"detection": {"score_threshold": 0.27}, "inputs": {"antialias": False}},
    )
    photos = [shared_data / "coco128" / "images" / "val2017" / name for name in wanted]
    for boxes, photo, answer in zip(
        wanted.values(), photos, model.predict_images(photos), strict=True
    ):
        height, width, _ = keras.utils.img_to_array(keras.utils.load_img(photo)).shape
        edges = np.array([width, height] * 2)
        for box in boxes:
            place = np.clip(box["box_xyxy"], 0, edges)
            apart = np.abs(answer["boxes"][:, [1, 0, 3, 2]] - place).max(axis=1)
            same = answer["class_names"] == box["class"]
            scores = answer["scores"][(apart < 1.5) & same]
            assert len(scores) == 1, box
            assert scores[0] == pytest.approx(box["score"], abs=0.03)


def test_a_layer_of_ours_in_a_model_of_ones_own(images, labels, tmp_path):
    layers = [tfvision.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]
    own = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *layers, keras.layers.Dense(3)])
    own.compile("sgd", loss=tfvision.losses.Focal())
    own.fit(images, labels, verbose=0)
    own.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again(images), own(images))
    assert issubclass(tfvision.layers.RoiAlign, keras.layers.Layer)


def test_data_go_from_a_folder_to_fit_and_to_the_trainer(tmp_path):
    class_folders.write(tmp_path / "photos", {"": 6}, class_folders.shades(SIDE, 25))
    tfvision.datasets.convert(
        format="folder",
        images=str(tmp_path / "photos"),
        output=str(tmp_path / "data"),
        split={"train": 0.8, "val": 0.2},
    )
    data = tfvision.datasets.load(
        tmp_path / "data", augment=["horizontal_flip"], image_size=SIDE, batch_size=4
    )
    model = tfvision.models.build(
        "resnet18", class_names=data.class_names, image_size=SIDE, width=4, stem="small"
    )
    model.compile(tfvision.optimizers.LARS(0.1))
    model.fit(data, epochs=1, verbose=0, shuffle=False)
    assert set(model.measure(tmp_path / "data")) >= {"top1", "images"}

    own = tf.data.Dataset.from_tensor_slices(
        (np.zeros((4, 8, 8, 3), "uint8"), np.array([0, 1, 0, 1]))
    )
    tfvision.datasets.from_tf(own, output=str(tmp_path / "own"), class_names=["dark", "light"])
    assert tfvision.datasets.info(tmp_path / "own").split("train").records == 4
