"""Fine-tuning: frozen weights stay, slow ones take their share of every optimizer's step."""

import numpy as np
import pytest
import tensorflow as tf

from tfvision import architectures, errors, stack
from tfvision.training import tuning
from tfvision.weights import native


@pytest.fixture(scope="module")
def net():
    return architectures.build("resnet18", num_classes=3, image_size=(8, 8), width=4, stem="small")


def thaw(net):
    for layer in native.leaves(net):
        layer.trainable = True


@pytest.mark.addons
def test_what_is_frozen_is_left_out_and_its_normalisation_too(net):
    kept = tuning.freeze(net, ["^conv1/", "^bn1/", "^layer1"])
    names = [native.name_of(v) for v in kept]
    assert not [n for n in names if n.startswith(("conv1/", "bn1/", "layer1"))]
    assert "layer2.0.conv1/kernel" in names
    layers = {layer.name: layer for layer in native.leaves(net)}
    assert not layers["layer1.0.bn1"].trainable
    assert layers["layer2.0.bn1"].trainable
    before = np.array(stack.raw(layers["bn1"].moving_mean))
    net.train({"image": tf.random.stateless_uniform([2, 8, 8, 3], [0, 1], 0, 255)}, training=True)
    np.testing.assert_array_equal(before, np.array(stack.raw(layers["bn1"].moving_mean)))
    assert np.abs(np.array(stack.raw(layers["layer2.0.bn1"].moving_mean))).max() > 0
    thaw(net)


def test_a_part_of_a_layer_can_be_frozen(net):
    kept = [native.name_of(v) for v in tuning.freeze(net, ["^fc/bias$"])]
    assert "fc/kernel" in kept
    assert "fc/bias" not in kept
    assert all(layer.trainable for layer in native.leaves(net))


def test_the_first_pattern_that_finds_a_variable_gives_its_factor(net):
    variables = net.train.trainable_variables
    found = tuning.factors(variables, [("^fc/", 2), ("kernel$", 0.5)])
    by_name = dict(zip(map(native.name_of, variables), found, strict=True))
    assert by_name["fc/kernel"] == 2.0
    assert by_name["conv1/kernel"] == 0.5
    assert by_name["bn1/gamma"] == 1.0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda net: tuning.freeze(net, ["^layr1"]), "weights.freeze: '.layr1' is found in no"),
        (lambda net: tuning.freeze(net, ["("]), "is not a regular expression"),
        (lambda net: tuning.freeze(net, ["."]), "nothing to train"),
        (lambda net: tuning.factors(net.train.trainable_variables, [("fc", -1)]), "a factor"),
        (lambda net: tuning.factors(net.train.trainable_variables, ["fc"]), "a factor"),
        (lambda net: tuning.factors(net.train.trainable_variables, [("fd", 1)]), "weights.rates"),
    ],
)
def test_what_cannot_be_meant_is_refused(net, function, message):
    with pytest.raises(errors.UsageError, match=message):
        function(net)
