"""Darknet's own layers, against loops that spell out what Darknet's code does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import layers
from tfvision.darknet import cfg_layers

pytestmark = pytest.mark.addons


def apply(layer, x):
    """The layer's result within a functional model of unknown height and width."""
    inputs = keras.Input((None, None, x.shape[-1]))
    return np.asarray(keras.Model(inputs, layer(inputs))(x))


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("by", [1, 2, 3])
def test_reorg_takes_and_gives_darknets_flat_order(by):
    height, width, channels = 2 * by, 3 * by, 2 * by**2
    x = numbers(2, height, width, channels)
    got = apply(layers.Reorg(by), x)
    few = channels // by**2
    for image, result in zip(x, got, strict=True):
        flat = image.transpose(2, 0, 1).ravel()
        out = np.zeros_like(flat)
        for k in range(channels):
            for j in range(height):
                for i in range(width):
                    column = i * by + k // few % by
                    row = j * by + k // few // by
                    source = column + width * by * (row + height * by * (k % few))
                    out[i + width * (j + height * k)] = flat[source]
        out = out.reshape(channels * by**2, height // by, width // by)
        np.testing.assert_array_equal(result, out.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(2, 2, 1), (2, 1, 1), (5, 1, 4), (3, 2, 2), (2, 2, 0), (3, 1, 1)],
)
@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 5)])
def test_pooling_pads_less_at_the_top_and_left(size, stride, padding, height, width):
    x = numbers(1, height, width, 2)
    got = apply(layers.PaddedMaxPool2D(size, strides=stride, padding=padding), x)
    padded = np.full((height + padding, width + padding, 2), -np.inf, np.float32)
    first = padding // 2
    padded[first : first + height, first : first + width] = x[0]
    rows = range(0, height + padding - size + 1, stride)
    columns = range(0, width + padding - size + 1, stride)
    expected = [[padded[r : r + size, c : c + size].max((0, 1)) for c in columns] for r in rows]
    np.testing.assert_array_equal(got[0], expected)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_groups_of_channels_do_not_see_each_other(groups, stride):
    x = numbers(1, 5, 6, 4)
    layer = cfg_layers.GroupedConv2D(8, 3, groups=groups, strides=stride, padding=1, use_bias=True)
    layer.build((None, None, None, 4))
    kernel, bias = numbers(3, 3, 4 // groups, 8), numbers(8)
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    got = apply(layer, x)
    whole = np.zeros((3, 3, 4, 8), np.float32)  # the same as one kernel, zero between groups
    few, filters = 4 // groups, 8 // groups
    for g in range(groups):
        out = slice(g * filters, (g + 1) * filters)
        whole[:, :, g * few : (g + 1) * few, out] = kernel[..., out]
    padded = np.pad(x[0], ((1, 1), (1, 1), (0, 0)))
    expected = [
        [np.einsum("hwc,hwcf->f", padded[r : r + 3, c : c + 3], whole) for c in range(0, 6, stride)]
        for r in range(0, 5, stride)
    ]
    np.testing.assert_allclose(got[0], np.array(expected) + bias, atol=1e-4)


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (1, 0)])
def test_a_local_layer_has_a_kernel_at_every_place(stride, padding):
    x = numbers(2, 4, 5, 2)
    layer = layers.LocallyConnected2D(3, 3, strides=stride, padding=padding)
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    kernel, bias = numbers(*layer.kernel.shape), numbers(*layer.bias.shape)
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    got = np.asarray(model(x))
    assert got.shape == (2, *bias.shape)
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    for row, column in np.ndindex(*bias.shape[:2]):
        r, c = row * stride, column * stride
        window = padded[:, r : r + 3, c : c + 3]
        expected = np.einsum("bhwc,hwcf->bf", window, kernel[row, column]) + bias[row, column]
        np.testing.assert_allclose(got[:, row, column], expected, atol=1e-4)


@pytest.mark.parametrize("times", [2, 3, 7, 49])
def test_a_pixel_becomes_a_square(times):
    x = numbers(1, 3, 41, 2)
    expected = x.repeat(times, axis=1).repeat(times, axis=2)
    np.testing.assert_array_equal(apply(layers.Upsample(times), x), expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_square_s_gradient_is_that_of_its_pixel(dtype):
    x = tf.ones([1, 2, 3, 1], dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layers.Upsample(2, dtype=dtype)(x))
    np.testing.assert_array_equal(tf.cast(tape.gradient(loss, x), tf.float32), 4 * np.ones(x.shape))


def test_a_part_of_the_channels():
    got = apply(cfg_layers.ChannelGroup(2, 1), np.float32([[[[1, 2, 3, 4]]]]))
    np.testing.assert_array_equal(got, [[[[3, 4]]]])


def test_bias_is_one_number_a_channel():
    layer = cfg_layers.Bias()
    layer.build((None, None, None, 2))
    layer.bias.assign([10, 20])
    np.testing.assert_array_equal(apply(layer, np.float32([[[[1, 2]]]])), [[[[11, 22]]]])


def test_channels_of_a_head_become_anchors():
    got = apply(layers.AnchorCells(2), np.arange(12, dtype=np.float32).reshape(1, 1, 1, 12))
    np.testing.assert_array_equal(got, np.arange(12).reshape(1, 1, 1, 2, 6))


def test_the_vector_of_version_1_becomes_cells():
    # 2 x 2 cells, 3 classes, 1 box: 12 classes, 4 confidences, 16 numbers of boxes
    vector = np.arange(32, dtype=np.float32)[None]
    inputs = keras.Input((32,))
    model = keras.Model(inputs, layers.DetectionCells(2, 1)(inputs))
    got = np.asarray(model(vector))
    assert got.shape == (1, 2, 2, 8)
    np.testing.assert_array_equal(got[0, 1, 0], [6, 7, 8, 14, 24, 25, 26, 27])


@pytest.mark.parametrize(
    "layer",
    [
        layers.Reorg(2),
        layers.PaddedMaxPool2D(2, strides=1, padding=1),
        cfg_layers.GroupedConv2D(4, 3, groups=2, padding=1),
        layers.Upsample(2),
        cfg_layers.ChannelGroup(2, 0),
        cfg_layers.Bias(),
        layers.AnchorCells(2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_shape_that_is_told_is_the_shape_that_comes_out(layer):
    inputs = keras.Input((4, 6, 8))
    outputs = layer(inputs)
    assert tuple(outputs.shape) == (
        None,
        *keras.Model(inputs, outputs)(numbers(1, 4, 6, 8)).shape[1:],
    )
