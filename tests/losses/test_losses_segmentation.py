import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, losses

SURE = 50.0
# One row of four pixels, called 0 0 1 1, where the truth is 0 1 1 and void.
CALLED = SURE * tf.one_hot([[[0, 0, 1, 1]]], 3)
TRUTH = tf.constant([[[0, 1, 1, 255]]])
BY_HAND = {
    "jaccard": 1 - (1 / 2 + 1 / 2) / 2,  # both classes: one pixel of a union of two
    "lovasz": 1 - (1 / 2 + 1 / 2) / 2,  # where all is certain it is the Jaccard loss
    "dice": 1 - (2 / 3 + 2 / 3) / 2,
    "tversky": 1 - (1 / 1.3 + 1 / 1.7) / 2,  # class 0: one invented; class 1: one missed
}


@pytest.mark.parametrize("name", losses.SEGMENTATION)
def test_overlaps_by_hand(name):
    found = losses.LOSSES[name](
        logits=tf.concat([CALLED] * 2, 0), targets=tf.concat([TRUTH] * 2, 0)
    )
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, [BY_HAND[name]] * 2, rtol=1e-5)


@pytest.mark.parametrize("name", losses.SEGMENTATION)
def test_void_counts_nowhere_and_an_image_of_void_is_zero(name):
    loss = losses.LOSSES[name]
    other = tf.concat([CALLED[:, :, :3], SURE * tf.one_hot([[[2]]], 3)], axis=2)
    np.testing.assert_allclose(
        loss(logits=other, targets=TRUTH), loss(logits=CALLED, targets=TRUTH)
    )
    logits = tf.Variable(CALLED)
    with tf.GradientTape() as tape:
        value = loss(logits=logits, targets=tf.fill([1, 1, 4], 255))
    np.testing.assert_array_equal(value, [0.0])
    np.testing.assert_array_equal(tape.gradient(value, logits), np.zeros([1, 1, 4, 3]))


def test_a_right_answer_costs_nothing():
    labels = tf.constant([[[0, 1], [2, 255]]])
    for name in losses.SEGMENTATION:
        found = losses.LOSSES[name](logits=SURE * tf.one_hot(labels, 3), targets=labels)
        np.testing.assert_allclose(found, [0.0], atol=1e-6)


def test_lovasz_is_the_extension_of_the_papers_definition():
    """Sum over the sorted errors of error times what its pixel adds to 1 - IoU, set by set."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(1, 2, 3, 3)), rng.integers(0, 3, (1, 2, 3))
    labels[0, 0, 0] = 255
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    kept = labels.reshape(-1) != 255
    p, y = p.reshape(-1, 3)[kept], labels.reshape(-1)[kept]
    wanted = []
    for k in np.unique(y):
        truth = y == k
        errors = np.abs(truth - p[:, k])
        value, before, wrong = 0.0, 0.0, set()
        for i in np.argsort(-errors):
            wrong.add(i)
            called = np.array([t ^ (j in wrong) for j, t in enumerate(truth)])
            now = 1 - (truth & called).sum() / (truth | called).sum()
            value, before = value + errors[i] * (now - before), now
        wanted.append(value)
    found = losses.lovasz(logits=tf.constant(logits, tf.float32), targets=tf.constant(labels))
    np.testing.assert_allclose(found, [np.mean(wanted)], rtol=1e-5)


def test_the_cross_entropy_of_a_pixel_is_that_of_its_class_and_0_at_void():
    logits = np.log(np.array([[[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]]], np.float32))
    labels = np.array([[[0, 2, 255]]], np.uint8)
    found = losses.pixel_cross_entropy(logits=logits, targets=labels)
    np.testing.assert_allclose(found, [[[-np.log(0.5), -np.log(0.1), 0.0]]], rtol=1e-5)
    smooth = losses.pixel_cross_entropy(logits=logits, targets=labels, label_smoothing=0.3)
    wanted = -0.7 * np.log(0.5) - 0.1 * np.log([0.5, 0.25, 0.25]).sum()
    np.testing.assert_allclose(smooth[0, 0, 0], wanted, rtol=1e-5)
    focal = losses.pixel_focal(logits=logits, targets=labels, gamma=2.0)
    np.testing.assert_allclose(focal[0, 0], [0.25 * np.log(2), 0.81 * np.log(10), 0.0], rtol=1e-4)


def test_class_weights_and_the_hardest_pixels_say_what_counts():
    values = np.array([[[0.1, 0.4, 0.3], [0.2, 9.0, 0.5]]], np.float32)
    labels = np.array([[[0, 1, 0], [1, 255, 0]]], np.uint8)
    every = losses.pixel_weights(values, labels, 2)
    np.testing.assert_array_equal(every, [[[1, 1, 1], [1, 0, 1]]])
    weighed = losses.pixel_weights(values, labels, 2, class_weights=(0.5, 2.0))
    np.testing.assert_array_equal(weighed, [[[0.5, 2, 0.5], [2, 0, 0.5]]])
    hard = losses.pixel_weights(values, labels, 2, hardest=0.4)  # 2 of the 5 labelled ones
    np.testing.assert_array_equal(hard, [[[0, 1, 0], [0, 0, 1]]])
    none = losses.pixel_weights(values, np.full((1, 2, 3), 255, np.uint8), 2, hardest=0.5)
    np.testing.assert_array_equal(none, np.zeros((1, 2, 3)))
    for wrong in ({"hardest": 0.0}, {"hardest": 1.5}, {"class_weights": (1.0,)}):
        with pytest.raises(errors.UsageError):
            losses.pixel_weights(values, labels, 2, **wrong)
