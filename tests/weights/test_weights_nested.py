"""Keras models with a model as a layer: what such files hold, and a backbone taken out of one."""

import h5py
import keras
import numpy as np
import pytest

from tfvision import architectures, stack, weights
from tfvision.weights import hdf5, keras_layers, native

pytestmark = pytest.mark.addons


def _model():
    """A backbone of two convolutions and a normalisation, and a dense layer after it."""
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 3, name="first")(image)
    x = keras.layers.BatchNormalization(name="bn")(x)
    backbone = keras.Model(image, keras.layers.Conv2D(2, 1, name="second")(x), name="backbone")
    image = keras.Input((4, 4, 3))
    x = keras.layers.Flatten()(backbone(image))
    model = keras.Model(image, keras.layers.Dense(3, name="fc")(x))
    for index, variable in enumerate(model.weights):
        variable.assign(np.full(variable.shape, index))
    return model, backbone


PLACES = {  # layer -> where the legacy layout and the other one have it
    "first": ("backbone/first", "layers/functional/layers/conv2d"),
    "bn": ("backbone/bn", "layers/functional/layers/batch_normalization"),
    "second": ("backbone/second", "layers/functional/layers/conv2d_1"),
    "fc": ("fc", "layers/dense"),
}


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
@pytest.mark.parametrize("name", ["a.weights.h5", "b.h5", "c.keras"])
def test_the_layers_of_an_inner_model_stand_behind_its_name(tmp_path, name):
    model, backbone = _model()
    save = model.save_weights if name == "a.weights.h5" else model.save
    save(str(tmp_path / name))
    found = hdf5.read(str(tmp_path / name))
    assert len(found) == len(model.weights)
    for layer, (legacy, by_class) in PLACES.items():
        place = legacy if name == "b.h5" else by_class
        holder = model if layer == "fc" else backbone
        for number, value in enumerate(holder.get_layer(layer).get_weights()):
            np.testing.assert_array_equal(found[f"{place}/{number}"], value)


@pytest.mark.skipif(not stack.KERAS_3, reason="Keras 2 names weights without the model's scope")
def test_a_sequential_model_inside_is_read_as_one(tmp_path):
    inner = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, name="only")], name="inner")
    model = keras.Sequential([keras.Input((5,)), inner, keras.layers.Dense(3, name="fc")])
    model.save(str(tmp_path / "a.h5"))
    assert list(hdf5.read(str(tmp_path / "a.h5"))) == [
        "inner/only/0",
        "inner/only/1",
        "fc/0",
        "fc/1",
    ]


def test_a_list_of_names_that_keras_cut_is_joined(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names0"], file.attrs["layer_names1"] = ["first"], ["second"]
        for layer in ("first", "second"):
            group = file.create_group(layer)
            group.attrs["weight_names0"] = [f"{layer}/kernel:0"]
            group.attrs["weight_names1"] = [f"{layer}/bias:0"]
            group[f"{layer}/kernel:0"], group[f"{layer}/bias:0"] = np.ones((2, 2)), np.zeros(2)
    found = list(hdf5.read(str(tmp_path / "a.h5")))
    assert found == ["first/0", "first/1", "second/0", "second/1"]


def test_scopes_that_older_keras_counted_on_are_one_layers(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = ["bn_1"]
        group = file.create_group("bn_1")
        group.attrs["weight_names"] = ["bn_1_1/gamma:0", "bn_1_1/beta:0"]
        group["bn_1_1/gamma:0"], group["bn_1_1/beta:0"] = np.ones(2), np.zeros(2)
    assert list(hdf5.read(str(tmp_path / "a.h5"))) == ["bn_1/0", "bn_1/1"]


@pytest.mark.parametrize("by_class", [False, True])
def test_a_network_of_keras_inside_a_model_fills_ours(by_class):
    net = architectures.build(
        "vgg16", num_classes=2, image_size=(32, 32), width=1, hidden=3, version="keras"
    )
    layers = keras_layers.table("vgg16")
    classes = keras_layers.by_class(layers)
    values, mapping = native.collect(net), {"layers/dense/0" if by_class else "top/0": np.ones(3)}
    for layer in layers:
        place = f"layers/functional/{classes[layer]}" if by_class else f"vgg16/{layer.theirs}"
        if not layer.theirs.startswith(("fc", "pred")):
            for number, variable in enumerate(("kernel", "bias")):
                mapping[f"{place}/{number}"] = np.full_like(values[f"{layer.ours}/{variable}"], 7)
    weights.load(net, mapping, source="keras", skip=(r"^classifier\.", "^outside/"))
    found = native.collect(net)
    assert (found["features.28/kernel"] == 7).all()
    np.testing.assert_array_equal(found["classifier.6/kernel"], values["classifier.6/kernel"])
