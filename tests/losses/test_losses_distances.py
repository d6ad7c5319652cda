import math

import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, losses

LOGITS = tf.math.log(tf.constant([[0.5, 0.25, 0.25]]))  # against class 0: -0.5, 0.25, 0.25
BY_HAND = {
    "mae": 1 / 3,
    "mse": 0.375 / 3,
    "rmse": math.sqrt(0.125),
    "smooth_l1": 0.0625,  # half the mse
    "huber": 0.0625,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_distances_of_probabilities_by_hand(name):
    for targets in (tf.constant([0]), tf.constant([[1.0, 0.0, 0.0]])):
        found = losses.LOSSES[name](logits=LOGITS, targets=targets)
        np.testing.assert_allclose(found, [BY_HAND[name]], rtol=1e-6)


def test_distances_of_sigmoids_and_of_bare_outputs():
    found = losses.mae(logits=tf.zeros([1, 2]), targets=tf.constant([[1.0, 0.0]]), on="sigmoid")
    np.testing.assert_allclose(found, [0.5])
    values, targets = tf.constant([[3.0, 1.0]]), tf.constant([[1.0, 0.5]])
    np.testing.assert_allclose(losses.mae(logits=values, targets=targets, on="logits"), [1.25])
    np.testing.assert_allclose(losses.mse(logits=values, targets=targets, on="logits"), [2.125])
    # beta 1: 2 - 0.5 and 0.125; delta 0.5: 0.5 * 1.75 and 0.125
    np.testing.assert_allclose(
        losses.smooth_l1(logits=values, targets=targets, on="logits"), [0.8125]
    )
    np.testing.assert_allclose(
        losses.huber(logits=values, targets=targets, on="logits", delta=0.5), [0.5]
    )
    with pytest.raises(errors.UsageError, match="did you mean 'softmax'"):
        losses.mae(logits=values, targets=targets, on="softmaxx")


def test_a_perfect_answer_has_a_gradient_of_zero_and_not_nan():
    logits = tf.constant([[200.0, 0.0]])
    for name in BY_HAND:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = losses.LOSSES[name](logits=logits, targets=tf.constant([0]))
        assert float(loss[0]) == 0.0
        np.testing.assert_array_equal(tape.gradient(loss, logits), [[0.0, 0.0]])
