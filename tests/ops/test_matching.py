import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfvision.ops import matching

pytestmark = pytest.mark.addons
ORACLES = pathlib.Path(__file__).parents[1] / "oracles" / "ops"
TORCH = np.load(ORACLES / "boxes.npz")
YXYX = [1, 0, 3, 2]
RPN = {"positive_iou": 0.7, "negative_iou": 0.3}
HEAD = {"positive_iou": 0.5, "negative_iou": 0.5}


def row(y, x, height=10.0, width=10.0):
    return [y, x, y + height, x + width]


@pytest.mark.parametrize("low_quality", [False, True])
def test_matches_are_torchvisions(low_quality):
    anchors, truth = TORCH["anchors"][:, YXYX], TORCH["matcher_gt"][:, YXYX]
    # beside it an image without objects, and padding between the objects
    padded = np.zeros((2, 40, 4), np.float32)
    padded[0, 5 : 5 + len(truth)] = truth
    padded[0, 30] = padded[1, 3] = anchors[4000]  # boxes that class -1 makes padding
    ids = np.full((2, 40), -1)
    ids[0, 5 : 5 + len(truth)] = 0
    limits = RPN if low_quality else HEAD
    found = matching.match(anchors, padded, ids, low_quality=low_quality, **limits).numpy()
    wanted = TORCH["matcher_low_quality" if low_quality else "matcher_plain"]
    np.testing.assert_array_equal(np.where(found[0] >= 0, found[0] - 5, found[0]), wanted)
    assert (found[1] == matching.NEGATIVE).all()


def test_the_best_box_of_a_truth_is_positive_however_small_the_overlap():
    boxes = np.array([row(0, 0), row(0, 20), row(50, 50)], np.float32)
    truth = np.array([[row(0, 0, 10, 4), row(80, 80)]], np.float32)  # IoU 0.4 and 0
    ids = np.array([[3, 4]])
    found = matching.match(boxes, truth, ids, low_quality=True, **RPN)
    assert found.numpy().tolist() == [[0, matching.NEGATIVE, matching.NEGATIVE]]
    found = matching.match(boxes, truth, ids, **RPN)
    assert found.numpy().tolist() == [[matching.BETWEEN, matching.NEGATIVE, matching.NEGATIVE]]


def test_thresholds_belong_to_the_better_side():
    boxes = np.array([[row(0, 0)]], np.float32)
    truth = np.array([[row(0, 0, 10, 5)]], np.float32)  # IoU 0.5
    assert matching.match(boxes, truth, np.array([[0]]), **HEAD).numpy().tolist() == [[0]]


def test_a_negative_in_a_crowd_counts_for_nothing():
    boxes = np.array([[row(0, 0), row(0, 30), row(0, 60)]], np.float32)
    truth, crowd = np.array([[row(0, 0)]]), np.array([[row(0, 0, 10, 35), row(0, 0, 0, 0)]])
    truth, crowd = truth.astype(np.float32), crowd.astype(np.float32)
    found = matching.match(boxes, truth, np.array([[2]]), ignored=crowd, **RPN)
    assert found.numpy().tolist() == [[0, matching.BETWEEN, matching.NEGATIVE]]


def test_no_truths_and_no_boxes_are_no_error():
    none = tf.zeros([1, 0, 4])
    found = matching.match(tf.zeros([1, 3, 4]), none, tf.zeros([1, 0], tf.int32), **RPN)
    assert found.numpy().tolist() == [[matching.NEGATIVE] * 3]
    truth, ids = tf.constant([[row(0.0, 0.0)]]), tf.zeros([1, 1], tf.int32)
    assert matching.match(none, truth, ids, low_quality=True, **RPN).shape == (1, 0)


def test_a_sample_has_its_share_of_positives_and_fills_up_with_negatives():
    codes = np.full((3, 100), matching.NEGATIVE)
    codes[0, :40] = np.arange(40)  # more positives than the share
    codes[1, 90:] = 7  # fewer
    codes[2] = matching.BETWEEN
    codes[2, 3], codes[2, 5] = 0, matching.NEGATIVE  # fewer of both
    drawn = matching.sample(codes, [1, 2], count=32, positive_share=0.5)
    assert drawn.indices.shape == (3, 32)
    picked = np.take_along_axis(codes, drawn.indices.numpy(), axis=1)
    valid, positive = drawn.valid.numpy(), drawn.positive.numpy()
    assert valid.sum(axis=1).tolist() == [32, 32, 2]
    assert positive.sum(axis=1).tolist() == [16, 10, 1]
    assert (picked[positive] >= 0).all()
    assert (picked[valid & ~positive] == matching.NEGATIVE).all()
    for indices, there in zip(drawn.indices.numpy(), valid, strict=True):
        assert len(set(indices[there])) == there.sum()  # nothing twice
        assert (indices[~there] == 0).all()
    assert (np.diff(positive.astype(int), axis=1) <= 0).all()  # positives stand first
    again = matching.sample(codes, [1, 2], count=32, positive_share=0.5)
    np.testing.assert_array_equal(drawn.indices, again.indices)
    other = matching.sample(codes, [1, 3], count=32, positive_share=0.5)
    assert (drawn.indices.numpy() != other.indices.numpy()).any()


def test_every_box_is_drawn_as_often_as_another():
    codes = np.full((400, 20), matching.NEGATIVE)
    codes[:, :10] = 0
    drawn = matching.sample(codes, [0, 0], count=8, positive_share=0.5)
    counts = np.bincount(drawn.indices.numpy().ravel(), minlength=20)
    # 4 of 10 in each of 400 images: 160 each, standard deviation 10
    assert counts.min() > 120
    assert counts.max() < 200


def test_padding_is_never_drawn_and_fewer_boxes_than_asked_for_are_padded():
    codes = np.array([[0, matching.NEGATIVE, matching.NEGATIVE]])
    there = np.array([[True, True, False]])
    drawn = matching.sample(codes, [4, 4], count=8, positive_share=0.25, there=there)
    assert drawn.indices.numpy().tolist() == [[0, 1, 0, 0, 0, 0, 0, 0]]
    assert drawn.valid.numpy().sum() == 2


def test_labels_are_the_truths_with_the_background_last():
    codes = np.array([[1, matching.NEGATIVE, 0, matching.BETWEEN]])
    found = matching.labels(codes, np.array([[4, 2]]), background=9)
    assert found.numpy().tolist() == [[2, 9, 4, -1]]
