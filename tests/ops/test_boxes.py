import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfvision.ops import boxes

pytestmark = pytest.mark.addons
ORACLE = np.load(pathlib.Path(__file__).parents[1] / "oracles" / "ops" / "boxes.npz")
TORCH = (10.0, 10.0, 5.0, 5.0)


def golden(name):
    return ORACLE[name]


def yxyx(xyxy):
    return tf.constant(xyxy[..., [1, 0, 3, 2]])


def test_forms_by_hand():
    box = tf.constant([[4.0, 8.0, 24.0, 40.0]])  # y x y x
    np.testing.assert_array_equal(boxes.area(box), [640])
    np.testing.assert_array_equal(boxes.to_center(box), [[14, 24, 20, 32]])
    np.testing.assert_array_equal(boxes.from_center(boxes.to_center(box)), box)


def test_areas_clips_and_forms_are_torchvisions():
    a = yxyx(golden("a"))
    height, width = 36, 48
    np.testing.assert_allclose(boxes.area(a), golden("area_a"), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(boxes.clip(a, [height, width]), yxyx(golden("clip")))
    center = golden("cxcywh")[:, [1, 0, 3, 2]]
    np.testing.assert_allclose(boxes.to_center(a), center, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["iou", "giou", "diou", "ciou"])
def test_overlaps_are_torchvisions(name):
    a, b = yxyx(golden("a")), yxyx(golden("b"))
    found = getattr(boxes, name)(a[:, None], b[None]).numpy()
    assert np.isfinite(found).all()  # the peer divides 0 by 0 where both boxes are empty
    known = np.isfinite(golden(name))
    assert known.mean() > 0.9
    np.testing.assert_allclose(found[known], golden(name)[known], rtol=1e-5, atol=1e-5)


def test_two_boxes_without_area_do_not_overlap():
    point = tf.constant([[5.0, 5.0, 5.0, 5.0]])
    for overlap in (boxes.iou, boxes.giou, boxes.diou, boxes.ciou):
        np.testing.assert_array_equal(overlap(point, point), [0])


def test_the_matrix_has_batches_and_empty_sets():
    a, b = yxyx(golden("a")), yxyx(golden("b"))
    batch = boxes.iou_matrix(tf.stack([a, a + 1.0]), tf.stack([b, b + 1.0]))
    assert batch.shape == (2, 25, 20)
    np.testing.assert_allclose(batch[1], batch[0], atol=1e-5)
    np.testing.assert_allclose(batch[0], boxes.iou(a[:, None], b[None]), atol=1e-6)
    assert boxes.iou_matrix(a[:0], b).shape == golden("empty_iou").shape


def test_the_share_in_a_crowd_is_of_the_boxs_own_area():
    crowd = tf.constant([[0.0, 0.0, 10.0, 10.0]])
    inside_half_outside = tf.constant([[2.0, 2, 4, 4], [0, 5, 10, 15], [20, 20, 30, 30]])
    found = boxes.covered_matrix(inside_half_outside, crowd)
    np.testing.assert_allclose(found, [[1], [0.5], [0]])


def test_small_boxes_are_found_as_torchvision_finds_them():
    kept = np.flatnonzero(boxes.at_least(yxyx(golden("a")), 3.0))
    np.testing.assert_array_equal(kept, golden("keep_small"))


def test_deltas_by_hand():
    anchor = tf.constant([[0.0, 0.0, 10.0, 20.0]])
    box = tf.constant([[5.0, 0.0, 25.0, 20.0]])  # center 10 lower, twice as high
    deltas = boxes.encode(box, anchor, weights=TORCH)
    np.testing.assert_allclose(deltas, [[10, 0, 5 * np.log(2), 0]], atol=1e-6)
    np.testing.assert_allclose(boxes.decode(deltas, anchor, weights=TORCH), box, atol=1e-5)
    far = tf.constant([[0.0, 0.0, 100.0, 0.0]])
    np.testing.assert_allclose(boxes.area(boxes.decode(far, anchor)), [200 * 62.5], rtol=1e-5)


def test_deltas_are_torchvisions():
    a, b = yxyx(golden("loss_a")), yxyx(golden("loss_b"))
    order = [1, 0, 3, 2]  # torchvision has dx, dy, dw, dh
    encoded = boxes.encode(b, a, weights=TORCH)
    np.testing.assert_allclose(encoded, golden("coder_encode")[:, order], rtol=1e-5, atol=1e-5)
    decoded = boxes.decode(
        golden("coder_codes")[:, order], yxyx(golden("coder_proposals")), weights=TORCH
    )
    np.testing.assert_allclose(decoded, yxyx(golden("coder_decode")), rtol=1e-5, atol=1e-4)
