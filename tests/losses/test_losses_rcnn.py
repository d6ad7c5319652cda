"""Losses of R-CNN against loops over their definitions, and torch's smooth L1."""

import math
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors
from tfvision.losses import rcnn_losses

pytestmark = pytest.mark.addons
TORCH = np.load(pathlib.Path(__file__).parents[1] / "oracles" / "ops" / "losses.npz")
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (2, 4, 3)).astype(np.float32)  # two classes and the background
CLASS_IDS = np.array([[0, 2, 1, -1], [2, 2, 0, -1]])


def cross_entropy(logit, target):
    p = 1.0 / (1.0 + math.exp(-logit))
    return -target * math.log(p) - (1.0 - target) * math.log(1.0 - p)


def test_objectness_is_the_loop():
    logits = RNG.normal(0, 2, (2, 5)).astype(np.float32)
    positive = RNG.random((2, 5)) < 0.5
    wanted = np.vectorize(cross_entropy)(logits, positive.astype(float))
    np.testing.assert_allclose(rcnn_losses.objectness(logits, positive), wanted, rtol=1e-5)
    assert rcnn_losses.objectness([0.0], [True]).numpy()[0] == np.float32(math.log(2))


@pytest.mark.parametrize("beta", [1 / 9, 1.0])
def test_smooth_l1_is_torchs(beta):
    differences = TORCH["logits"][:60] / np.float32(3)
    wanted = TORCH[f"smooth_l1_{beta:.4f}"].reshape(15, 4).sum(axis=1)
    found = rcnn_losses.boxes(differences.reshape(15, 4), np.zeros((15, 4), np.float32), beta=beta)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_smooth_l1_by_hand_and_its_limit_the_plain_l1():
    deltas, targets = tf.constant([[0.5, 0.0, -3.0, 1.0]]), tf.constant([[0.0, 0.0, 0.0, 1.0]])
    assert rcnn_losses.boxes(deltas, targets, beta=1.0).numpy().tolist() == [0.125 + 2.5]
    assert rcnn_losses.boxes(deltas, targets, beta=0.0).numpy().tolist() == [3.5]
    with pytest.raises(errors.UsageError, match=r"beta is -0\.5"):
        rcnn_losses.boxes(deltas, targets, beta=-0.5)


def test_classes_are_the_loop_and_padding_is_free():
    wanted = np.zeros((2, 4))
    for b in range(2):
        for r in range(4):
            if CLASS_IDS[b, r] >= 0:
                powers = [math.exp(x) for x in LOGITS[b, r]]
                wanted[b, r] = -math.log(powers[CLASS_IDS[b, r]] / sum(powers))
    found = rcnn_losses.classes(LOGITS, CLASS_IDS)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert found.numpy()[:, 3].tolist() == [0.0, 0.0]


def test_the_true_classs_deltas_alone_have_a_gradient():
    deltas = tf.constant(RNG.normal(size=(2, 4, 3, 4)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(deltas)
        own = rcnn_losses.own_deltas(deltas, CLASS_IDS)
    gradient = tape.gradient(own, deltas).numpy()
    for b in range(2):
        for r in range(4):
            k = max(CLASS_IDS[b, r], 0)
            np.testing.assert_array_equal(own[b, r], deltas[b, r, k])
            assert gradient[b, r].sum(axis=-1).tolist() == [4.0 * (i == k) for i in range(3)]


def test_masks_are_the_loop_over_the_true_class():
    logits = RNG.normal(0, 2, (2, 4, 3, 2, 3)).astype(np.float32)
    targets = RNG.random((2, 4, 3, 2)).astype(np.float32)
    wanted = np.zeros((2, 4))
    for b in range(2):
        for r in range(4):
            k = CLASS_IDS[b, r]
            if k in (0, 1):  # 2 is the background
                cells = [
                    cross_entropy(logits[b, r, y, x, k], targets[b, r, y, x])
                    for y in range(3)
                    for x in range(2)
                ]
                wanted[b, r] = sum(cells) / 6
    np.testing.assert_allclose(rcnn_losses.masks(logits, targets, CLASS_IDS), wanted, rtol=1e-5)


def test_no_regions_are_no_error_and_logits_are_float32():
    none = np.zeros((2, 0), np.int32)
    assert rcnn_losses.classes(tf.zeros([2, 0, 3]), none).shape == (2, 0)
    assert rcnn_losses.masks(tf.zeros([2, 0, 4, 4, 3]), tf.zeros([2, 0, 4, 4]), none).shape == (
        2,
        0,
    )
    assert rcnn_losses.own_deltas(tf.zeros([2, 0, 3, 4]), none).shape == (2, 0, 4)
    narrow = tf.cast(LOGITS, tf.bfloat16)
    assert rcnn_losses.classes(narrow, CLASS_IDS).dtype == tf.float32
    assert rcnn_losses.objectness(narrow[..., 0], CLASS_IDS == 0).dtype == tf.float32
