"""Large JPEGs decoded at a half, a quarter or an eighth, by libjpeg's own scaling.

An image that is at least twice as high and as wide as it is needed is not worth decoding whole. A
pixel of the scaled image covers `ratio` x `ratio` pixels of the image; its sides are rounded up, so
the last pixels may cover less, and the first ones of an image that EXIF mirrors. Only JPEGs are
scaled. Everything else stands where `decode` puts it.

Axis letters: H, W of the upright image, h, w as decoded.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfvision.inputs import decode
from tfvision.ops import images

Needed = Callable[[tf.Tensor], tf.Tensor]  # sides of a window -> sides it is needed at, int32 [2]

RATIOS = (1, 2, 4, 8)
# Augmentations that count pixels of the image as it is.
OWN_PIXELS = ("random_crop", "scale_crop")
# The others that change the scale, and by how much at most, where `scale` does not say.
ZOOMS = {"scale_jitter": 2.0, "letterbox": 1.0, "darknet_jitter": 1.0, "affine": 1.0}


def ratio(sides: tf.Tensor, needed: tf.Tensor) -> tf.Tensor:
    """The largest of RATIOS at which `sides` are no smaller than `needed`, int32 scalar.

    Both int32 [2], height and width; 1 where the sides are smaller as they are."""
    room = tf.reduce_min(sides // needed)
    return tf.reduce_max(tf.where(tf.constant(RATIOS) <= tf.maximum(room, 1), RATIOS, 1))


def image(example: decode.Example) -> images.Image:
    """The upright image of an example; one of bytes is decoded when its size is known."""
    if "image" in example:
        return decode.pixels(example)
    encoded = tf.convert_to_tensor(example["encoded"])
    plain = decode.is_plain(encoded)
    size, orientation, other = tf.cond(
        plain,
        lambda: (tf.io.extract_jpeg_shape(encoded)[:2], tf.constant(1), _nothing()),
        lambda: _start(encoded),
    )

    def decoded(needed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        factor = tf.where(tf.size(other) > 0, 1, ratio(size, needed))
        pixels, part = tf.cond(
            plain & tf.equal(factor, 1),
            lambda: (decode.jpeg(encoded), _part(size)),
            lambda: _finish(encoded, orientation, other, size, factor),
        )
        return tf.ensure_shape(pixels, (None, None, 3)), part

    return images.Undecoded(size, decoded)


def _nothing() -> tf.Tensor:
    return tf.zeros([0, 0, 3], tf.uint8)


def _part(size: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.zeros(2), tf.cast(size, tf.float32)], axis=0)


@decode.rare
def _start(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Upright sides and EXIF orientation of a JPEG, and no pixels; of other formats the pixels."""
    orientation = decode.orientation(encoded)

    def of_jpeg():
        stored = tf.io.extract_jpeg_shape(encoded)[:2]
        return tf.where(orientation >= 5, stored[::-1], stored), _nothing()

    def of_other():
        pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return tf.shape(pixels)[:2], pixels

    size, pixels = tf.cond(tf.io.is_jpeg(encoded), of_jpeg, of_other)
    return size, orientation, pixels


@decode.rare
def _finish(
    encoded: tf.Tensor, orientation: tf.Tensor, other: tf.Tensor, size: tf.Tensor, factor: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The pixels, decoded `factor` times smaller, and the part of them that the image covers."""

    def of_jpeg():
        pixels = decode.upright(_jpeg(encoded, factor), orientation)
        covered = tf.cast(size, tf.float32) / tf.cast(factor, tf.float32)
        rest = tf.cast(tf.shape(pixels)[:2], tf.float32) - covered
        return pixels, tf.concat([tf.where(_mirrored(orientation), rest, 0.0), covered], axis=0)

    return tf.cond(tf.size(other) > 0, lambda: (other, _part(size)), of_jpeg)


def _mirrored(orientation: tf.Tensor) -> tf.Tensor:
    """bool [2]: are the rows and the columns of an EXIF orientation upright in reverse order?"""
    among = tf.constant([[3, 4, 7, 8], [2, 3, 6, 7]])
    return tf.reduce_any(tf.equal(among, orientation), axis=1)


def _jpeg(encoded: tf.Tensor, factor: tf.Tensor, window: tf.Tensor | None = None) -> tf.Tensor:
    """A JPEG as stored, `factor` times smaller, and of that the `window` of its pixels."""

    def at(ratio: int) -> Callable[[], tf.Tensor]:
        options = {"channels": 3, "ratio": ratio, "dct_method": "INTEGER_ACCURATE"}
        if window is None:
            return lambda: tf.io.decode_jpeg(encoded, **options)
        return lambda: tf.raw_ops.DecodeAndCropJpeg(contents=encoded, crop_window=window, **options)

    place = tf.argmax(tf.equal(RATIOS, factor), output_type=tf.int32)
    return tf.switch_case(place, [at(ratio) for ratio in RATIOS])


def everything(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The window of the whole image."""
    return tf.stack([0, 0, height, width])


def crop(
    example: decode.Example, window: decode.Window, needed: Needed
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """As `decode.crop`, scaled: uint8 [h, w, 3], the part int32 [4] of the image, and the ratio.

    The part is `window`'s, cut to whole pixels of the scaled image: it is `ratio` times [h, w]."""
    if "image" in example:
        return (*decode.crop(example, window), tf.constant(1))
    encoded = tf.convert_to_tensor(example["encoded"])

    def of_jpeg():
        height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(encoded))
        part = window(height, width)
        factor = ratio(part[2:], needed(part[2:]))

        def as_it_is():
            options = {"channels": 3, "dct_method": "INTEGER_ACCURATE"}
            return tf.image.decode_and_crop_jpeg(encoded, part, **options), part

        image = tf.cond(tf.equal(factor, 1), as_it_is, lambda: _cut(encoded, part, factor))
        return (*image, factor)

    def of_turned(orientation):
        stored = tf.io.extract_jpeg_shape(encoded)[:2]
        size = tf.where(orientation >= 5, stored[::-1], stored)
        part = window(size[0], size[1])
        # One pixel more: the window's first may begin before it.
        factor = ratio(part[2:], needed(part[2:]) + 1)
        pixels = decode.upright(_jpeg(encoded, factor), orientation)
        ahead = tf.where(_mirrored(orientation), tf.shape(pixels)[:2] * factor - size, 0)
        low = (part[:2] + ahead + factor - 1) // factor
        high = (part[:2] + part[2:] + ahead) // factor
        part = tf.concat([low * factor - ahead, (high - low) * factor], axis=0)
        return pixels[low[0] : high[0], low[1] : high[1]], part, factor

    @decode.rare
    def of_other():
        orientation = decode.orientation(encoded)
        return tf.cond(
            tf.io.is_jpeg(encoded),
            lambda: tf.cond(tf.equal(orientation, 1), of_jpeg, lambda: of_turned(orientation)),
            lambda: (*decode.crop(example, window), tf.constant(1)),
        )

    pixels, part, factor = tf.cond(decode.is_plain(encoded), of_jpeg, of_other)
    return tf.ensure_shape(pixels, (None, None, 3)), part, factor


@decode.rare
def _cut(encoded: tf.Tensor, part: tf.Tensor, factor: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The scaled pixels of an upright JPEG that lie in the part, and the part that they cover."""
    low = part[:2] // factor
    scaled = tf.concat([low, (part[:2] + part[2:]) // factor - low], axis=0)
    return _jpeg(encoded, factor, scaled), scaled * factor
