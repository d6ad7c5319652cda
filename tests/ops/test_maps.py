import numpy as np
import pytest
import tensorflow as tf

from tfvision.ops import images, maps

pytestmark = pytest.mark.addons


def logits_of(classes, count):
    return 10.0 * np.eye(count, dtype=np.float32)[np.asarray(classes)]


def frame(original, resized, offset):
    return images.make_frame(
        tf.constant(original), tf.constant(resized), tf.constant(offset)
    ).numpy()


def test_a_canvas_that_is_the_image_gives_its_largest_class():
    canvas = [[0, 1, 2], [2, 1, 0]]
    found = maps.original(
        tf.constant(logits_of([canvas], 3)), tf.constant([frame((2, 3), (2, 3), (0, 0))])
    )
    np.testing.assert_array_equal(found["class_map"], [canvas])
    np.testing.assert_array_equal(found["image_size"], [[2, 3]])


def test_padding_is_cut_off_and_smaller_images_are_filled_with_void():
    canvas = np.full((2, 4, 4), 2)
    canvas[0, 1:3] = [[0, 0, 1, 1], [0, 0, 1, 1]]  # a letterbox of 2 x 4
    canvas[1, :, :2] = 1  # at the left, 4 x 2
    frames = [frame((2, 4), (2, 4), (1, 0)), frame((8, 4), (4, 2), (0, 0))]
    found = maps.original(
        tf.constant(logits_of(canvas, 3)), tf.constant(frames), probabilities=True
    )
    np.testing.assert_array_equal(found["image_size"], [[2, 4], [8, 4]])
    assert found["class_map"].dtype == tf.uint8
    np.testing.assert_array_equal(found["class_map"][0, :2], [[0, 0, 1, 1]] * 2)
    assert (found["class_map"][0, 2:].numpy() == 255).all()
    np.testing.assert_array_equal(found["class_map"][1], np.ones((8, 4)))
    np.testing.assert_allclose(np.sum(found["probabilities"][1], axis=-1), 1.0, rtol=1e-6)
    assert not np.any(found["probabilities"][0, 2:])


def test_the_class_changes_where_the_interpolated_logits_cross():
    # logits +1 and -1 side by side, four times as wide: bilinear crosses 0 in the middle
    logits = np.zeros((1, 1, 2, 2), np.float32)
    logits[0, 0, :, 0] = [1, -1]
    found = maps.original(tf.constant(logits), tf.constant([frame((1, 8), (1, 2), (0, 0))]))
    np.testing.assert_array_equal(found["class_map"], [[[0, 0, 0, 0, 1, 1, 1, 1]]])


def test_an_image_thinner_than_a_row_of_the_canvas_has_the_row_that_it_lies_in():
    logits = np.zeros((1, 2, 4, 2), np.float32)
    logits[0, 0, :, 0], logits[0, 1, :, 1] = 1, 9
    found = maps.original(tf.constant(logits), tf.constant([[1, 8, 0.4, 0.5, 0, 0]], tf.float32))
    np.testing.assert_array_equal(found["class_map"], [[[0] * 8]])


def test_the_images_that_fill_a_batch_up_have_no_map():
    frames = [frame((1, 2), (1, 2), (0, 0)), np.zeros(6, np.float32)]
    found = maps.original(tf.constant(logits_of([[[0, 1]], [[0, 0]]], 2)), tf.constant(frames))
    np.testing.assert_array_equal(found["class_map"], [[[0, 1]], [[255, 255]]])
    np.testing.assert_array_equal(found["image_size"], [[1, 2], [0, 0]])
