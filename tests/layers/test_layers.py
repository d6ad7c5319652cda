import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, layers, stack
from tfvision.layers import activations, context

X = tf.constant(np.random.default_rng(0).normal(size=(4, 6, 6, 3)), tf.float32)


@pytest.mark.addons
def test_batch_normalisation_moves_its_statistics_as_the_paper_says():
    layer = layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    outputs = layer(X, training=True)
    flat = X.numpy().reshape(-1, 3)
    wanted = (X.numpy() - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-3)
    np.testing.assert_allclose(outputs, wanted, atol=1e-5)
    np.testing.assert_allclose(np.array(layer.moving_mean), 0.1 * flat.mean(0), atol=1e-6)
    np.testing.assert_allclose(
        np.array(layer.moving_variance), 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-5
    )


def test_a_frozen_batch_normalisation_uses_its_moving_statistics_in_training():
    layer = layers.BatchNormalization(epsilon=0.0)
    layer.build(X.shape)
    layer.trainable = False
    np.testing.assert_allclose(layer(X, training=True), X, atol=1e-6)
    np.testing.assert_allclose(np.array(layer.moving_mean), 0.0)


@pytest.mark.addons
def test_frozen_as_an_option_uses_the_statistics_and_trains_nothing():
    layer = layers.BatchNormalization(frozen=True, epsilon=0.0)
    layer.build((None, 1, 1, 1))
    layer.moving_mean.assign([10.0])
    layer.moving_variance.assign([4.0])
    layer.trainable = True  # a model that is made trainable as a whole leaves it frozen
    outputs = layer(tf.constant([[[[6.0]]], [[[16.0]]]]), training=True)
    np.testing.assert_allclose(outputs[:, 0, 0, 0], [-2.0, 3.0])  # (6 - 10) / 2, (16 - 10) / 2
    assert layer.trainable_variables == []
    np.testing.assert_allclose(np.array(layer.moving_mean), [10.0])
    np.testing.assert_allclose(np.array(layer.moving_variance), [4.0])


def test_momentum_and_epsilon_by_hand():
    layer = layers.BatchNormalization(momentum=0.75, epsilon=5.0)
    outputs = layer(tf.constant([[[[2.0]]], [[[6.0]]]]), training=True)
    np.testing.assert_allclose(outputs[:, 0, 0, 0], [-2 / 3, 2 / 3], rtol=1e-6)  # 2 / sqrt(4 + 5)
    np.testing.assert_allclose(np.array(layer.moving_mean), [1.0])  # 0.75 * 0 + 0.25 * 4
    np.testing.assert_allclose(np.array(layer.moving_variance), [2.75])  # 0.75 * 1 + 0.25 * 8


@pytest.mark.parametrize("channels", [6, 16])
@pytest.mark.parametrize("training", [False, True])
def test_batch_normalisation_in_bfloat16_is_that_of_float32_rounded(channels, training):
    x = tf.cast(tf.random.stateless_normal([2, 4, 4, channels], [0, 0]), tf.bfloat16)
    results = {}
    for dtype in ("float32", "bfloat16"):
        layer = layers.BatchNormalization(dtype=dtype, epsilon=1e-6)
        images = tf.cast(x, dtype)
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=training)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 3)
        assert outputs.dtype == dtype
        gradient = tape.gradient(loss, images)
        results[dtype] = [np.asarray(tf.cast(t, tf.float32)) for t in (outputs, gradient)]
        results[dtype].append(np.asarray(layer.moving_variance))
    for ours, expected in zip(results["bfloat16"], results["float32"], strict=True):
        np.testing.assert_allclose(ours, expected, atol=0.02 * np.abs(expected).max())


@pytest.mark.addons
def test_batch_normalisation_keeps_float32_statistics_under_bfloat16():
    with stack.precision("mixed_bfloat16"):
        layer = layers.BatchNormalization()
    outputs = layer(tf.cast(X, tf.bfloat16), training=True)
    assert outputs.dtype == tf.bfloat16
    assert stack.raw(layer.gamma).dtype == tf.float32


def test_a_stride_two_convolution_pads_both_sides_alike():
    layer = layers.Conv2D(1, 3, strides=2)
    layer.build((None, 4, 4, 1))
    layer.kernel.assign(tf.ones([3, 3, 1, 1]))
    outputs = layer(tf.ones([1, 4, 4, 1]))[0, :, :, 0]
    # Top left sees 2 x 2 pixels; TensorFlow's SAME would see 3 x 3 there.
    np.testing.assert_allclose(outputs, [[4, 6], [6, 9]])
    assert layer.compute_output_shape((None, 5, 7, 1)) == (None, 3, 4, 1)


def test_max_pooling_pads_with_minus_infinity():
    outputs = layers.MaxPool2D(3, strides=2, padding=1)(-tf.ones([1, 4, 4, 1]))
    np.testing.assert_allclose(outputs[0, :, :, 0], [[-1, -1], [-1, -1]])


@pytest.mark.addons
def test_dropout_draws_by_seed_step_and_layer():
    layer, ones = layers.Dropout(0.5, name="drop"), tf.ones([1000])

    def draw(step, name="drop"):
        with context.randomness(1, tf.constant(step, tf.int64), 0):
            return layers.Dropout(0.5, name=name)(ones, training=True).numpy()

    first = draw(1)
    assert set(first.tolist()) == {0.0, 2.0}
    assert abs(first.mean() - 1.0) < 0.15
    np.testing.assert_array_equal(first, draw(1))
    assert not np.array_equal(first, draw(2))
    assert not np.array_equal(first, draw(1, "other"))
    np.testing.assert_array_equal(layer(ones, training=False), ones)


def test_stochastic_depth_leaves_whole_images_out():
    with context.randomness(0, tf.constant(3, tf.int64), 0):
        kept = layers.StochasticDepth(0.5, name="d")(tf.ones([64, 2, 2, 1]), training=True).numpy()
    per_image = kept.reshape(64, -1)
    assert (per_image == per_image[:, :1]).all()
    assert set(per_image[:, 0].tolist()) == {0.0, 2.0}


BY_HAND = {
    "linear": (-2.0, 3.0),
    "sigmoid": (0.119203, 0.952574),
    "tanh": (-0.964028, 0.995055),
    "relu": (0.0, 3.0),
    "relu6": (0.0, 3.0),
    "leaky_relu": (-0.02, 3.0),
    "elu": (-0.864665, 3.0),
    "selu": (-1.520167, 3.152103),  # 1.050701 * 1.673263 * (exp(-2) - 1), 1.050701 * 3
    "hard_swish": (-0.333333, 3.0),
    "softmax": (0.006693, 0.993307),
    "gelu": (-0.045500, 2.995950),
    "gelu_tanh": (-0.045402, 2.996363),
    "silu": (-0.238406, 2.857722),
    "mish": (-0.252501, 2.986536),
    "prelu": (-0.5, 3.0),
}


@pytest.mark.parametrize("name", activations.names())
def test_activations_give_their_textbook_values(name):
    found = layers.Activation(name)(tf.constant([[-2.0, 3.0]]))
    np.testing.assert_allclose(found, [BY_HAND[name]], atol=2e-6)


@pytest.mark.addons
@pytest.mark.parametrize("name", activations.names())
def test_a_graph_for_inference_can_fuse_an_activation_or_leaves_it_alone(name):
    x = keras.Input((8, 8, 3))
    block = layers.BatchNormalization()(layers.Conv2D(8, 3)(x))
    model = keras.Model(x, layers.Activation(name)(block))
    images = tf.random.stateless_normal((2, 8, 8, 3), [0, 0])
    eager, graph = model(images), tf.function(lambda images: model(images))(images)
    np.testing.assert_allclose(graph, eager, atol=1e-5)


def test_an_unknown_activation_is_refused():
    with pytest.raises(errors.UsageError, match="did you mean 'gelu'"):
        layers.Activation("gelus")


def test_pixels_are_normalised_in_float32_from_uint8():
    layer = layers.Normalize([0.0, 127.5, 255.0], [1.0, 127.5, 255.0])
    found = layer(tf.constant([[[[255, 255, 0]]]], tf.uint8))
    np.testing.assert_allclose(found, [[[[255.0, 1.0, -1.0]]]])
    assert isinstance(layer, keras.layers.Layer)
