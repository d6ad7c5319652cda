import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import config as configs
from tfvision import errors
from tfvision.inputs import canvas, decode, object_tensors, targets

pytestmark = pytest.mark.addons


def inputs(**changes):
    return configs.config(inputs=changes).inputs


def png(values, mode=None):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8), mode).save(stream, "PNG")
    return stream.getvalue()


SAMPLE = {
    "image": np.full((2, 4, 3), 100, np.uint8),
    "label_map": np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.uint8),
    "masks": np.array([[[0, 0, 1, 1], [0, 0, 0, 0]]], np.uint8),
    "boxes": np.array([[0.0, 2.0, 1.0, 4.0]], np.float32),
    "class_ids": np.array([3]),
}


def test_a_letterbox_moves_everything_and_fills_with_color_void_and_nothing():
    settings = inputs(resize="letterbox", padding=(1.0, 2.0, 3.0))
    found = canvas.fit(SAMPLE, (8, 8), settings)
    np.testing.assert_allclose(found["frame"], [2, 4, 2, 2, 2, 0])
    np.testing.assert_allclose(found["image"][0, 0], [1, 2, 3])
    np.testing.assert_allclose(found["image"][4, 4], [100, 100, 100], rtol=1e-6)
    void = [255] * 8
    first, second = [0, 0, 1, 1, 2, 2, 3, 3], [4, 4, 5, 5, 6, 6, 7, 7]
    rows = [void, void, first, first, second, second, void, void]
    np.testing.assert_array_equal(found["label_map"], rows)
    np.testing.assert_allclose(found["boxes"], [[2, 4, 4, 8]])
    mask = np.zeros((8, 8))
    mask[2:4, 4:] = 1
    np.testing.assert_array_equal(found["masks"], [mask])


def test_a_canvas_of_the_right_size_stays():
    sample = {"image": tf.constant(SAMPLE["image"]), "label_map": SAMPLE["label_map"]}
    found = canvas.fit(sample, (2, 4), inputs(resize="letterbox"))
    np.testing.assert_allclose(found["image"], SAMPLE["image"])
    np.testing.assert_allclose(found["frame"], [2, 4, 1, 1, 0, 0])
    np.testing.assert_array_equal(found["label_map"], SAMPLE["label_map"])


@pytest.mark.parametrize("resize", canvas.RESIZES)
def test_every_resize_works_in_a_graph_on_sizes_not_known_before(resize):
    settings = inputs(resize=resize, short=6, long=12)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
    def run(image):
        found = canvas.fit({"image": image, "label_map": image[:, :, 0]}, (6, 6), settings)
        return found["image"], found["label_map"], found["frame"]

    for size in ((1, 1), (3, 9), (20, 7)):
        image, labels, frame = run(np.full((*size, 3), 9, np.uint8))
        assert image.shape == (6, 6, 3)
        assert labels.shape == (6, 6)
        np.testing.assert_array_equal(frame[:2], size)
        assert labels[3, 3] == 9 or resize == "short_side"
        assert labels[0, 0] == 9 or resize in ("letterbox", "center_crop")


def test_an_unknown_resize_is_named():
    with pytest.raises(errors.UsageError, match="did you mean 'letterbox'"):
        canvas.fit(SAMPLE, (8, 8), inputs(resize="leterbox"))


@pytest.mark.parametrize("crop", ["", "random_share"])
def test_training_moves_the_label_map_with_the_pixels(crop):
    # Each pixel's red says which class it is, wherever window, flip and crop put it.
    values = np.arange(48, dtype=np.uint8).reshape(6, 8)
    example = {
        "encoded": tf.constant(png(np.stack([values] * 3, axis=-1))),
        "label_map": tf.constant(png(values)),
    }
    settings = inputs(
        crop={"name": crop, "share": (0.5, 0.9)} if crop else {"name": ""},
        augment=({"name": "horizontal_flip"}, {"name": "random_crop", "size": (4, 4)}),
        resize="stretch",
    )
    places = set()
    for index in range(8):
        seeded = {**example, "seed": tf.constant([0, index], tf.int64)}
        found = canvas.fit(canvas.load(seeded, settings, True), (4, 4), settings)
        labels = found["label_map"].numpy()
        inside = labels != 255
        assert inside.any()
        np.testing.assert_array_equal(found["image"].numpy()[..., 0][inside], labels[inside])
        places.add(labels.tobytes())
    assert len(places) > 4


def test_a_label_map_is_decoded_as_stored():
    found = decode.label_map({"label_map": tf.constant(png([[0, 7], [255, 3]]))})
    np.testing.assert_array_equal(found, [[0, 7], [255, 3]])


EXAMPLE = {
    "image": np.zeros((4, 6, 3), np.uint8),
    "height": tf.constant(4, tf.int64),
    "width": tf.constant(6, tf.int64),
    "boxes": np.array([[1, 2, 3, 5], [0, 0, 4, 6], [0.5, 0, 2, 1]], np.float32),
    "class_ids": np.array([0, 1, 1]),
    "masks": [
        png([[255, 0, 0], [0, 255, 255]]),  # of the box's pixels
        png(np.eye(4, 6)),  # of the whole image
        b"",  # none
    ],
}


def test_object_masks_are_of_the_box_or_of_the_image_or_missing():
    found = tf.function(lambda: decode.object_masks(EXAMPLE))().numpy()
    assert found.dtype == np.uint8
    wanted = np.zeros((3, 4, 6), np.uint8)
    wanted[0, 1, 2] = wanted[0, 2, 3] = wanted[0, 2, 4] = 1
    wanted[1] = np.eye(4, 6)
    np.testing.assert_array_equal(found, wanted)
    none = {**EXAMPLE, "masks": tf.zeros([0], tf.string), "boxes": np.zeros((0, 4), np.float32)}
    assert decode.object_masks(none).shape == (0, 4, 6)


def test_a_mask_of_another_size_is_an_error():
    broken = {**EXAMPLE, "masks": [png(np.ones((3, 5))), png(np.eye(4, 6)), b""]}
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode.object_masks(broken)


def test_masks_follow_their_boxes_into_a_batch():
    settings = inputs(
        resize="letterbox", augment=({"name": "horizontal_flip", "probability": 1.0},)
    )
    sample = canvas.load({**EXAMPLE, "seed": tf.constant([0, 1], tf.int64)}, settings, True)
    sample = object_tensors.framed(sample, 6)
    sample = canvas.fit(sample, (8, 12), settings)
    batch = targets.padded(sample, 4)
    np.testing.assert_allclose(batch["boxes"][0], [2, 2, 6, 8])  # mirrored, twice as large
    assert batch["masks"].shape == (4, 6, 6)
    cells = np.repeat(np.repeat([[0, 0, 1], [1, 1, 0]], 3, axis=0), 2, axis=1)
    np.testing.assert_array_equal(batch["masks"][0], cells)
    assert not batch["masks"][2].numpy().any()  # it has no mask, and stays
    assert batch["class_ids"].numpy().tolist() == [0, 1, 1, -1]
    plain = canvas.load(EXAMPLE, settings, False)
    assert "masks" not in plain
