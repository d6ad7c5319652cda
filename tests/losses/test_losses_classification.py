import math

import numpy as np
import pytest
import tensorflow as tf

from tfvision import losses
from tfvision.ops import reduce

LOGITS = tf.math.log(tf.constant([[0.5, 0.25, 0.25]]))


def test_cross_entropy_of_probabilities_that_one_knows():
    np.testing.assert_allclose(losses.cross_entropy(LOGITS, tf.constant([0])), [math.log(2)])
    np.testing.assert_allclose(losses.cross_entropy(LOGITS, tf.constant([1])), [math.log(4)])
    soft = tf.constant([[0.5, 0.5, 0.0]])
    np.testing.assert_allclose(losses.cross_entropy(LOGITS, soft), [1.5 * math.log(2)], rtol=1e-6)


def test_label_smoothing_and_class_weights():
    found = losses.cross_entropy(LOGITS, tf.constant([0]), label_smoothing=0.3)
    # targets 0.8, 0.1, 0.1: 0.8 ln 2 + 0.2 ln 4
    np.testing.assert_allclose(found, [1.2 * math.log(2)], rtol=1e-6)
    found = losses.cross_entropy(LOGITS, tf.constant([1]), class_weights=[1.0, 3.0, 1.0])
    np.testing.assert_allclose(found, [3 * math.log(4)], rtol=1e-6)


def test_binary_cross_entropy_and_focal_at_even_odds():
    logits, targets = tf.zeros([1, 2]), tf.constant([[1.0, 0.0]])
    np.testing.assert_allclose(losses.binary_cross_entropy(logits, targets), [math.log(2)])
    # (0.25 + 0.75) * 0.5^2 * ln 2
    np.testing.assert_allclose(losses.focal(logits, targets), [0.25 * math.log(2)], rtol=1e-6)


def test_half_precision_logits_are_computed_in_float32():
    for loss in losses.LOSSES.values():
        values = loss(tf.zeros([2, 3], tf.bfloat16), tf.zeros([2, 3]))
        assert values.dtype == tf.float32


def test_the_mean_divides_by_what_counts_and_never_by_zero():
    values = tf.constant([1.0, 3.0, math.nan])
    mean = reduce.global_mean(values, tf.constant([True, True, False]))
    assert float(mean) == pytest.approx(2.0)
    assert float(reduce.global_mean(values, tf.zeros(3))) == 0.0
