"""`models.build`: a network with its task as a Keras model, for every task."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import shallow
import tensorflow as tf
import test_contract

from tfvision import config as configs
from tfvision import datasets, errors, models, stack, tasks, training

records = test_contract.records
pytestmark = [pytest.mark.addons, pytest.mark.slow, pytest.mark.usefixtures("shallow")]
RCNN = {**test_contract.RCNN, "mask_widths": (8,)}
SIDE = 64
STEPS = 12  # 50 give the same and take longer
TESTS = str(pathlib.Path(__file__).parents[1])
RATES = {"classification": 1e-3, "segmentation": 1e-2, "detection": 1e-5, "instance": 1e-4}
CASES = {
    "classification": ("vgg16", {"width": 2, "hidden": 8, "dropout": 0.0}),
    "segmentation": ("deeplab_v1_small", {"width": 2, "hidden": 8, "dropout": 0.0}),
    "detection": ("yolo_v3_tiny", {"width": 4}),
    "instance": ("mask_rcnn_resnet18_fpn", RCNN),
}
FRESH = """
import json, sys
import keras, numpy as np, pytest, tensorflow as tf
sys.path.insert(0, sys.argv[3])
import shallow
import tfvision.models
shallow.shorten(pytest.MonkeyPatch())  # as the saved models are
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)

for name in json.loads(sys.argv[2]):
    model = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
    with np.load(f"{sys.argv[1]}/{name}.npz") as file:
        outputs = tf.nest.flatten(model(file["image"]))
        for number, output in enumerate(outputs):
            np.testing.assert_allclose(output, file[str(number)], rtol=1e-6, atol=1e-6)

def losses(strategy):
    keras.utils.set_random_seed(1)
    images = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((images, np.arange(8) % 3)).batch(4)
    with strategy.scope():
        options = {"width": 2, "hidden": 8, "dropout": 0.0}
        model = tfvision.models.build("vgg16", num_classes=3, image_size=32, **options)
        model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    return model.fit(data, epochs=3, verbose=0, shuffle=False).history["loss"]

alone = losses(tf.distribute.get_strategy())
assert alone[2] < alone[0], alone
shared = losses(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
np.testing.assert_allclose(shared, alone, rtol=1e-5)
"""


def made(task, classes=3):
    name, options = CASES[task]
    return models.build(name, num_classes=classes, image_size=SIDE, **options)


def images(count, side=SIDE):
    return np.random.default_rng(0).uniform(0, 255, (count, side, side, 3)).astype("float32")


def targets(task, count, side=SIDE):
    """As `datasets.load` gives them."""
    boxes = np.zeros((count, 2, 4), "float32")
    boxes[:, 0] = 8, 8, 40, 48
    several = {
        "boxes": boxes,
        "class_ids": np.tile(np.array([[1, -1]], "int32"), (count, 1)),
        "frame": np.tile(np.array([[side, side, 1, 1, 0, 0]], "float32"), (count, 1)),
    }
    return {
        "classification": np.arange(count) % 3,
        "segmentation": np.arange(count * side**2).reshape(count, side, side) % 3,
        "detection": several,
        "instance": {**several, "masks": np.ones((count, 2, 28, 28), "uint8")},
    }[task]


def pairs(task, count=4, batch=2, side=SIDE):
    arrays = images(count, side), targets(task, count, side)
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)


def test_a_loaded_model_goes_on(tmp_path):
    model, again = made("classification"), made("classification")
    model.compile(keras.optimizers.SGD(1e-2, momentum=0.9))
    model.fit(pairs("classification"), verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(model(images(2)), again(images(2)))
    loaded = keras.models.load_model(tmp_path / "model.keras")
    losses = [
        each.fit(pairs("classification"), verbose=0, shuffle=False).history["loss"]
        for each in (model, loaded)
    ]
    assert losses[0] == losses[1]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder of fitted models with their outputs, and {task: (fit's losses, the Trainer's)}."""
    folder = tmp_path_factory.mktemp("models")
    paths = records.__wrapped__(tmp_path_factory)
    with pytest.MonkeyPatch.context() as patch:
        shallow.shorten(patch)
        return folder, {task: fit(task, paths(task), folder) for task in CASES}


def fit(task, path, folder):
    """STEPS steps by fit and by the Trainer's own function; the means of each epoch."""
    name, options = CASES[task]
    epoch = round(datasets.info(path).split("train").records / 4)
    epochs = -(-STEPS // epoch)
    config = configs.config(
        task=task,
        data={"path": path},
        model={"name": name, **options},
        inputs={"image_size": (SIDE, SIDE), "resize": "stretch"},
        detection={"mask_size": 28},
        optimizer={"name": "momentum", "momentum": 0.9},
        schedule={"name": "constant", "learning_rate": RATES[task]},
        train={"batch_size": 4, "epochs": float(epochs), "precision": "float32"},
    )
    trainer = training.Trainer(tasks.build(config), config, str(folder / task))
    masks = {"mask_size": 28} if task == "instance" else {}
    data = datasets.load(path, task=task, image_size=SIDE, batch_size=4, **masks)
    model = models.build(name, class_names=data.class_names, image_size=SIDE, **options)
    for variable, other in zip(model.net.variables(), trainer.net.variables(), strict=True):
        stack.raw(variable).assign(stack.raw(other))
    model.compile(keras.optimizers.SGD(RATES[task], momentum=0.9))
    history = model.fit(data, epochs=epochs, verbose=0, shuffle=False).history
    function, batches = trainer.traced(0)
    rows = function.run(batches, tf.constant(epochs * epoch)).numpy()
    model.save(folder / f"{task}.keras")
    outputs = tf.nest.flatten(model(images(2)))
    numbered = {str(number): np.array(value) for number, value in enumerate(outputs)}
    np.savez(folder / f"{task}.npz", image=images(2), **numbered)
    return history["loss"], rows[:, :-1].sum(axis=1).reshape(epochs, epoch).mean(axis=1)


@pytest.mark.parametrize("task", CASES)
def test_fit_takes_the_steps_of_the_trainer(task, fitted):
    ours, trainers = fitted[1][task]
    np.testing.assert_allclose(ours, trainers, rtol=1e-4)
    assert ours[-1] < ours[0]


def test_a_fresh_process_loads_the_saved_models_and_fits_on_two_replicas(fitted):
    command = [sys.executable, "-c", FRESH, str(fitted[0]), json.dumps(list(CASES)), TESTS]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]


def test_a_model_is_measured_as_a_run_is_evaluated(records, tmp_path):
    path, (name, options) = records("classification"), CASES["classification"]
    config = configs.config(
        data={"path": path},
        model={"name": name, **options},
        inputs={"image_size": (SIDE, SIDE), "resize": "stretch"},
        train={"precision": "float32"},
    )
    trainer = training.Trainer(tasks.build(config), config, str(tmp_path / "run"))
    model = models.build(name, class_names=config.data.class_names, image_size=SIDE, **options)
    for variable, other in zip(model.net.variables(), trainer.net.variables(), strict=True):
        stack.raw(variable).assign(stack.raw(other))
    assert model.measure(path) == pytest.approx(trainer.evaluate(), abs=1e-6)
    with pytest.raises(errors.DataError, match="class 0 is 'dark' here and '0' there"):
        made("classification").measure(path)


def test_predictions_are_in_the_images_pixels(shared_data):
    photo = next(iter(sorted((shared_data / "coco128").rglob("*.jpg"))))
    pixels = keras.utils.img_to_array(keras.utils.load_img(photo)).astype("uint8")
    height, width, _ = pixels.shape
    for task in CASES:
        model = made(task)
        answers = model.predict_images([photo, photo.read_bytes(), pixels[: height // 2]])
        for key, value in answers[0].items():
            np.testing.assert_array_equal(value, answers[1][key])
        if task == "classification":
            assert answers[0]["scores"].sum() == pytest.approx(1)
            last = [layer for layer in model.net.serve.layers if layer.weights][-1]
            last.bias.assign([0.0, 99.0, 0.0])
            assert model.predict_images([photo])[0]["class_names"][0] == "1"
        if task == "segmentation":
            assert answers[0]["class_map"].shape == (height, width)
            assert answers[2]["class_map"].shape == (height // 2, width)
        if task == "instance":
            assert answers[0]["masks"].shape == (len(answers[0]["scores"]), height, width)
            assert len(model.predict_images([photo], threshold=1.1)[0]["boxes"]) == 0


def test_a_classifier_trains_with_a_loss_of_keras():
    model = made("classification")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x, y = images(6), targets("classification", 6)
    model.compile("sgd", loss=loss, metrics=["accuracy"])
    theirs = model.evaluate(x, y, verbose=0, return_dict=True)
    model.fit(x, y, verbose=0)
    model = made("classification")
    model.compile("sgd", metrics=["accuracy"])
    history = model.fit(x, keras.utils.to_categorical(y, 3), verbose=0).history
    assert set(history) == {"accuracy", "loss"}
    assert set(theirs) == {"accuracy", "loss"}


def test_targets_of_any_form_are_the_same_targets():
    for task in ("classification", "segmentation"):
        model = made(task)
        ids = targets(task, 2)
        one_hot = np.eye(3, dtype="float32")[ids]
        if task == "segmentation":
            ids[:, :9] = 255  # void, which is no class
            one_hot[:, :9] = 0
        for form in (ids.astype("float32"), ids[..., None], one_hot):
            found = model._targets(form, images(2))
            if task == "classification" and form is one_hot:
                np.testing.assert_array_equal(found, one_hot)  # shares of classes stay
            else:
                np.testing.assert_array_equal(found, ids)
                assert found.dtype == tf.int32
    with pytest.raises(errors.UsageError, match="the targets of task 'segmentation': y_true is"):
        model._targets(np.zeros((2, 7)), images(2))


def test_settings_of_a_config_count():
    settings = {"regularization": {"l2": 0.5}, "loss": {"name": "focal"}}
    name, options = CASES["classification"]
    model = models.build(name, num_classes=3, image_size=SIDE, settings=settings, **options)
    model.compile(keras.optimizers.SGD(0.0))
    history = model.fit(pairs("classification"), verbose=0, shuffle=False).history
    kernels = [v for v in model.trainable_variables if "kernel" in stack.variable_path(v)]
    squares = sum(float(np.square(np.array(stack.raw(v))).sum()) for v in kernels)
    assert history["l2"][0] == pytest.approx(0.25 * squares, rel=1e-4)
    assert history["loss"][0] == pytest.approx(history["class"][0] + history["l2"][0], rel=1e-6)
    with pytest.raises(errors.UsageError, match="settings has no option 'train'"):
        models.build(name, num_classes=3, settings={"train": {"ema": 0.9}})


def test_what_a_model_cannot_do_is_told():
    model = made("instance")
    with pytest.raises(errors.UsageError, match="compile it without a loss"):
        model.compile("sgd", loss="mse")
    with pytest.raises(errors.UsageError, match="`measure` gives those of task 'instance'"):
        model.compile("sgd", metrics=["accuracy"])
    with pytest.raises(errors.UsageError, match="trains with boxes, class_ids"):
        model(images(1), training=True)
    with pytest.raises(errors.UsageError, match="num_classes is 4 and class_names has 1 names"):
        models.build("resnet18", num_classes=4, class_names=["a"])
    with pytest.raises(errors.UsageError, match="did you mean 'resnet18'"):
        models.build("resnet8", num_classes=4)


def test_names_and_stages():
    assert "resnet50" in models.names("classification")
    assert "resnet50" not in models.list("instance")
    stages = models.backbone("resnet18", width=4)(images(1))
    assert {name: value.shape[1] for name, value in stages.items()} == {
        "c1": 32, "c2": 16, "c3": 8, "c4": 4, "c5": 2,
    }  # fmt: skip
    assert "receptive field" in models.summary(made("classification"))
