"""Proposals move with their image by the rule of boxes, and are padded for a batch."""

import numpy as np
import pytest
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, schema
from tfvision.inputs import augment, canvas, decode, geometry, mixing, multi_scale, targets
from tfvision.records import encode, image_files, label_maps

pytestmark = pytest.mark.addons

SEED = tf.constant([3, 5], tf.int64)


def sample(proposals, size=(4, 8), **others):
    return {
        "image": tf.zeros((*size, 3)),
        "proposals": tf.constant(proposals, tf.float32),
        **others,
    }


BOXES = [[0, 0, 4, 8], [1, 2, 3, 4], [3, 6, 4, 8]]


def test_a_flip_mirrors_them():
    found = geometry.horizontal_flip(sample(BOXES), SEED, probability=1.0)
    np.testing.assert_array_equal(found["proposals"], [[0, 0, 4, 8], [1, 4, 3, 6], [3, 0, 4, 2]])
    found = geometry.vertical_flip(sample(BOXES), SEED, probability=1.0)
    np.testing.assert_array_equal(found["proposals"], [[0, 0, 4, 8], [1, 2, 3, 4], [0, 6, 1, 8]])
    found = geometry.horizontal_flip(sample(BOXES), SEED, probability=0.0)
    np.testing.assert_array_equal(found["proposals"], BOXES)


def test_a_cut_clips_them_and_drops_those_with_nothing_left():
    # Rows 0..2, columns 3..5: the first is clipped, the second keeps a column, the third is gone.
    window = tf.constant([0, 3, 3, 3])
    found = geometry.cut(sample(BOXES), window)
    np.testing.assert_array_equal(found["proposals"], [[0, 0, 3, 3], [1, 0, 3, 1]])
    assert "boxes" not in found
    # min_visible is for objects: one loses half and goes, the proposals stay as they are.
    both = sample(
        BOXES, boxes=tf.constant([[1.0, 2, 3, 4], [0, 3, 3, 6]]), class_ids=tf.constant([7, 9])
    )
    found = geometry.cut(both, window, min_visible=0.6)
    np.testing.assert_array_equal(found["boxes"], [[0, 0, 3, 3]])
    np.testing.assert_array_equal(found["class_ids"], [9])
    np.testing.assert_array_equal(found["proposals"], [[0, 0, 3, 3], [1, 0, 3, 1]])


def test_resize_and_place_scale_and_shift_them():
    found = geometry.resize(sample(BOXES), tf.constant([8, 4]))
    np.testing.assert_allclose(found["proposals"], [[0, 0, 8, 4], [2, 1, 6, 2], [6, 3, 8, 4]])
    found = geometry.place(sample(BOXES), tf.constant([-1, 1]), tf.constant([2, 7]))
    np.testing.assert_allclose(found["proposals"], [[0, 1, 2, 7], [0, 3, 2, 5]])


@pytest.mark.parametrize(
    "step",
    [
        {"name": "horizontal_flip"},
        {"name": "random_crop", "size": (20, 30)},
        {"name": "scale_jitter", "size": (40, 40), "scale": (0.5, 2.0)},
        {"name": "scale_crop", "size": (24, 24)},
        {"name": "letterbox", "size": (50, 50)},
        {"name": "darknet_jitter", "size": (32, 48)},
        {"name": "affine", "degrees": 30.0, "translate": 0.4, "scale": (0.5, 1.5), "shear": 10.0},
        {"name": "trivial_augment"},
    ],
)
def test_equal_boxes_and_proposals_stay_equal(step):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 30, (40, 2))
    boxes = tf.constant(np.concatenate([low, low + rng.uniform(1, 10, (40, 2))], 1), tf.float32)

    @tf.function
    def moved(seed):
        truths = {"boxes": boxes, "class_ids": tf.range(40)}
        return augment.apply(sample(boxes, (40, 40), **truths), seed, [step])

    changed = 0
    for index in range(6):
        found = moved(tf.constant([0, index], tf.int64))
        np.testing.assert_array_equal(found["proposals"], found["boxes"])
        changed += not np.array_equal(found["proposals"], boxes)
    assert changed


def test_training_and_the_canvas_move_them_and_pad_them():
    inputs = configs.config(
        inputs={
            "resize": "letterbox",
            "augment": ({"name": "horizontal_flip", "probability": 1.0},),
        }
    ).inputs
    example = {
        "image": np.zeros((4, 8, 3), np.uint8),
        "proposals": tf.constant(BOXES, tf.float32),
        "seed": SEED,
    }
    # 4 x 8 on 16 x 16: twice as large, four rows down.
    wanted = np.array([[4, 0, 12, 16], [6, 4, 10, 8], [10, 12, 12, 16]], np.float32)
    found = canvas.fit(canvas.load(example, inputs, False), (16, 16), inputs)
    np.testing.assert_allclose(found["proposals"], wanted)
    flipped = canvas.fit(canvas.load(example, inputs, True), (16, 16), inputs)
    wanted[:, [1, 3]] = 16 - wanted[:, [3, 1]]
    np.testing.assert_allclose(flipped["proposals"], wanted)

    padded = targets.padded_proposals(flipped, 5)
    assert padded["proposals"].shape == (5, 4)
    np.testing.assert_allclose(padded["proposals"], [*wanted, [0] * 4, [0] * 4])
    assert padded["num_proposals"].dtype == tf.int32
    assert int(padded["num_proposals"]) == 3
    cut = targets.padded_proposals(flipped, 2)
    np.testing.assert_allclose(cut["proposals"], wanted[:2])
    assert int(cut["num_proposals"]) == 2
    none = targets.padded_proposals({"proposals": tf.zeros([0, 4])}, 2)
    np.testing.assert_array_equal(none["proposals"], np.zeros((2, 4)))
    assert int(none["num_proposals"]) == 0


@pytest.mark.parametrize("fields", [("proposals",), ("image", "boxes", "proposals")])
def test_a_record_gives_them_in_pixels(fields):
    image = image_files.normalise(label_maps.png(np.zeros((4, 8), np.uint8)))
    record = encode.encode(
        schema.Sample("a.png", "a.png", "a", objects=[]),
        image,
        ["thing"],
        ("objects",),
        propose=lambda pixels: np.array(BOXES, np.float32) * (pixels.shape == (4, 8, 3)),
    ).record
    found = tf.function(lambda r: decode.parse(r, fields))(tf.constant(record))
    np.testing.assert_allclose(found["proposals"], BOXES)
    assert found["proposals"].dtype == tf.float32
    assert ("boxes" in found) == ("boxes" in fields)


def test_what_mixes_images_refuses_or_moves_them():
    with pytest.raises(errors.UsageError, match="no place for proposals"):
        mixing.mosaic([sample(BOXES)] * 4, SEED, size=(4, 8))
    batch = {
        "image": tf.zeros((2, 4, 8, 3)),
        "boxes": tf.zeros((2, 1, 4)),
        "class_ids": tf.zeros((2, 1), tf.int32),
        "proposals": tf.constant([BOXES, BOXES], tf.float32),
    }
    with pytest.raises(errors.UsageError, match="no place for proposals"):
        mixing.mosaic_batch(batch, SEED, 3)
    found = multi_scale.resize(batch, tf.constant(16))
    np.testing.assert_allclose(found["proposals"][1], np.array(BOXES) * [4, 2, 4, 2])
