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


def regions(deltas):
    """The outputs that the loss looks at: one positive of two regions and of two anchors."""
    references = [[[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 0.0, 0.0]]]
    zeros = tf.zeros([1, 2, 4])
    return {
        "rpn_logits": tf.zeros([1, 2]),
        "rpn_deltas": tf.constant([[deltas, [9.0] * 4]]),
        "rpn_targets": zeros,
        "rpn_anchors": tf.constant(references),
        "rpn_positive": tf.constant([[True, False]]),
        "rpn_valid": tf.constant([[True, True]]),
        "class_logits": tf.zeros([1, 2, 2]),
        "box_deltas": tf.constant([[[np.multiply(deltas, (10, 10, 5, 5)).tolist()] * 2] * 2]),
        "roi_targets": zeros,
        "rois": tf.constant(references),
        "roi_class_ids": tf.constant([[0, 1]]),
    }


def test_box_terms_by_overlap_by_hand():
    # 20 x 40 moved down by half its height: IoU 1/3, the hull is all covered; centers are 10
    # apart, the hull's diagonal squared is 30^2 + 40^2; the shapes are the same.
    outputs = regions([0.5, 0.0, 0.0, 0.0])
    squared = 100 / 2500
    for name, value in (
        ("iou", 2 / 3),
        ("giou", 2 / 3),
        ("diou", 2 / 3 + squared),
        ("ciou", 2 / 3 + squared),
    ):
        terms = rcnn_losses.terms(outputs, box_loss=name)
        for term in ("rpn_box", "box"):
            total, count = terms[term]
            np.testing.assert_allclose(total, [value], rtol=1e-5, err_msg=f"{name} {term}")
            assert count.numpy().tolist() == [2.0]
    # Half as tall and twice as wide: IoU 400 / 1200, and ciou tells the shapes apart.
    outputs = regions([0.0, 0.0, math.log(0.5), math.log(2.0)])
    terms = rcnn_losses.terms(outputs, box_loss="ciou")
    angle = 4 / math.pi**2 * (math.atan(8.0) - math.atan(2.0)) ** 2
    value = 2 / 3 + angle * angle / (2 / 3 + angle)
    np.testing.assert_allclose(terms["box"][0], [value], rtol=1e-5)


@pytest.mark.parametrize("name", ["iou", "giou", "diou", "ciou"])
def test_box_terms_by_overlap_pull_towards_the_target_alone(name):
    outputs = regions([0.5, 0.0, 0.2, 0.0])
    variables = {key: tf.Variable(outputs[key]) for key in ("rpn_deltas", "box_deltas")}
    with tf.GradientTape() as tape:
        terms = rcnn_losses.terms({**outputs, **variables}, box_loss=name)
        total = tf.reduce_sum(terms["rpn_box"][0] + terms["box"][0])
    rpn, head = tape.gradient(total, [variables["rpn_deltas"], variables["box_deltas"]])
    assert rpn[0, 0, 0] > 0
    assert head[0, 0, 0, 0] > 0
    assert not np.any(rpn[0, 1])  # not positive
    assert not np.any(head[0, 1])
    assert np.isfinite(rpn).all()
    assert np.isfinite(head).all()
