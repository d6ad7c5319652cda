"""Changes of color and grain; boxes, masks and label maps stay as they are.

`image` is float32 [H, W, 3], RGB 0..255, before and after. `probability` is that of changing
anything at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfvision.inputs import seeds
from tfvision.ops import colors

Sample = dict[str, tf.Tensor]


def _sometimes(
    sample: Sample, seed: tf.Tensor, probability: float, change: Callable[[tf.Tensor], tf.Tensor]
) -> Sample:
    """Changes the image with the given probability and clips it to 0..255."""
    image = tf.cast(sample["image"], tf.float32)

    def changed():
        return tf.ensure_shape(tf.clip_by_value(change(image), 0.0, 255.0), image.shape)

    happens = seeds.happens(seed, 0, probability)
    return {**sample, "image": tf.cond(happens, changed, lambda: image)}


def color_jitter(
    sample: Sample,
    seed: tf.Tensor,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
) -> Sample:
    """Random brightness, contrast, saturation and hue, in that order.

    The first three scale by a factor within 1 +- the argument; hue turns by +- the argument
    (0.5 is half the circle). The result stays within 0..255."""
    image = sample["image"]
    if brightness:
        image = colors.brightness(image, seeds.uniform(seed, 0, 1 - brightness, 1 + brightness))
    if contrast:
        image = colors.contrast(image, seeds.uniform(seed, 1, 1 - contrast, 1 + contrast))
    if saturation:
        image = colors.saturation(image, seeds.uniform(seed, 2, 1 - saturation, 1 + saturation))
    if hue:
        image = colors.hue(image, seeds.uniform(seed, 3, -hue, hue))
    return {**sample, "image": tf.clip_by_value(image, 0.0, 255.0)}


def darknet_color(
    sample: Sample,
    seed: tf.Tensor,
    *,
    hue: float = 0.1,
    saturation: float = 1.5,
    exposure: float = 1.5,
) -> Sample:
    """Darknet's changes in HSV (random_distort_image of its source; YOLO v1, section 2.2).

    hue: turned by up to +- this share of the circle. saturation, exposure: the two other channels
    are multiplied or divided, at equal odds, by a factor of 1 to this."""
    image = tf.cast(sample["image"], tf.float32)
    hsv = tf.image.rgb_to_hsv(tf.clip_by_value(image, 0.0, 255.0) / 255.0)

    def factor(position: int, most: float) -> tf.Tensor:
        scale = seeds.uniform(seed, position, 1.0, most)
        return tf.where(seeds.happens(seed, position + 1, 0.5), scale, 1.0 / scale)

    shifted = tf.math.floormod(hsv[..., 0] + seeds.uniform(seed, 0, -hue, hue), 1.0)
    channels = [shifted, hsv[..., 1] * factor(1, saturation), hsv[..., 2] * factor(3, exposure)]
    hsv = tf.clip_by_value(tf.stack(channels, axis=-1), 0.0, 1.0)
    return {**sample, "image": tf.image.hsv_to_rgb(hsv) * 255.0}


def grayscale(sample: Sample, seed: tf.Tensor, *, probability: float = 0.2) -> Sample:
    """Takes the color out (0.2: Chen et al. 2020, arXiv:2002.05709, appendix A)."""
    return _sometimes(sample, seed, probability, colors.grayscale)


def blur(
    sample: Sample,
    seed: tf.Tensor,
    *,
    sigma: Sequence[float] = (0.1, 2.0),
    probability: float = 0.5,
) -> Sample:
    """Gaussian blur of a random sigma in pixels (Chen et al. 2020, arXiv:2002.05709, appendix A).

    The kernel reaches three times the largest sigma."""
    drawn = seeds.uniform(seed, 1, *sigma)
    radius = max(math.ceil(3.0 * sigma[1]), 1)
    return _sometimes(sample, seed, probability, lambda image: colors.blur(image, drawn, radius))


def noise(
    sample: Sample,
    seed: tf.Tensor,
    *,
    stddev: Sequence[float] = (0.0, 12.75),
    probability: float = 0.5,
) -> Sample:
    """Adds Gaussian noise, independent for each value; its deviation (0..255) is drawn too."""
    deviation = seeds.uniform(seed, 1, *stddev)

    def noisy(image):
        grain = tf.random.stateless_normal(tf.shape(image), seeds.fold(seed, 2))
        return image + grain * deviation

    return _sometimes(sample, seed, probability, noisy)


def sharpness(
    sample: Sample, seed: tf.Tensor, *, strength: float = 0.5, probability: float = 0.5
) -> Sample:
    """Smooths or sharpens, by a factor within 1 +- strength."""
    factor = seeds.uniform(seed, 1, 1 - strength, 1 + strength)
    return _sometimes(sample, seed, probability, lambda image: colors.sharpness(image, factor))


def solarize(
    sample: Sample, seed: tf.Tensor, *, threshold: float = 128.0, probability: float = 0.2
) -> Sample:
    """Inverts the values from `threshold` on."""
    return _sometimes(sample, seed, probability, lambda i: colors.solarize(i, threshold))


def posterize(
    sample: Sample, seed: tf.Tensor, *, bits: int = 4, probability: float = 0.2
) -> Sample:
    """Keeps the highest `bits` of each value."""
    return _sometimes(sample, seed, probability, lambda image: colors.posterize(image, bits))


def equalize(sample: Sample, seed: tf.Tensor, *, probability: float = 0.2) -> Sample:
    """Flattens the histogram of each channel."""
    return _sometimes(sample, seed, probability, colors.equalize)


def autocontrast(sample: Sample, seed: tf.Tensor, *, probability: float = 0.2) -> Sample:
    """Stretches each channel to 0..255."""
    return _sometimes(sample, seed, probability, colors.autocontrast)


def invert(sample: Sample, seed: tf.Tensor, *, probability: float = 0.1) -> Sample:
    """255 - value."""
    return _sometimes(sample, seed, probability, colors.invert)
