import math

import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, losses
from tfvision.ops import reduce

LOGITS = tf.math.log(tf.constant([[0.5, 0.25, 0.25]]))


def test_cross_entropy_of_probabilities_that_one_knows():
    np.testing.assert_allclose(
        losses.cross_entropy(logits=LOGITS, targets=tf.constant([0])), [math.log(2)]
    )
    np.testing.assert_allclose(
        losses.cross_entropy(logits=LOGITS, targets=tf.constant([1])), [math.log(4)]
    )
    soft = tf.constant([[0.5, 0.5, 0.0]])
    np.testing.assert_allclose(
        losses.cross_entropy(logits=LOGITS, targets=soft), [1.5 * math.log(2)], rtol=1e-6
    )


def test_label_smoothing_and_class_weights():
    found = losses.cross_entropy(logits=LOGITS, targets=tf.constant([0]), label_smoothing=0.3)
    # targets 0.8, 0.1, 0.1: 0.8 ln 2 + 0.2 ln 4
    np.testing.assert_allclose(found, [1.2 * math.log(2)], rtol=1e-6)
    found = losses.cross_entropy(
        logits=LOGITS, targets=tf.constant([1]), class_weights=[1.0, 3.0, 1.0]
    )
    np.testing.assert_allclose(found, [3 * math.log(4)], rtol=1e-6)


def test_an_ignored_image_costs_nothing_and_maps_go_too():
    found = losses.cross_entropy(
        logits=tf.repeat(LOGITS, 2, axis=0),
        targets=tf.constant([9, 0]),
        ignore=9,
        label_smoothing=0.3,
    )
    np.testing.assert_allclose(found, [0.0, 1.2 * math.log(2)], rtol=1e-6)
    maps = losses.cross_entropy(logits=LOGITS[:, None, None], targets=tf.constant([[[1]]]))
    np.testing.assert_allclose(maps, [[[math.log(4)]]])
    targets = tf.constant([[1.0, -1.0], [-1.0, -1.0]])
    found = losses.binary_cross_entropy(logits=tf.zeros([2, 2]), targets=targets, ignore=-1)
    np.testing.assert_allclose(found, [math.log(2), 0.0])
    found = losses.binary_cross_entropy(
        logits=tf.zeros([1, 2]), targets=targets[:1] ** 2, class_weights=[1, 3]
    )
    np.testing.assert_allclose(found, [2 * math.log(2)], rtol=1e-6)


def test_class_weights_of_a_wrong_number_are_refused():
    with pytest.raises(errors.UsageError, match="class_weights has 2 values for 3 classes"):
        losses.cross_entropy(logits=LOGITS, targets=tf.constant([0]), class_weights=[1.0, 2.0])


def test_softmax_focal_at_even_odds():
    found = losses.softmax_focal(logits=LOGITS, targets=tf.constant([0]))
    np.testing.assert_allclose(found, [0.25 * math.log(2)], rtol=1e-6)  # (1 - 0.5)^2 * ln 2
    found = losses.softmax_focal(logits=LOGITS, targets=tf.constant([[0.0, 0.5, 0.5]]))
    np.testing.assert_allclose(found, [0.5625 * math.log(4)], rtol=1e-6)


def test_binary_cross_entropy_and_focal_at_even_odds():
    logits, targets = tf.zeros([1, 2]), tf.constant([[1.0, 0.0]])
    np.testing.assert_allclose(
        losses.binary_cross_entropy(logits=logits, targets=targets), [math.log(2)]
    )
    # (0.25 + 0.75) * 0.5^2 * ln 2
    np.testing.assert_allclose(
        losses.focal(logits=logits, targets=targets), [0.25 * math.log(2)], rtol=1e-6
    )


@pytest.mark.parametrize("name", losses.LOSSES)
def test_keras_order_is_refused(name):
    """`compile(loss=...)` calls a function with (y_true, y_pred), the other way round."""
    with pytest.raises(TypeError, match="takes 0 positional arguments"):
        losses.LOSSES[name](tf.zeros([1, 2]), tf.zeros([1, 2]))


def test_half_precision_logits_are_computed_in_float32():
    for loss in losses.CLASSIFICATION.values():
        values = loss(logits=tf.zeros([2, 3], tf.bfloat16), targets=tf.zeros([2, 3]))
        assert values.dtype == tf.float32


def test_the_mean_divides_by_what_counts_and_never_by_zero():
    values = tf.constant([1.0, 3.0, math.nan])
    mean = reduce.global_mean(values, tf.constant([True, True, False]))
    assert float(mean) == pytest.approx(2.0)
    assert float(reduce.global_mean(values, tf.zeros(3))) == 0.0
