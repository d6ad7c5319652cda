"""Geometry on numbers checked by hand, and the rule that all of a sample moves together."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfvision.inputs import affine, augment, geometry, object_tensors, scaling, windows

SEED = tf.constant([3, 5], tf.int64)
ROWS = tf.reshape(tf.range(12, dtype=tf.float32), [3, 4, 1]) * tf.ones([1, 1, 3])


def detection(**changes):
    """A 3 x 4 sample: one object covers rows 0..1, columns 1..2, the other the last pixel."""
    sample = {
        "image": ROWS,
        "boxes": tf.constant([[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 3.0, 4.0]]),
        "class_ids": tf.constant([4, 7], tf.int64),
        "is_crowd": tf.constant([0, 1], tf.int64),
        "area": tf.constant([4.0, 1.0]),
        "masks": tf.constant(
            [[[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]], [[0] * 4, [0] * 4, [0, 0, 0, 1]]], tf.uint8
        ),
        "label_map": tf.constant([[0, 5, 5, 0], [0, 5, 5, 0], [0, 0, 0, 8]], tf.uint8),
    }
    return {**sample, **changes}


@pytest.mark.addons
def test_a_vertical_flip_turns_rows_round():
    found = geometry.vertical_flip(detection(), SEED, probability=1.0)
    np.testing.assert_array_equal(found["image"][:, 0, 0], [8, 4, 0])
    np.testing.assert_array_equal(found["boxes"], [[1, 1, 3, 3], [0, 3, 1, 4]])
    np.testing.assert_array_equal(found["label_map"][0], [0, 0, 0, 8])
    np.testing.assert_array_equal(found["masks"][1, 0], [0, 0, 0, 1])


@pytest.mark.addons
def test_a_cut_moves_the_truth_and_drops_what_is_outside():
    found = geometry.cut(detection(), tf.constant([0, 0, 2, 2]))  # rows 0..1, columns 0..1
    np.testing.assert_array_equal(found["boxes"], [[0, 1, 2, 2]])
    np.testing.assert_array_equal(found["class_ids"], [4])
    np.testing.assert_array_equal(found["is_crowd"], [0])
    np.testing.assert_array_equal(found["area"], [2.0])  # half of its box is left
    np.testing.assert_array_equal(found["masks"], [[[0, 1], [0, 1]]])
    np.testing.assert_array_equal(found["label_map"], [[0, 5], [0, 5]])
    found = geometry.cut(detection(), tf.constant([0, 0, 2, 2]), min_visible=0.6)
    assert found["boxes"].shape == (0, 4)
    assert found["masks"].shape == (0, 2, 2)


def test_an_object_that_loses_its_mask_goes_and_one_that_never_had_one_stays():
    masks = tf.constant([[[1, 0, 0, 0]] + [[0] * 4] * 2, [[0] * 4] * 3], tf.uint8)
    boxes = tf.constant([[0.0, 0.0, 3.0, 4.0], [0.0, 0.0, 3.0, 4.0]])
    found = geometry.cut(detection(masks=masks, boxes=boxes), tf.constant([1, 1, 2, 3]))
    np.testing.assert_array_equal(found["class_ids"], [7])


def test_a_window_before_decoding_and_the_cut_after_it_agree():
    from tfvision.inputs import decode

    sample = detection(label_map=ROWS[..., 0])
    example = {"image": tf.cast(ROWS, tf.uint8)}
    window = windows.random_share(SEED, share=(0.3, 0.9))
    pixels, part = decode.crop(example, window)
    np.testing.assert_array_equal(part, window(tf.constant(3), tf.constant(4)))
    found = geometry.cut({**sample, "image": pixels}, part)
    np.testing.assert_array_equal(found["label_map"], pixels[..., 0])
    assert pixels.shape[0] < 3 or pixels.shape[1] < 4


@pytest.mark.addons
def test_place_fills_the_image_masks_and_label_map_each_in_its_way():
    found = geometry.place(
        detection(), tf.constant([-1, 1]), tf.constant([3, 6]), color=(9.0, 8.0, 7.0)
    )
    # Row 0 is cut off, a row appears below, a column on either side.
    rows = [[9, 4, 5, 6, 7, 9], [9, 8, 9, 10, 11, 9]]
    np.testing.assert_array_equal(found["image"][:2, :, 0], rows)
    np.testing.assert_array_equal(found["image"][2, 0], [9, 8, 7])
    np.testing.assert_array_equal(found["label_map"][0], [255, 0, 5, 5, 0, 255])
    np.testing.assert_array_equal(found["label_map"][2], [255] * 6)
    np.testing.assert_array_equal(found["masks"][0], [[0, 0, 1, 1, 0, 0], [0] * 6, [0] * 6])
    np.testing.assert_array_equal(found["boxes"], [[0, 2, 1, 4], [1, 4, 2, 5]])


@pytest.mark.addons
def test_resize_doubles_everything():
    found = geometry.resize(detection(), tf.constant([6, 8]))
    assert found["image"].shape == (6, 8, 3)
    np.testing.assert_array_equal(found["boxes"], [[0, 2, 4, 6], [4, 6, 6, 8]])
    np.testing.assert_array_equal(found["masks"][1, 4:, 6:], [[1, 1], [1, 1]])
    np.testing.assert_array_equal(found["label_map"][0], [0, 0, 5, 5, 5, 5, 0, 0])
    np.testing.assert_array_equal(found["area"], [16.0, 4.0])


@pytest.mark.addons
def test_a_quarter_turn_is_clockwise_and_exact():
    square = {
        "image": ROWS[:, :3],
        "boxes": tf.constant([[0.0, 0.0, 1.0, 3.0]]),
        "label_map": tf.constant([[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
    }
    turn = affine.rotation(tf.constant(math.pi / 2))
    found = affine.warp(square, turn, tf.zeros(2))
    np.testing.assert_array_equal(found["label_map"], [[7, 4, 1], [8, 5, 2], [9, 6, 3]])
    rows = [[8, 4, 0], [9, 5, 1], [10, 6, 2]]
    np.testing.assert_allclose(found["image"][..., 0], rows, atol=1e-4)
    np.testing.assert_allclose(found["boxes"], [[0, 2, 3, 3]], atol=1e-5)  # top row -> last column


@pytest.mark.addons
def test_a_shift_by_whole_pixels_leaves_color_void_and_no_lost_objects():
    found = affine.warp(detection(), tf.eye(2), tf.constant([0.0, 1.0]), color=50.0)
    np.testing.assert_allclose(found["image"][0, :, 0], [50, 0, 1, 2], atol=1e-5)
    np.testing.assert_array_equal(found["label_map"][0], [255, 0, 5, 5])
    np.testing.assert_array_equal(found["boxes"], [[0, 2, 2, 4]])
    np.testing.assert_array_equal(found["class_ids"], [4])
    np.testing.assert_array_equal(found["masks"][0, 0], [0, 0, 1, 1])


def test_letterbox_centres_and_scale_crop_ends_on_its_canvas():
    found = scaling.letterbox(detection(), SEED, size=(8, 8), color=0.0)
    # 3 x 4 -> 6 x 8, one row of color above and below
    np.testing.assert_array_equal(found["boxes"][0], [1, 2, 5, 6])
    np.testing.assert_array_equal(found["label_map"][0], [255] * 8)
    found = scaling.scale_crop(detection(), SEED, size=(5, 5))
    assert found["image"].shape == (5, 5, 3)
    assert found["masks"].shape[1:] == (5, 5)


def test_masks_bounds_are_where_their_pixels_are():
    masks = np.zeros([2, 5, 6], np.uint8)
    masks[0, 1:3, 2:5] = 1
    np.testing.assert_array_equal(object_tensors.bounds(tf.constant(masks))[0], [1, 2, 3, 5])


def painted(sides, box, with_mask):
    """A black picture whose box is 255 in every form the truth takes."""
    y1, x1, y2, x2 = box
    image = np.zeros([*sides, 3], np.float32)
    image[y1:y2, x1:x2] = 255.0
    sample = {
        "image": tf.constant(image),
        "boxes": tf.constant([box], tf.float32),
        "class_ids": tf.constant([1], tf.int64),
        "label_map": tf.constant(image[..., 0] / 255.0, tf.int32),
    }
    if with_mask:
        sample["masks"] = tf.constant(image[None, ..., 0] > 0)
    return sample


def edges(where):
    """y x y x bounds of the True pixels."""
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    return [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


MOVES = {
    "horizontal_flip": {},
    "vertical_flip": {},
    "random_crop": {"size": (50, 60)},
    "scale_jitter": {"size": (70, 80), "scale": (0.5, 1.5)},
    "scale_crop": {"size": (90, 90)},
    "letterbox": {"size": (64, 96)},
    "darknet_jitter": {"size": (64, 96)},
    "affine": {"degrees": 30.0, "translate": 0.2, "scale": (0.7, 1.3), "shear": 10.0},
    "rand_augment": {"count": 1},
    "trivial_augment": {},
}


@pytest.mark.addons
@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("name", MOVES)
def test_painted_pixels_and_boxes_move_together(name, with_mask):
    """Bounds of the painted pixels, the label map and the mask are the moved box's to a pixel."""
    met = 0
    for index in range(12):
        sample = painted((80, 100), (20, 30, 52, 71), with_mask)
        step = {"name": name, **MOVES[name], **({} if "flip" in name else {"color": 0.0})}
        found = augment.apply(sample, tf.constant([1, index], tf.int64), [step])
        if not len(found["boxes"]):
            continue
        met += 1
        box = found["boxes"][0].numpy()
        np.testing.assert_allclose(edges(found["label_map"].numpy() == 1), box, atol=1.01)
        if "augment" not in name:  # color operations repaint
            np.testing.assert_allclose(edges(found["image"].numpy()[..., 0] > 127), box, atol=1.01)
        if with_mask:
            np.testing.assert_allclose(edges(found["masks"][0].numpy()), box, atol=1.01)
    assert met >= 6
