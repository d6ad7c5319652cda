"""Changes of color with a given strength: pure functions on one image.

Every image is float32 [H, W, 3], RGB 0..255, in and out; what leaves that range is for the caller
to clip, except where a docstring says otherwise. A factor of 1 changes nothing.
"""

from __future__ import annotations

import tensorflow as tf


def brightness(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Scales about black."""
    return image * factor


def contrast(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Scales about the image's mean grey."""
    mean = tf.reduce_mean(tf.image.rgb_to_grayscale(image))
    return mean + (image - mean) * factor


def saturation(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Scales about each pixel's grey; 0 is `grayscale`."""
    shades = tf.image.rgb_to_grayscale(image)
    return shades + (image - shades) * factor


def hue(image: tf.Tensor, turn: tf.Tensor | float) -> tf.Tensor:
    """Turns the hue by `turn` (1 is the whole circle); 0..255 in and out."""
    image = tf.clip_by_value(image, 0.0, 255.0)
    return tf.image.adjust_hue(image / 255.0, turn) * 255.0


def grayscale(image: tf.Tensor) -> tf.Tensor:
    """The same luma (ITU-R BT.601) in all three channels."""
    return tf.broadcast_to(tf.image.rgb_to_grayscale(image), tf.shape(image))


def invert(image: tf.Tensor) -> tf.Tensor:
    """255 - value."""
    return 255.0 - image


def solarize(image: tf.Tensor, threshold: tf.Tensor | float) -> tf.Tensor:
    """Inverts the values from `threshold` on."""
    return tf.where(image >= threshold, 255.0 - image, image)


def posterize(image: tf.Tensor, bits: tf.Tensor | int) -> tf.Tensor:
    """Keeps the highest `bits` (1..8) of each value, the others 0; 0..255 in."""
    step = 2.0 ** (8.0 - tf.cast(bits, tf.float32))
    return tf.floor(image / step) * step


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to 0..255; a channel of one value stays."""
    low = tf.reduce_min(image, axis=[0, 1])
    span = tf.reduce_max(image, axis=[0, 1]) - low
    return tf.where(span > 0.0, tf.math.divide_no_nan((image - low) * 255.0, span), image)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Flattens each channel's histogram, by Pillow's rule; values are rounded first.

    The whole numbers that come out are those of ImageOps.equalize."""
    levels = tf.cast(tf.round(tf.clip_by_value(image, 0.0, 255.0)), tf.int32)
    tables = []
    for channel in tf.unstack(levels, axis=-1):
        counts = tf.math.bincount(tf.reshape(channel, [-1]), minlength=256, maxlength=256)
        highest = tf.reduce_max(channel)
        step = (tf.reduce_sum(counts) - counts[highest]) // 255
        table = (tf.cumsum(counts, exclusive=True) + step // 2) // tf.maximum(step, 1)
        table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256))
        tables.append(tf.gather(table, channel))
    return tf.cast(tf.stack(tables, axis=-1), tf.float32)


def sharpness(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Scales about Pillow's SMOOTH filter (0 is smoothed); the outermost pixels stay."""
    kernel = tf.constant([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13.0
    smooth = _filter(image, kernel)
    inner = tf.zeros_like(image[1:-1, 1:-1, :1])
    border = tf.pad(inner, [[1, 1], [1, 1], [0, 0]], constant_values=1.0)[
        : tf.shape(image)[0], : tf.shape(image)[1]
    ]
    smooth = tf.where(border > 0.0, image, smooth)
    return smooth + (image - smooth) * factor


def blur(image: tf.Tensor, sigma: tf.Tensor | float, radius: int) -> tf.Tensor:
    """Gaussian blur of `sigma` pixels with a kernel of 2 * radius + 1, as two passes.

    At the border the weights of what is there are scaled up to 1."""
    at = tf.range(-radius, radius + 1, dtype=tf.float32)
    weights = tf.exp(-0.5 * (at / tf.maximum(sigma, 1e-3)) ** 2)
    for kernel in (weights[:, tf.newaxis], weights[tf.newaxis, :]):
        image = _filter(image, kernel) / _filter(tf.ones_like(image[:, :, :1]), kernel)
    return image


def _filter(image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Correlates each channel of [H, W, C] with [h, w]; zeros beyond the border."""
    channels = image.shape[-1]
    kernel = tf.tile(kernel[:, :, tf.newaxis, tf.newaxis], [1, 1, channels, 1])
    return tf.nn.depthwise_conv2d(image[tf.newaxis], kernel, [1, 1, 1, 1], "SAME")[0]
