"""Color, erasing and the policies, against Pillow and by hand."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from tfvision.inputs import augment, color, erase, policies
from tfvision.ops import colors

SEED = tf.constant([3, 5], tf.int64)
PIXELS = np.random.default_rng(0).gamma(2.0, 30.0, (24, 31, 3)).clip(10, 240).astype(np.uint8)
IMAGE = tf.constant(PIXELS, tf.float32)


@pytest.mark.addons
@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (lambda: colors.equalize(IMAGE), ImageOps.equalize),
        (lambda: colors.autocontrast(IMAGE), ImageOps.autocontrast),
        (lambda: colors.posterize(IMAGE, 3), lambda image: ImageOps.posterize(image, 3)),
        (lambda: colors.solarize(IMAGE, 100.0), lambda image: ImageOps.solarize(image, 100)),
        (lambda: colors.invert(IMAGE), ImageOps.invert),
        (lambda: colors.sharpness(IMAGE, 0.3), lambda i: ImageEnhance.Sharpness(i).enhance(0.3)),
        (lambda: colors.saturation(IMAGE, 0.3), lambda i: ImageEnhance.Color(i).enhance(0.3)),
        (lambda: colors.contrast(IMAGE, 0.3), lambda i: ImageEnhance.Contrast(i).enhance(0.3)),
        (lambda: colors.brightness(IMAGE, 0.3), lambda i: ImageEnhance.Brightness(i).enhance(0.3)),
    ],
)
def test_each_change_is_pillows_up_to_its_rounding(found, wanted):
    wanted = np.asarray(wanted(Image.fromarray(PIXELS)), np.float32)
    np.testing.assert_allclose(found(), wanted, atol=1.5)


def test_equalize_gives_pillows_very_numbers():
    wanted = np.asarray(ImageOps.equalize(Image.fromarray(PIXELS)))
    np.testing.assert_array_equal(colors.equalize(IMAGE), wanted)


@pytest.mark.addons
def test_blur_spreads_a_dot_and_keeps_a_plain_picture():
    dot = np.zeros([9, 11, 3], np.float32)
    dot[4, 5] = 100.0
    found = colors.blur(tf.constant(dot), 0.8, 2).numpy()
    side = np.exp(-0.5 / 0.8**2)
    np.testing.assert_allclose(found[4, 6] / found[4, 5], side, rtol=1e-5)
    np.testing.assert_allclose(found[5, 6] / found[4, 5], side**2, rtol=1e-5)
    plain = tf.fill([3, 4, 3], 77.0)  # smaller than the kernel
    np.testing.assert_allclose(colors.blur(plain, 2.0, 6), plain, rtol=1e-5)


def test_grey_is_luma_and_noise_has_its_deviation():
    one = {"image": tf.constant([[[100.0, 50.0, 200.0]]])}
    found = augment.apply(one, SEED, [{"name": "grayscale", "probability": 1.0}])["image"]
    np.testing.assert_allclose(found, [[[82.04] * 3]], atol=0.1)  # 29.9 + 29.35 + 22.8
    flat = {"image": tf.fill([64, 64, 3], 128.0)}
    step = {"name": "noise", "stddev": (10.0, 10.0), "probability": 1.0}
    found = augment.apply(flat, SEED, [step])["image"].numpy()
    assert found.std() == pytest.approx(10.0, rel=0.05)
    assert found.mean() == pytest.approx(128.0, abs=0.5)


@pytest.mark.addons
def test_erasing_paints_one_rectangle_of_the_area_asked_for():
    sample = {"image": tf.fill([40, 60, 3], 1.0), "boxes": tf.constant([[0.0, 0.0, 40.0, 60.0]])}
    for index in range(10):
        seed = tf.constant([0, index], tf.int64)
        found = erase.random_erase(
            sample, seed, probability=1.0, scale=(0.1, 0.2), color=(5.0, 6.0, 7.0)
        )
        hit = found["image"].numpy()[..., 0] == 5.0
        rows, columns = hit.any(1).sum(), hit.any(0).sum()
        assert hit.sum() == rows * columns
        assert 0.08 <= hit.mean() <= 0.22
        np.testing.assert_array_equal(found["image"].numpy()[hit], [[5, 6, 7]] * hit.sum())
        np.testing.assert_array_equal(found["boxes"], sample["boxes"])


def test_cutout_is_a_square_that_may_stick_out():
    areas = set()
    for index in range(20):
        found = erase.cutout(
            {"image": tf.zeros([9, 9, 3])}, tf.constant([0, index], tf.int64), size=4
        )
        areas.add(int((found["image"].numpy()[..., 0] > 0).sum()))
    assert max(areas) == 16
    assert min(areas) < 16


@pytest.mark.addons
def test_a_policy_of_no_operations_changes_nothing_and_lists_are_the_papers_fourteen():
    assert len(policies.names()) == 14
    assert len(policies.names(geometric=False)) == 9
    sample = {"image": IMAGE}
    found = policies.rand_augment(sample, SEED, count=0)
    np.testing.assert_array_equal(found["image"], IMAGE)


def test_a_policy_runs_as_many_operations_as_it_is_told(monkeypatch):
    ran = []

    def counted(name):
        def operation(sample, strength, sign, limit, color):
            ran.append(name)
            return sample

        return operation

    for name in policies.OPERATIONS:
        monkeypatch.setitem(policies.OPERATIONS, name, counted(name))
    for index in range(100):
        policies.rand_augment({"image": IMAGE}, tf.constant([0, index], tf.int64), count=3)
    assert len(ran) == 300
    assert set(ran) == set(policies.names())
    ran.clear()
    for index in range(60):
        policies.trivial_augment({"image": IMAGE}, tf.constant([0, index], tf.int64))
    assert len(ran) == 60


def strongest(name, sign=1.0, ranges=policies._RANGES):
    number = tf.constant(policies.names().index(name))
    strength = tf.constant(1.0)
    return policies.perform({"image": IMAGE}, number, strength, tf.constant(sign), ranges)["image"]


@pytest.mark.addons
def test_full_strength_is_what_the_papers_tables_say():
    np.testing.assert_allclose(strongest("brightness", -1.0), PIXELS * 0.1, rtol=1e-5)
    np.testing.assert_allclose(strongest("posterize"), PIXELS // 16 * 16)
    np.testing.assert_allclose(strongest("posterize", ranges=policies._WIDE), PIXELS // 64 * 64)
    np.testing.assert_allclose(strongest("solarize"), 255.0 - PIXELS)
    np.testing.assert_array_equal(strongest("identity"), PIXELS)
    moved = strongest("translate_y", ranges={"translate_y": 2.0})
    np.testing.assert_allclose(moved[2:], PIXELS[:-2], atol=1e-3)


def test_a_color_policy_leaves_objects_where_they_are():
    boxes = tf.constant([[1.0, 2.0, 3.0, 4.0]])
    for index in range(20):
        found = policies.rand_augment(
            {"image": IMAGE, "boxes": boxes}, tf.constant([0, index], tf.int64), geometric=False
        )
        np.testing.assert_array_equal(found["boxes"], boxes)


def test_darknets_color_turns_hue_and_scales_saturation_and_value():
    # (200, 100, 100): hue 0, saturation 1/2, value 200 / 255.
    image = tf.constant(np.full((1, 1, 3), (200.0, 100.0, 100.0), np.float32))
    scales = set()
    for index in range(20):
        seed = tf.constant([0, index], tf.int64)
        only = {"hue": 0.0, "saturation": 1.0, "exposure": 1.0}
        same = color.darknet_color({"image": image}, seed, **only)["image"]
        np.testing.assert_allclose(same, image, atol=1e-3)
        lit = color.darknet_color({"image": image}, seed, **{**only, "exposure": 1.2})["image"]
        factor = float(lit[0, 0, 0]) / 200.0
        assert 1 / 1.2 <= factor <= 1.2
        np.testing.assert_allclose(lit, image * factor, rtol=1e-4)
        scales.add(factor > 1.0)
        pale = color.darknet_color({"image": image}, seed, **{**only, "saturation": 1.5})
        red, green, blue = pale["image"].numpy()[0, 0]
        assert red == pytest.approx(200.0, abs=1e-3)
        assert green == pytest.approx(blue, abs=1e-3)
        assert 0.5 / 1.5 - 1e-4 <= 1 - green / red <= 0.75 + 1e-4
        turned = color.darknet_color({"image": image}, seed, **{**only, "hue": 0.1})["image"]
        assert float(tf.reduce_max(turned)) == pytest.approx(200.0, abs=1e-2)
        assert float(tf.reduce_min(turned)) == pytest.approx(100.0, abs=1e-2)
    assert scales == {True, False}  # it gets darker as well as lighter
