import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors
from tfvision.inputs import augment

SEED = tf.constant([3, 5], tf.int64)
IMAGE = tf.reshape(tf.range(2 * 4 * 3, dtype=tf.float32), [2, 4, 3])


def both_ways(function):
    """The result eagerly and inside Dataset.map."""
    eager = function(SEED)
    mapped = next(iter(tf.data.Dataset.from_tensors(SEED).map(function)))
    tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), eager, mapped)
    return eager


@pytest.mark.addons
def test_a_flip_moves_image_boxes_and_masks_together():
    sample = {
        "image": IMAGE,
        "boxes": tf.constant([[0.0, 1.0, 2.0, 3.5]]),
        "masks": tf.constant([[[1, 0, 0, 0], [0, 0, 0, 0]]]),
        "label_map": tf.constant([[7, 0, 0, 0], [0, 0, 0, 0]]),
    }
    found = both_ways(lambda seed: augment.horizontal_flip(sample, seed, probability=1.0))
    np.testing.assert_array_equal(found["image"], IMAGE[:, ::-1])
    np.testing.assert_array_equal(found["boxes"], [[0.0, 0.5, 2.0, 3.0]])  # 4 - 3.5, 4 - 1
    np.testing.assert_array_equal(found["masks"][0, 0], [0, 0, 0, 1])
    np.testing.assert_array_equal(found["label_map"][0], [0, 0, 0, 7])
    same = both_ways(lambda seed: augment.horizontal_flip(sample, seed, probability=0.0))
    np.testing.assert_array_equal(same["image"], IMAGE)


@pytest.mark.addons
def test_color_jitter_scales_about_black_mean_and_grey():
    sample = {"image": tf.constant([[[100.0, 100.0, 100.0], [50.0, 50.0, 50.0]]])}
    found = both_ways(lambda seed: augment.color_jitter(sample, seed, brightness=0.5))["image"]
    factor = found[0, 0, 0] / 100.0
    assert 0.5 <= factor <= 1.5
    np.testing.assert_allclose(found[0, 1], 50.0 * factor, rtol=1e-5)
    found = both_ways(lambda seed: augment.color_jitter(sample, seed, contrast=0.5))["image"]
    np.testing.assert_allclose(tf.reduce_mean(found), 75.0, rtol=1e-3)  # the mean stays
    found = both_ways(lambda seed: augment.color_jitter(sample, seed, saturation=0.5))["image"]
    np.testing.assert_allclose(found, sample["image"], atol=0.05)  # grey stays grey


def test_crop_windows_lie_in_the_image_and_keep_area_and_ratio():
    for index in range(200):
        seed = tf.constant([0, index], tf.int64)
        window = augment.random_resized_crop(seed, scale=(0.25, 1.0))
        y, x, h, w = window(tf.constant(60), tf.constant(80)).numpy()
        assert 0 <= y <= y + h <= 60
        assert 0 <= x <= x + w <= 80
        assert 0.24 <= h * w / 4800 <= 1.0
        assert 0.72 <= w / h <= 1.4


def test_crop_windows_are_as_often_wide_as_tall():
    """Their ratio is uniform in its logarithm; drawn uniformly, 15 of 16 would be wide."""

    def shape(index):
        window = augment.random_resized_crop(
            tf.stack([3, index]), scale=(0.002, 0.003), ratio=(1 / 16, 16)
        )
        return window(tf.constant(4000), tf.constant(4000))[2:]

    sizes = tf.map_fn(shape, tf.range(400)).numpy()
    ratio = np.log2(sizes[:, 1] / sizes[:, 0])
    # of a uniform variable in -4..4: mean 0 +- 0.115, quartiles at -2 and 2
    assert abs(ratio.mean()) < 0.4
    np.testing.assert_allclose(np.quantile(ratio, [0.25, 0.75]), [-2, 2], atol=0.5)


def test_a_random_crop_reaches_both_ends():
    starts = set()
    for number in range(40):
        window = augment.WINDOWS["random_crop"](tf.constant([number, 1]), size=(2, 3))
        y, x, height, width = window(tf.constant(3), tf.constant(4)).numpy()
        assert (height, width) == (2, 3)
        starts.add((y, x))
    assert starts == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_an_image_too_narrow_for_any_window_gives_its_middle():
    window = augment.random_resized_crop(SEED, scale=(0.9, 1.0))
    # ratio at most 4 / 3: of 10 x 100 the middle 13 columns
    assert window(tf.constant(10), tf.constant(100)).numpy().tolist() == [0, 43, 10, 13]


def test_the_same_seed_gives_the_same_picture_and_another_one_does_not():
    steps = [{"name": "translate", "pixels": 1}, {"name": "color_jitter", "brightness": 0.5}]
    first = augment.apply({"image": IMAGE}, SEED, steps)["image"]
    np.testing.assert_array_equal(first, augment.apply({"image": IMAGE}, SEED, steps)["image"])
    other = augment.apply({"image": IMAGE}, SEED + 1, steps)["image"]
    assert not np.array_equal(first, other)


def test_wrong_names_and_options_are_refused():
    with pytest.raises(errors.UsageError, match="did you mean 'horizontal_flip'"):
        augment.apply({"image": IMAGE}, SEED, [{"name": "horizontal_flp"}])
    with pytest.raises(errors.UsageError, match="no option 'brightnes'"):
        augment.apply({"image": IMAGE}, SEED, [{"name": "color_jitter", "brightnes": 1}])
