"""Files that Keras Applications' models write, read into our nets: the same logits come out."""

import gc
import types

import h5py
import keras
import numpy as np
import pytest
import warm

from tfvision import architectures, errors, stack, weights
from tfvision.weights import hdf5, keras_applications, keras_layers, native

pytestmark = pytest.mark.addons

PREPROCESS = {"resnet": "resnet", "vgg": "vgg16", "inception": "inception_v3"}
CASES = {
    "resnet50": ((97, 131), 5),
    "inception_v3": ((139, 161), 5),
    "vgg16": ((224, 224), 5),
}
SIZES = {  # of the published files, with heads of 1000 classes and moving statistics
    "resnet50": 25_636_712,
    "resnet101": 44_707_176,
    "resnet152": 60_419_944,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "inception_v3": 23_851_784,
}


def _values(shape, kind, rng):
    if len(shape) > 1:
        scale = np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        return rng.standard_normal(shape, np.float32) * scale
    low, high = {"gamma": (0.3, 0.6), "moving_variance": (0.8, 1.2)}.get(kind, (-0.1, 0.1))
    return rng.uniform(low, high, shape)


def _application(model, size, classes):
    """Keras's model, every weight drawn anew, and its preprocessing."""
    family = next(name for name in PREPROCESS if model.startswith(name))
    build = getattr(keras.applications, keras_layers.APPLICATIONS[model])
    theirs = build(
        weights=None, input_shape=(*size, 3), classes=classes, classifier_activation=None
    )
    rng = np.random.default_rng(0)
    for variable in theirs.weights:
        kind = stack.variable_path(variable).rpartition("/")[2]
        variable.assign(_values(tuple(variable.shape), kind, rng))
    module = getattr(keras.applications, PREPROCESS[family])
    return theirs, module.preprocess_input


def _save_legacy(model, path):
    if not stack.KERAS_3:
        model.save_weights(path)
        return
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


@pytest.mark.parametrize(
    "model", ["resnet50", "inception_v3", pytest.param("vgg16", marks=pytest.mark.slow)]
)
def test_both_layouts_of_a_file_give_the_logits_of_keras(model, tmp_path):
    size, classes = CASES[model]
    theirs, preprocess = _application(model, size, classes)
    picture = np.random.default_rng(1).uniform(0, 255, (2, *size, 3)).astype(np.float32)
    expected = np.asarray(theirs(preprocess(picture.copy()), training=False))
    files = {"legacy.h5": _save_legacy, "new.weights.h5": lambda m, path: m.save_weights(path)}
    for name, save in files.items():
        save(theirs, str(tmp_path / name))
    values = sum(int(np.prod(v.shape)) for v in theirs.weights)
    del theirs
    gc.collect()

    options = keras_applications.options(model)
    net = architectures.build(model, num_classes=classes, image_size=size, **options)
    for name in files:
        for variable in net.variables():
            variable.assign(np.full(variable.shape, np.nan))
        count = weights.load(net, tmp_path / name, source="keras")
        gammas = sum(int(np.prod(v.shape)) for v in net.variables()) - values
        assert gammas == (0 if model != "inception_v3" else 17_216)  # gamma of 1
        assert count == values + gammas
        found = np.asarray(net.serve({"image": picture}, training=False)["class_logits"])
        difference = np.abs(found - expected).max() / expected.std()
        print(f"{model}, {name}: logits differ by {difference:.1e} of their standard deviation")
        assert difference <= 1e-4
        (tmp_path / name).unlink()


@pytest.mark.parametrize("model", keras_layers.APPLICATIONS)
def test_the_table_names_every_layer_of_ours_and_of_keras_once(model):
    layers = keras_layers.table(model)
    small = {"hidden": 4} if model.startswith("vgg") else {}
    options = {**keras_applications.options(model), **small}
    net = architectures.build(model, num_classes=2, image_size=(75, 75), width=2, **options)
    ours = {name.rpartition("/")[0] for name in native.named(net)}
    assert sorted(layer.ours for layer in layers) == sorted(ours)
    by_class = keras_layers.by_class(layers)
    assert len(set(by_class.values())) == len(layers)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["resnet152", "inception_v3"])
def test_our_nets_hold_as_many_values_as_the_published_files(model):
    options = keras_applications.options(model)
    net = architectures.build(model, num_classes=1000, image_size=(224, 224), **options)
    count = sum(int(np.prod(v.shape)) for v in net.variables())
    # Keras's Inception has no gamma; ours has 17,216
    assert count - (17_216 if model == "inception_v3" else 0) == SIZES[model]


def _tiny_vgg():
    """A net and its arrays as a file would hold them; element i of all is i."""
    net = architectures.build(
        "vgg16", num_classes=2, image_size=(32, 32), width=1, hidden=3, version="keras"
    )
    shapes = {name: value.shape for name, value in native.collect(net).items()}
    mapping, done = {}, 0
    for layer in keras_layers.table("vgg16"):
        for number, variable in enumerate(("kernel", "bias")):
            shape = shapes[f"{layer.ours}/{variable}"]
            size = int(np.prod(shape))
            mapping[f"{layer.theirs}/{number}"] = np.arange(done, done + size).reshape(shape)
            done += size
    return net, mapping


def test_the_first_convolution_is_turned_to_rgb_and_the_dense_layer_to_channels_first():
    net, mapping = _tiny_vgg()
    weights.load(net, mapping, source="keras")
    values = native.collect(net)
    np.testing.assert_array_equal(
        values["features.0/kernel"], mapping["block1_conv1/0"][:, :, ::-1]
    )
    # row (h=2, w=5, c=3) of Keras's is row 3 * 49 + 2 * 7 + 5 of ours
    theirs = mapping["fc1/0"].reshape(7, 7, 8, 3)[2, 5, 3]
    np.testing.assert_array_equal(values["classifier.0/kernel"][3 * 49 + 2 * 7 + 5], theirs)


def test_what_does_not_fit_is_told_and_nothing_is_changed():
    net, mapping = _tiny_vgg()
    before = native.collect(net)
    del mapping["fc2/1"]
    mapping["block6_conv1/0"] = np.zeros(1)
    with pytest.raises(errors.DataError) as caught:
        weights.load(net, mapping, source="keras")
    assert "1 in the file but not in the model: block6_conv1/0" in str(caught.value)
    assert "1 in the model but not in the file: classifier.3/bias" in str(caught.value)
    for name, value in native.collect(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_file_without_a_head_needs_a_skip():
    net, mapping = _tiny_vgg()
    headless = {name: a for name, a in mapping.items() if name.startswith("block")}
    with pytest.raises(errors.DataError, match="6 in the model but not in the file"):
        weights.load(net, headless, source="keras")
    weights.load(net, headless, source="keras", skip=("^classifier",))


def test_a_net_of_another_version_is_refused():
    net = architectures.build("vgg16", num_classes=2, image_size=(32, 32), width=1, hidden=3)
    with pytest.raises(errors.UsageError, match="version='keras'"):
        weights.load(net, _tiny_vgg()[1], source="keras")
    small = architectures.build("resnet18", num_classes=2, image_size=(32, 32), width=1)
    with pytest.raises(errors.UsageError, match="unknown model of Keras Applications 'resnet18'"):
        weights.load(small, {}, source="keras")


def test_files_that_are_no_weights_are_one_line(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(3)
    for name, message in (("broken.h5", "broken or truncated"), ("other.h5", "no weights of Ke")):
        with pytest.raises(errors.DataError, match=message) as caught:
            hdf5.read(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def _fake_download(mapping):
    layers = {}
    for name, array in mapping.items():
        layers.setdefault(name.rpartition("/")[0], []).append(array)
    made = [
        types.SimpleNamespace(name=name, get_weights=lambda arrays=arrays: arrays)
        for name, arrays in layers.items()
    ]

    def application(weights):
        assert weights == "imagenet"
        return types.SimpleNamespace(layers=made)

    return application


def test_imagenet_in_place_of_a_file_asks_keras_for_it(monkeypatch):
    net, mapping = _tiny_vgg()
    monkeypatch.setattr(keras.applications, "VGG16", _fake_download(mapping))
    weights.load(net, "imagenet", source="keras")
    kernel = native.collect(net)["classifier.6/kernel"]
    np.testing.assert_array_equal(kernel, mapping["predictions/0"])


@pytest.mark.slow
def test_import_weights_counts_the_classes_and_names_the_options(tmp_path):
    theirs = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=3)
    theirs.save_weights(str(tmp_path / "theirs.weights.h5"))
    flags = ["--source=keras", f"--checkpoint={tmp_path / 'theirs.weights.h5'}"]
    flags += ["--model=resnet50", f"--output={tmp_path / 'ours.npz'}"]
    done = warm.run("tfvision.tools.import_weights", *flags)
    assert done.returncode == 0, done.stderr
    assert "3 classes" in done.stdout
    assert "--config.model.version=keras" in done.stdout
    net = architectures.build("resnet50", num_classes=3, image_size=(32, 32), version="keras")
    weights.load(net, tmp_path / "ours.npz", source="tfvision")
    kernel = native.collect(net)["fc/kernel"]
    np.testing.assert_array_equal(kernel, theirs.get_layer("predictions").get_weights()[0])


def test_a_download_that_fails_says_what_to_do(monkeypatch):
    def refuse(weights):
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "VGG16", refuse)
    with pytest.raises(errors.DataError, match=r"no route to host.*give its path"):
        keras_applications.download("vgg16")
