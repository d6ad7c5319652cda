"""Convolution and pooling against sums written out, and against each other."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfvision import layers, stack
from tfvision.layers import convolution

pytestmark = pytest.mark.addons
X = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype(np.float32)


def by_hand(x, kernel, stride, dilation, padding):
    """A depthwise convolution of [B, H, W, C] by a kernel [k, k, C], one output at a time."""
    x = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    reach = dilation * (len(kernel) - 1)
    rows = range(0, x.shape[1] - reach, stride)
    columns = range(0, x.shape[2] - reach, stride)
    out = np.zeros((len(x), len(rows), len(columns), x.shape[3]))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            seen = x[:, row : row + reach + 1 : dilation, column : column + reach + 1 : dilation]
            out[:, i, j] = (seen * kernel).sum((1, 2))
    return out


@pytest.mark.parametrize(
    ("stride", "dilation", "padding"), [(1, 1, None), (2, 1, None), (1, 2, None), (2, 1, 0)]
)
def test_a_depthwise_convolution_sums_what_its_kernel_covers(stride, dilation, padding):
    layer = layers.DepthwiseConv2D(3, strides=stride, dilation=dilation, padding=padding)
    outputs = layer(X)
    kernel = np.array(layer.kernel)[:, :, 0]
    edge = dilation if padding is None else padding
    np.testing.assert_allclose(outputs, by_hand(X, kernel, stride, dilation, edge), atol=1e-5)
    assert layer.compute_output_shape(X.shape) == tuple(outputs.shape)


def test_the_gradient_of_a_strided_depthwise_convolution_is_that_of_the_sum():
    layer = layers.DepthwiseConv2D(3, strides=2)
    layer.build(X.shape)
    kernel, x = tf.convert_to_tensor(layer.kernel), tf.constant(X)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x) ** 2)
        turned = tf.transpose(kernel, [0, 1, 3, 2])
        tape.watch(turned)
        edges = [[0, 0], [1, 1], [1, 1], [0, 0]]
        native = tf.nn.depthwise_conv2d(tf.pad(x, edges), turned, [1, 2, 2, 1], "VALID")
        same = tf.reduce_sum(native**2)
    np.testing.assert_allclose(tape.gradient(loss, x), tape.gradient(same, x), atol=1e-4)
    to_kernel = tape.gradient(loss, layer.trainable_weights[0])
    expected = np.transpose(tape.gradient(same, turned), [0, 1, 3, 2])
    np.testing.assert_allclose(to_kernel, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dilation", [2, 4])
def test_a_dilated_convolution_and_its_gradient_are_those_of_a_kernel_with_holes(dilation):
    layer = layers.Conv2D(4, 3, dilation=dilation)
    layer.build(X.shape)
    holed = layers.Conv2D(4, 2 * dilation + 1)
    holed.build(X.shape)
    wide = np.zeros((2 * dilation + 1, 2 * dilation + 1, 3, 4), np.float32)
    wide[::dilation, ::dilation] = np.array(layer.kernel)
    holed.kernel.assign(wide)
    x, found = tf.constant(X), []
    for either in (layer, holed):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = either(x)
            loss = tf.reduce_sum(outputs**2)
        to_x, to_kernel = tape.gradient(loss, [x, either.trainable_weights[0]])
        found.append((outputs, to_x, to_kernel))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-3)
    np.testing.assert_allclose(found[0][2], found[1][2][::dilation, ::dilation], atol=1e-2)


@pytest.mark.parametrize("padding", [None, 0, 1])
def test_dilation_by_space_to_batch_is_the_same(monkeypatch, padding):
    layer = layers.Conv2D(4, 3, dilation=3, padding=padding)
    layer.build(X.shape)
    x, found = tf.constant(np.tile(X, (1, 2, 2, 1))), []
    for native in (True, False):
        monkeypatch.setattr(convolution, "dilates", lambda dtype, native=native: native)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x)
            loss = tf.reduce_sum(outputs**2)
        found.append([outputs, *tape.gradient(loss, [x, layer.trainable_weights[0]])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.slow
@pytest.mark.parametrize("onednn", ["0", "1"])
def test_dilated_convolutions_train_with_and_without_onednn(onednn):
    code = (
        "import tensorflow as tf; from tfvision.layers import Conv2D, convolution\n"
        "layer, x = Conv2D(2, 3, dilation=2), tf.ones([1, 7, 8, 3])\n"
        "@tf.function\n"
        "def gradient():\n"
        "    with tf.GradientTape() as tape:\n"
        "        tape.watch(x)\n"
        "        loss = tf.reduce_sum(layer(x))\n"
        "    return tape.gradient(loss, x)\n"
        "layer.build(x.shape)\n"
        "print(gradient().shape, convolution.dilates('float32'))"
    )
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(1, 7, 8, 3)")
    if onednn == "0":
        assert done.stdout.split()[-1] == "False"


def test_a_wide_kernel_pads_each_axis_by_its_own_half():
    layer = layers.Conv2D(1, (1, 3))
    layer.build((None, 2, 4, 1))
    layer.kernel.assign(tf.ones([1, 3, 1, 1]))
    outputs = layer(tf.ones([1, 2, 4, 1]))[0, :, :, 0]
    np.testing.assert_allclose(outputs, [[2, 3, 3, 2], [2, 3, 3, 2]])


def test_an_average_counts_the_padding_or_not():
    ones = tf.ones([1, 3, 3, 1])
    counting = layers.AveragePool2D(3, strides=1, padding=1)(ones)[0, :, :, 0]
    np.testing.assert_allclose(counting * 9, [[4, 6, 4], [6, 9, 6], [4, 6, 4]], rtol=1e-6)
    fair = layers.AveragePool2D(3, strides=1, padding=1, counts_padding=False)(ones)
    np.testing.assert_allclose(fair, ones)


def test_adaptive_averages_cover_torchs_windows():
    x = tf.reshape(tf.range(5.0), [1, 5, 1, 1])
    # rows 0..1, 1..3 and 3..4 of five; one row over and over of one
    pooled = layers.AdaptiveAveragePool2D(3)(x)
    np.testing.assert_allclose(pooled[0, :, 0, 0], [0.5, 2.0, 3.5])
    np.testing.assert_allclose(pooled[0, :, 2, 0], [0.5, 2.0, 3.5])
    same = layers.AdaptiveAveragePool2D(3)(X[:, :3, :3])
    np.testing.assert_array_equal(same, X[:, :3, :3])
    few = layers.AdaptiveAveragePool2D(4)(tf.reshape([1.0, 3.0], [1, 2, 1, 1]))
    np.testing.assert_allclose(few[0, :, 0, 0], [1, 1, 3, 3])


def test_flattening_puts_channels_first():
    x = tf.reshape(tf.range(8), [1, 2, 2, 2])
    np.testing.assert_array_equal(layers.Flatten()(x), [[0, 2, 4, 6, 1, 3, 5, 7]])


@pytest.mark.parametrize("channels", [4, 8, 16])
def test_a_strided_1x1_of_few_channels_keeps_to_its_memory(channels):
    """Its kernel's gradient in oneDNN does not: this ended the process within some dozen runs."""
    layer = layers.Conv2D(2 * channels, 1, strides=2, name="shortcut")
    x = tf.random.stateless_normal([3, 33, 32, channels], [1, 2])
    upstream = tf.random.stateless_normal([3, 17, 16, 2 * channels], [3, 4])
    layer(x)

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) * upstream)
        return tape.gradient(loss, stack.raw(layer.kernel))

    wanted = tf.einsum("bhwi,bhwo->io", x[:, ::2, ::2], upstream)
    for _ in range(60):
        np.testing.assert_allclose(gradient()[0, 0], wanted, atol=1e-3)
