import numpy as np
import pytest
import tensorflow as tf

from tfvision.ops import images

IMAGE = tf.fill([30, 60, 3], 100.0)


@pytest.mark.addons
def test_letterbox_centres_on_its_color_and_its_frame_says_where():
    canvas, frame = images.letterbox(IMAGE, (40, 40), color=127.5)
    # 60 -> 40 and 30 -> 20: ten rows of color above and below
    np.testing.assert_allclose(frame, [30, 60, 20 / 30, 40 / 60, 10, 0], rtol=1e-6)
    np.testing.assert_allclose(canvas[9], 127.5)
    np.testing.assert_allclose(canvas[10], 100.0, rtol=1e-6)
    np.testing.assert_allclose(canvas[30], 127.5)


def test_stretch_scales_each_side_by_itself():
    canvas, frame = images.stretch(IMAGE, (15, 20))
    assert canvas.shape == (15, 20, 3)
    np.testing.assert_allclose(frame, [30, 60, 0.5, 1 / 3, 0, 0], rtol=1e-6)


# What torch 2.13's interpolate made of them in torchvision's rule, at 800 and 1333.
TORCHVISION = {
    (364, 335): (869, 799),
    (335, 364): (799, 869),
    (375, 500): (799, 1066),
    (500, 375): (1066, 799),
    (427, 640): (799, 1199),
    (480, 640): (800, 1066),
    (333, 500): (799, 1201),
    (612, 612): (800, 800),
    (200, 1000): (266, 1333),
    (51, 1000): (67, 1333),
    (1, 7): (190, 1333),
}


@pytest.mark.addons
def test_short_side_rounds_as_torchvisions_detectors_do():
    def size(original):
        return images.short_side_size(original, (1344, 1344), short=800, long=1333)

    graph = tf.function(size, input_signature=[tf.TensorSpec([2], tf.int32)])
    for original, resized in TORCHVISION.items():
        assert tuple(graph(tf.constant(original)).numpy()) == resized
        assert tuple(size(tf.constant(original)).numpy()) == resized
    canvas, frame = images.short_side(tf.zeros([364, 335, 3]), (1344, 1344), short=800, long=1333)
    assert canvas.shape == (1344, 1344, 3)
    np.testing.assert_allclose(frame, [364, 335, 869 / 364, 799 / 335, 0, 0], rtol=1e-6)


def test_center_crop_cuts_the_long_side_exactly():
    # 256 * 1066 / 1007 = 270.99901
    for original, resized in {(1007, 1066): (256, 270), (2999, 2000): (383, 256)}.items():
        found = images.center_crop_size(tf.constant(original), short=256)
        assert tuple(found.numpy()) == resized


def test_center_crop_takes_the_middle_and_pads_what_is_too_small():
    _, frame = images.center_crop(IMAGE, (20, 20), short=30)
    np.testing.assert_allclose(frame, [30, 60, 1, 1, -5, -20])
    canvas, frame = images.center_crop(IMAGE, (40, 40), short=30)
    np.testing.assert_allclose(frame[4:], [5, -10])
    np.testing.assert_allclose(canvas[4], 0.0)
    np.testing.assert_allclose(canvas[5], 100.0)


def test_center_crop_halves_an_odd_rest_as_python_rounds():
    # torchvision: int(round((size - crop) / 2.0)), of halves the even number
    for crop, offsets in {(27, 59): (-2, 0), (29, 57): (0, -2), (25, 53): (-2, -4)}.items():
        _, frame = images.center_crop(IMAGE, crop, short=30)
        np.testing.assert_allclose(frame[4:], offsets)


def test_boxes_go_to_the_frame_and_back():
    _, frame = images.letterbox(IMAGE, (40, 40))
    boxes = tf.constant([[3.0, 6.0, 15.0, 30.0]])
    moved = images.to_frame(boxes, frame)
    np.testing.assert_allclose(moved, [[12, 4, 20, 20]], rtol=1e-5)
    np.testing.assert_allclose(images.from_frame(moved, frame), boxes, rtol=1e-5)
