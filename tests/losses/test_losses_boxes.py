import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfvision import losses

pytestmark = pytest.mark.addons
ORACLE = np.load(pathlib.Path(__file__).parents[1] / "oracles" / "ops" / "boxes.npz")
YXYX = [1, 0, 3, 2]
A, B = ORACLE["loss_a"][:, YXYX], ORACLE["loss_b"][:, YXYX]


def value_and_gradient(name, boxes, targets):
    boxes = tf.constant(boxes)
    with tf.GradientTape() as tape:
        tape.watch(boxes)
        value = losses.BOXES[name](boxes, targets)
    return value.numpy(), tape.gradient(value, boxes).numpy()


@pytest.mark.parametrize("name", ["giou", "diou", "ciou"])
def test_values_and_gradients_are_torchvisions(name):
    value, gradient = value_and_gradient(name, A, B)
    np.testing.assert_allclose(value, ORACLE[f"{name}_loss"], rtol=1e-5, atol=1e-5)
    wanted = ORACLE[f"{name}_loss_grad_a"][:, YXYX]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-5, atol=1e-5)


def test_iou_by_hand():
    """Boxes of 4 x 4 that share half: IoU 1/3; moving the right edge by e adds 4 e to both."""
    value, gradient = value_and_gradient("iou", [[0.0, 0, 4, 4]], [[0.0, 2, 4, 6]])
    np.testing.assert_allclose(value, [1 - 8 / 24])
    # d(I / U) = (dI U - I dU) / U^2; right edge: dI = 4, dU = 0
    np.testing.assert_allclose(gradient[0, 3], -4 / 24, rtol=1e-6)
    np.testing.assert_allclose(gradient[0, 1], -8 * 4 / 24**2, rtol=1e-5)  # left edge: dU = -4


@pytest.mark.parametrize("name", losses.BOXES)
def test_a_perfect_box_costs_nothing_and_stays(name):
    value, gradient = value_and_gradient(name, B, B)
    np.testing.assert_allclose(value, np.zeros(len(B)), atol=1e-6)
    np.testing.assert_allclose(gradient, np.zeros_like(B), atol=1e-6)


@pytest.mark.parametrize("name", losses.BOXES)
def test_boxes_without_area_give_finite_gradients(name):
    point = np.full([1, 4], 3.0, np.float32)
    for pair in ((point, point), (point, B[:1]), (B[:1], point)):
        for part in value_and_gradient(name, *pair):
            assert np.isfinite(part).all()


@pytest.mark.parametrize("name", losses.BOXES)
def test_any_leading_dimensions(name):
    deep = losses.BOXES[name](A.reshape(2, 5, 2, 4), B.reshape(2, 5, 2, 4))
    np.testing.assert_allclose(tf.reshape(deep, [-1]), losses.BOXES[name](A, B))
    assert losses.BOXES[name](tf.cast(A, tf.bfloat16), B).dtype == tf.float32
