"""The gradient of every activation and every loss against central differences."""

import numpy as np
import pytest
import tensorflow as tf

from tfvision import layers, losses
from tfvision.layers import activations

# Away from the kinks at -3, 0, 3 and 6, on both sides of each.
POINTS = np.array([[-4.0, -2.5, -1.1, -0.3], [0.4, 1.7, 3.6, 6.5]])


def differences(function, x, step):
    """d sum(w * function(x)) / dx by central differences, one value at a time."""
    found = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * step
            ends.append(float(function(tf.constant(moved))))
        found[at] = (ends[0] - ends[1]) / (2 * step)
    return found


def gradient(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x).numpy()


@pytest.mark.parametrize("name", activations.names())
def test_the_derivative_of_an_activation(name):
    weights = tf.constant([[0.3, -1.2, 0.8, 2.0], [-0.7, 1.5, 0.4, -0.9]], tf.float64)
    layer = layers.Activation(name, dtype="float64")

    def function(x):
        return tf.reduce_sum(weights * layer(x))

    np.testing.assert_allclose(
        gradient(function, POINTS), differences(function, POINTS, 1e-5), rtol=1e-6, atol=1e-8
    )


def test_the_derivative_of_prelu_by_its_slope():
    layer = layers.Activation("prelu")
    layer.build((None, 2))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(tf.constant([[-2.0, 3.0], [-1.0, -5.0]])))
    np.testing.assert_allclose(tape.gradient(value, layer.trainable_weights[0]), [-3.0, -5.0])


def case(name):
    """(logits, targets): one image with soft targets, or a small label map with void."""
    if name in losses.SEGMENTATION:
        labels = [[[255, 0, 2], [1, 1, 2]], [[0, 0, 1], [1, 0, 1]]]
        logits = np.random.default_rng(3).normal(size=(2, 2, 3, 3))
        return logits.astype(np.float32), tf.constant(labels)
    targets = np.array([[0.0, 1.0, 0.0], [0.7, 0.1, 0.2]], np.float32)
    return np.array([[0.3, -0.5, 1.1], [0.9, -0.4, 0.2]], np.float32), tf.constant(targets)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_gradient_of_a_loss(name):
    """Losses compute in float32: with a step of 0.004 differences are right to about 2e-4."""
    logits, targets = case(name)

    def function(x):
        return tf.reduce_sum(losses.LOSSES[name](logits=x, targets=targets) * [1.0, -2.0])

    found = gradient(function, logits)
    np.testing.assert_allclose(found, differences(function, logits, 0.004), atol=1e-3)
    assert np.abs(found).max() > 0.01
