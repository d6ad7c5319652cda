"""What every augmentation owes: both modes, any sample, its own randomness and nothing else's."""

import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors
from tfvision.inputs import augment

SEED = tf.constant([3, 5], tf.int64)
OPTIONS = {
    name: {"size": (24, 20)}
    for name in ("random_crop", "scale_jitter", "scale_crop", "letterbox", "darknet_jitter")
}
OPTIONS |= {"affine": {"degrees": 20.0, "translate": 0.1, "scale": (0.8, 1.2), "shear": 5.0}}
OPTIONS |= {"color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}}
CERTAIN = ("grayscale", "blur", "noise", "sharpness", "solarize", "posterize", "equalize")
CERTAIN += ("autocontrast", "invert", "random_erase")
OPTIONS |= {name: {"probability": 1.0} for name in CERTAIN}
FIXED = ("letterbox", "grayscale", "solarize", "posterize", "equalize", "autocontrast", "invert")


def picture(height=32, width=40):
    rng = np.random.default_rng(0)
    return tf.constant(rng.uniform(0, 255, (height, width, 3)), tf.float32)


def sample(count):
    """A detection sample with masks and label map; count: its objects."""
    boxes = np.array([[2, 3, 20, 18], [10, 12, 30, 38], [0, 0, 32, 40]], np.float32)[:count]
    masks = np.zeros([count, 32, 40], np.uint8)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = 1
    return {
        "image": picture(),
        "boxes": tf.constant(boxes.reshape(-1, 4)),
        "class_ids": tf.range(count, dtype=tf.int64),
        "is_crowd": tf.zeros([count], tf.int64),
        "masks": tf.constant(masks),
        "label_map": tf.constant(np.arange(32 * 40).reshape(32, 40) % 7, tf.uint8),
    }


def run(given, name, seed=SEED):
    return augment.apply(given, seed, [{"name": name, **OPTIONS.get(name, {})}])


def mapped(given, name):
    """The same inside Dataset.map, with the number of objects unknown to the graph."""
    fixed = ("image", "label_map")
    signature = {
        key: tf.TensorSpec(v.shape if key in fixed else [None, *v.shape[1:]], v.dtype)
        for key, v in given.items()
    }
    dataset = tf.data.Dataset.from_generator(lambda: [given], output_signature=signature)
    dataset = dataset.map(lambda item: run(item, name))
    return next(iter(dataset)), dataset.element_spec


@pytest.mark.addons
@pytest.mark.parametrize("name", augment.AUGMENTATIONS)
def test_a_classification_sample_goes_through_both_ways_with_its_static_shape(name):
    given = {"image": picture()}
    eager = run(given, name)
    found, spec = mapped(given, name)
    assert eager.keys() == found.keys() == given.keys()
    assert eager["image"].dtype == tf.float32
    assert spec["image"].shape == eager["image"].shape
    np.testing.assert_allclose(found["image"], eager["image"], atol=2e-2)
    assert float(tf.reduce_min(found["image"])) >= 0.0
    assert float(tf.reduce_max(found["image"])) <= 255.001


@pytest.mark.addons
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("name", [n for n in augment.AUGMENTATIONS if n != "translate"])
def test_a_sample_of_objects_goes_through_both_ways_and_keeps_its_tensors_in_step(name, count):
    given = sample(count)
    eager = run(given, name)
    found, _ = mapped(given, name)
    for key in given:
        np.testing.assert_allclose(found[key], eager[key], atol=2e-2, err_msg=key)
        assert found[key].dtype == given[key].dtype
    height, width = eager["image"].shape[:2]
    left = eager["boxes"].shape[0]
    assert eager["masks"].shape == (left, height, width)
    assert eager["label_map"].shape == (height, width)
    assert eager["class_ids"].shape == eager["is_crowd"].shape == (left,)
    assert left <= count


@pytest.mark.parametrize("name", augment.AUGMENTATIONS)
def test_a_seed_fixes_the_result_and_others_differ(name):
    seeds = [tf.constant([0, i], tf.int64) for i in range(12)]
    found = [run({"image": picture()}, name, seed)["image"].numpy() for seed in seeds]
    np.testing.assert_array_equal(found[0], run({"image": picture()}, name, seeds[0])["image"])
    differing = sum(not np.array_equal(found[0], other) for other in found[1:])
    assert (differing == 0) if name in FIXED else (differing > 0)


def test_an_option_of_every_augmentation_is_checked():
    for name in augment.AUGMENTATIONS:
        with pytest.raises(errors.UsageError, match="no option 'nonsense'"):
            augment.apply({"image": picture()}, SEED, [{"name": name, "nonsense": 1}])


WINDOWS = {"random_crop": {"size": (20, 30)}, "ssd_crop": {}}


@pytest.mark.addons
@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("name", augment.WINDOWS)
def test_every_window_lies_in_the_image_and_is_the_same_in_a_dataset(name, count):
    boxes = tf.constant([[10.0, 10, 30, 40], [5, 50, 55, 75]])[:count]
    options = {"name": name, **WINDOWS.get(name, {})}

    def pick(seed):
        return augment.window(options, seed, boxes)(tf.constant(60), tf.constant(80))

    seeds = tf.stack([tf.zeros(40, tf.int64), tf.range(40, dtype=tf.int64)], axis=1)
    found = [tuple(w.numpy()) for w in tf.data.Dataset.from_tensor_slices(seeds).map(pick)]
    assert found == [tuple(pick(seed).numpy()) for seed in seeds]
    assert len(set(found)) > 5
    for y, x, height, width in found:
        assert 0 <= y < y + height <= 60
        assert 0 <= x < x + width <= 80


def test_an_ssd_window_holds_the_middle_of_an_object():
    boxes = tf.constant([[10.0, 10.0, 30.0, 40.0]])  # middle 20, 25
    for index in range(60):
        seed = tf.constant([2, index], tf.int64)
        window = augment.window({"name": "ssd_crop"}, seed, boxes)
        y, x, height, width = window(tf.constant(60), tf.constant(80)).numpy()
        assert y < 20 < y + height
        assert x < 25 < x + width


def test_an_ssd_window_without_boxes_is_refused():
    with pytest.raises(errors.UsageError, match="needs the boxes"):
        augment.window({"name": "ssd_crop"}, SEED)


@pytest.mark.addons
@pytest.mark.parametrize("name", sorted({*augment.AUGMENTATIONS} - {"translate"}))
def test_pixels_as_they_were_decoded_are_fine_too(name):
    """Tasks of boxes and maps may flip first, which leaves them uint8."""
    given = sample(2)
    whole = {**given, "image": tf.cast(given["image"], tf.uint8)}
    exact = {**given, "image": tf.cast(whole["image"], tf.float32)}
    steps = [{"name": "horizontal_flip"}, {"name": name, **OPTIONS.get(name, {})}]
    found, wanted = (augment.apply(one, SEED, steps)["image"] for one in (whole, exact))
    np.testing.assert_allclose(tf.cast(found, tf.float32), wanted, atol=0.6)
