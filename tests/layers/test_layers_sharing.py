import keras
import numpy as np
import pytest

from tfvision import layers
from tfvision.net import Net

pytestmark = pytest.mark.addons


def model(size, stride, filters=3):
    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(filters, 3, strides=stride, use_bias=True, name="conv")(image)
    x = layers.BatchNormalization(name="bn")(x)
    return keras.Model({"image": image}, {"out": layers.GlobalAveragePool(name="pool")(x)})


def test_two_networks_of_other_sizes_and_strides_have_one_set_of_variables():
    train = model(8, 1)
    with layers.sharing(train):
        serve = model(16, 2)
    net = Net(train, serve)
    assert len(net.variables()) == len(train.variables) == len(serve.variables) == 6
    train.get_layer("conv").kernel.assign(np.zeros((3, 3, 3, 3), np.float32))
    train.get_layer("conv").bias.assign(np.full(3, 2.0, np.float32))
    out = serve({"image": np.ones((1, 16, 16, 3), np.float32)}, training=False)["out"]
    np.testing.assert_allclose(out, np.full((1, 3), 2.0 / np.sqrt(1.0 + 1e-5)), rtol=1e-6)


def test_a_layer_that_does_not_fit_is_refused():
    with layers.sharing(model(8, 1)), pytest.raises(ValueError, match=r"conv/kernel.*is to be"):
        model(8, 1, filters=4)


def test_outside_nothing_is_shared():
    first, second = model(8, 1), model(8, 1)
    with layers.sharing(first):
        pass
    third = model(8, 1)
    variables = [id(v) for m in (first, second, third) for v in m.variables]
    assert len(set(variables)) == 18


def test_image_statistics_normalise_each_image_outside_training():
    image = keras.Input((2, 1, 1), name="image")
    layer = layers.BatchNormalization(image_statistics=True, epsilon=0.0, name="bn")
    net = keras.Model(image, layer(image))
    two = np.array([[[[1.0]], [[3.0]]], [[[0.0]], [[-8.0]]]], np.float32)
    out = net(two, training=False)  # each by its own: means 2 and -4, deviations 1 and 4
    np.testing.assert_allclose(np.reshape(out, (2, 2)), [[-1.0, 1.0], [1.0, -1.0]], rtol=1e-6)
    np.testing.assert_array_equal(np.array(layer.moving_mean), [0.0])
