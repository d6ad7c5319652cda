"""Random policies: a few operations of one list, drawn for each sample.

An operation takes (sample, strength, sign, range): strength in 0..1, sign -1.0 or 1.0. Those of
GEOMETRIC move boxes, masks and label maps like any other geometry; a policy leaves them out with
geometric=False. Both papers' lists are the same fourteen.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfvision.inputs import affine, geometry, seeds
from tfvision.inputs.geometry import Color, Sample
from tfvision.ops import colors

Operation = Callable[[Sample, tf.Tensor, tf.Tensor, float, Color], Sample]


def _colored(change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Operation:
    def operation(sample, strength, sign, limit, color):
        del color
        image = change(sample["image"], strength * sign * limit)
        image = tf.ensure_shape(tf.clip_by_value(image, 0.0, 255.0), sample["image"].shape)
        return {**sample, "image": image}

    return operation


def _moved(matrix: Callable, shift: Callable = lambda amount: (0.0, 0.0)) -> Operation:
    def operation(sample, strength, sign, limit, color):
        amount = strength * sign * limit
        return affine.warp(sample, matrix(amount), tf.stack(shift(amount)), color=color)

    return operation


def _still(amount: tf.Tensor) -> tf.Tensor:
    del amount
    return tf.eye(2)


GEOMETRIC: dict[str, Operation] = {
    "rotate": _moved(affine.rotation),
    "shear_x": _moved(lambda slope: affine.shearing(0.0, slope)),
    "shear_y": _moved(lambda slope: affine.shearing(slope, 0.0)),
    "translate_x": _moved(_still, lambda pixels: (0.0, pixels)),
    "translate_y": _moved(_still, lambda pixels: (pixels, 0.0)),
}
COLOR: dict[str, Operation] = {
    "identity": lambda sample, strength, sign, limit, color: dict(sample),
    "autocontrast": _colored(lambda image, _: colors.autocontrast(image)),
    "equalize": _colored(lambda image, _: colors.equalize(image)),
    "solarize": _colored(lambda image, down: colors.solarize(image, 256.0 - tf.abs(down))),
    "posterize": _colored(
        lambda image, lost: colors.posterize(image, 8.0 - tf.round(tf.abs(lost)))
    ),
    "brightness": _colored(lambda image, change: colors.brightness(image, 1.0 + change)),
    "contrast": _colored(lambda image, change: colors.contrast(image, 1.0 + change)),
    "saturation": _colored(lambda image, change: colors.saturation(image, 1.0 + change)),
    "sharpness": _colored(lambda image, change: colors.sharpness(image, 1.0 + change)),
}
OPERATIONS = {**COLOR, **GEOMETRIC}

# At full strength: radians, slopes, share of the width, grey levels, bits, change of a factor.
# RandAugment's are AutoAugment's (Cubuk et al. 2018, arXiv:1805.09501, appendix; its largest
# translation is 150 of 331 pixels), TrivialAugment's are those that its paper calls wide.
_RANGES = {"rotate": 0.5235988, "shear_x": 0.3, "shear_y": 0.3, "solarize": 256.0}
_RANGES |= dict.fromkeys(("brightness", "contrast", "saturation", "sharpness"), 0.9)
_RANGES |= {"posterize": 4.0, "translate_x": 150 / 331, "translate_y": 150 / 331}
_WIDE = {"rotate": 2.3561945, "shear_x": 0.99, "shear_y": 0.99, "solarize": 256.0}
_WIDE |= dict.fromkeys(("brightness", "contrast", "saturation", "sharpness"), 0.99)
_WIDE |= {"posterize": 6.0, "translate_x": 32.0, "translate_y": 32.0}  # pixels
_LEVELS = 30  # strengths are counted in thirtieths


def names(geometric: bool = True) -> list[str]:
    """What a policy draws from."""
    return list(OPERATIONS if geometric else COLOR)


def perform(
    sample: Sample,
    number: tf.Tensor,
    strength: tf.Tensor,
    sign: tf.Tensor,
    ranges: dict[str, float],
    *,
    geometric: bool = True,
    color: Color = geometry.GREY,
) -> Sample:
    """Applies the operation `number` (int scalar) of `names(geometric)`."""
    sample = {**sample, "image": tf.cast(sample["image"], tf.float32)}

    def branch(name):
        limit = ranges.get(name, 0.0)
        return lambda: OPERATIONS[name](sample, strength, sign, limit, color)

    return tf.switch_case(number, [branch(name) for name in names(geometric)])


def _draw(seed: tf.Tensor, position: int, geometric: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """An operation's number, and -1.0 or 1.0."""
    count = len(names(geometric))
    number = tf.random.stateless_uniform([], seeds.fold(seed, position), 0, count, tf.int32)
    return number, tf.where(seeds.happens(seed, position + 1, 0.5), -1.0, 1.0)


def rand_augment(
    sample: Sample,
    seed: tf.Tensor,
    *,
    count: int = 2,
    magnitude: float = 9.0,
    geometric: bool = True,
    color: Color = geometry.GREY,
) -> Sample:
    """RandAugment (Cubuk et al. 2019, arXiv:1909.13719, section 3): N = count, M = magnitude.

    Each of the `count` operations is drawn anew at equal odds; magnitude 0..30 is the strength
    of all. color: what moves in from outside the image."""
    width = tf.cast(geometry.canvas(sample)[1], tf.float32)
    ranges = dict(_RANGES)
    for name in ("translate_x", "translate_y"):
        ranges[name] = _RANGES[name] * width
    for position in range(count):
        number, sign = _draw(seed, 2 * position, geometric)
        strength = tf.constant(magnitude / _LEVELS)
        sample = perform(sample, number, strength, sign, ranges, geometric=geometric, color=color)
    return sample


def trivial_augment(
    sample: Sample,
    seed: tf.Tensor,
    *,
    geometric: bool = True,
    color: Color = geometry.GREY,
) -> Sample:
    """TrivialAugment, wide (Müller & Hutter 2021, arXiv:2103.10158, section 3).

    One operation at equal odds, its strength one of 0, 1, ... 30 thirtieths."""
    number, sign = _draw(seed, 0, geometric)
    level = tf.random.stateless_uniform([], seeds.fold(seed, 2), 0, _LEVELS + 1, tf.int32)
    strength = tf.cast(level, tf.float32) / _LEVELS
    return perform(sample, number, strength, sign, _WIDE, geometric=geometric, color=color)
