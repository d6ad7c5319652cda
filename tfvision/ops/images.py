"""Resizing and padding of one image, each with its exact inverse.

A resize returns `(image, frame)`. The frame is float32 [6] = original height, original width,
scale_y, scale_x, offset_y, offset_x; a point of the original lands at `y * scale_y + offset_y`.
The scales are resized / original after rounding to whole pixels, so the inverse is exact.

Axis letters: H height, W width, B batch, N boxes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

FRAME_SIZE = 6
Color = float | Sequence[float]  # one number or RGB, 0..255


def make_frame(original: tf.Tensor, resized: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """float32 [6] from three [2] tensors (height, width), in pixels."""
    original, resized, offset = (tf.cast(t, tf.float32) for t in (original, resized, offset))
    return tf.concat([original, resized / original, offset], axis=0)


@dataclasses.dataclass(frozen=True)
class Undecoded:
    """An image that is decoded when it is known how large it has to be.

    size: int32 [2], height and width. decode: int32 [2], the size it is needed at -> pixels uint8
    [h, w, 3], no smaller than that where the image is not, and the part of them that the image
    covers, float32 [4] = y, x, height, width."""

    size: tf.Tensor
    decode: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


Image = tf.Tensor | Undecoded


def sides(image: Image) -> tf.Tensor:
    """int32 [2]: height and width of [H, W, C]."""
    return image.size if isinstance(image, Undecoded) else tf.shape(image)[:2]


def resize(image: Image, size: tf.Tensor, *, antialias: bool) -> tf.Tensor:
    """Bilinear, [H, W, C] of any dtype -> float32 [size[0], size[1], C].

    antialias: the triangle grows with the reduction, as Pillow's does. Equal to
    tf.image.resize; with antialiasing in two thirds of its time inside tf.data, because the
    kernel is fast along the first axis only: both passes go there, transposed in between."""
    if isinstance(image, Undecoded):
        return _resize_part(*image.decode(size), tf.convert_to_tensor(size), antialias)
    height, width = tf.unstack(tf.convert_to_tensor(size))

    def plain() -> tf.Tensor:
        return tf.image.resize(image, tf.stack([height, width]), method="bilinear")

    def reduced() -> tf.Tensor:
        transposed = tf.transpose(_shrink(image, height), [1, 0, 2])
        return tf.transpose(_shrink(transposed, width), [1, 0, 2])

    if not antialias:
        return plain()
    # What is not reduced has nothing to smooth: the triangle is as wide as bilinear's.
    shape = tf.shape(image)
    return tf.cond((shape[0] <= height) & (shape[1] <= width), plain, reduced)


def _resize_part(pixels: tf.Tensor, part: tf.Tensor, size: tf.Tensor, antialias: bool) -> tf.Tensor:
    """As `resize` of the `part` (float32 [4] = y, x, height, width) of uint8 [h, w, 3]."""
    whole = tf.concat([tf.zeros(2), tf.cast(tf.shape(pixels)[:2], tf.float32)], axis=0)
    return tf.cond(
        tf.reduce_all(tf.equal(part, whole)),
        lambda: resize(pixels, size, antialias=antialias),
        lambda: _moved(pixels, part, size, antialias),
    )


# A function of its own in the graph, as few images need it (see inputs.decode).
@tf.function(autograph=False, reduce_retracing=True, experimental_attributes={"_noinline": True})
def _moved(pixels: tf.Tensor, part: tf.Tensor, size: tf.Tensor, antialias: bool) -> tf.Tensor:
    for axis in (0, 1):
        shrunk = _shrink(pixels, size[axis], (part[axis], part[axis + 2]), antialias)
        pixels = tf.transpose(shrunk, [1, 0, 2])
    return pixels


def _shrink(
    image: tf.Tensor,
    length: tf.Tensor,
    part: tuple[tf.Tensor, tf.Tensor] | None = None,
    antialias: bool = True,
) -> tf.Tensor:
    """Resize of [H, W, C] along the first axis alone, to float32.

    part: start and extent of what is resized, in rows; None for all."""
    rows, columns, channels = tf.unstack(tf.shape(image))
    start, extent = part or (0.0, tf.cast(rows, tf.float32))
    scale = tf.cast(length, tf.float32) / extent
    resized = tf.raw_ops.ScaleAndTranslate(
        images=tf.reshape(image, tf.stack([1, rows, 1, -1])),
        size=tf.stack([length, 1]),
        scale=tf.stack([scale, 1.0]),
        translation=tf.stack([-start * scale, 0.0]) if part else tf.zeros(2),
        kernel_type="triangle",
        antialias=antialias,
    )
    return tf.reshape(resized, tf.stack([length, columns, channels]))


def _fit(image: tf.Tensor, offset: tf.Tensor, size: tuple[int, int], color: Color) -> tf.Tensor:
    """Places `image` at `offset` on a canvas of `size`; negative offsets cut it off."""
    height, width = size
    cut = tf.maximum(-offset, 0)
    image = image[cut[0] :, cut[1] :]
    offset = tf.maximum(offset, 0)
    image = tf.ensure_shape(image[: height - offset[0], : width - offset[1]], (None, None, 3))
    after = tf.constant([height, width]) - offset - tf.shape(image)[:2]
    padding = tf.stack([offset, after], axis=1)
    shades = (color,) * 3 if isinstance(color, (int, float)) else color
    channels = [  # tf.pad knows one number only
        tf.pad(channel, padding, constant_values=tf.cast(shade, image.dtype))
        for channel, shade in zip(tf.unstack(image, axis=-1), shades, strict=True)
    ]
    return tf.ensure_shape(tf.stack(channels, axis=-1), (height, width, 3))


def stretch(
    image: Image, size: tuple[int, int], *, antialias: bool = True
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes [H, W, 3] to `size` = (height, width), ignoring the aspect ratio."""
    original = sides(image)
    resized = tf.ensure_shape(resize(image, tf.constant(size), antialias=antialias), (*size, 3))
    return resized, make_frame(original, tf.constant(size), tf.zeros(2))


def letterbox_size(original: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """To what `letterbox` resizes an image of `original` = height, width; both int32 [2]."""
    ratios = tf.constant(size, tf.float32) / tf.cast(original, tf.float32)
    scaled = tf.cast(original, tf.float32) * tf.reduce_min(ratios)
    return tf.clip_by_value(tf.cast(tf.round(scaled), tf.int32), 1, tf.constant(size))


def letterbox(
    image: Image, size: tuple[int, int], *, color: Color = 127.5, antialias: bool = True
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes to the largest size that fits, centerd on a canvas of `color` (Darknet's)."""
    original = sides(image)
    resized = letterbox_size(original, size)
    offset = (tf.constant(size) - resized) // 2
    canvas = _fit(resize(image, resized, antialias=antialias), offset, size, color)
    return canvas, make_frame(original, resized, offset)


def short_side_size(
    original: tf.Tensor, size: tuple[int, int], *, short: int, long: int
) -> tf.Tensor:
    """To what `short_side` resizes an image of `original` = height, width; both int32 [2].

    Rounded as torchvision's detectors do it: the scale is short times the float32 reciprocal of
    the side, its product with a side is a float64, and is cut. So 375 x 500 becomes 799 x 1066 at
    short=800."""
    inverse = 1.0 / tf.cast(original, tf.float32)  # torch computes number / tensor as number * this
    scale = tf.minimum(short * tf.reduce_max(inverse), long * tf.reduce_min(inverse))
    scale = tf.minimum(scale, tf.reduce_min(tf.constant(size, tf.float32) * inverse))
    resized = tf.floor(tf.cast(original, tf.float64) * tf.cast(scale, tf.float64))
    return tf.maximum(tf.cast(resized, tf.int32), 1)


def short_side(
    image: Image,
    size: tuple[int, int],
    *,
    short: int,
    long: int,
    color: Color = 0.0,
    antialias: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Short side to `short` pixels but the long side at most `long`, at the canvas's top left.

    What does not fit the canvas `size` scales down further. (Faster R-CNN in torchvision: 800 and
    1333, no antialiasing; detectron2 rounds the sides to the nearest pixel instead.)"""
    original = sides(image)
    resized = short_side_size(original, size, short=short, long=long)
    canvas = _fit(resize(image, resized, antialias=antialias), tf.zeros(2, tf.int32), size, color)
    return canvas, make_frame(original, resized, tf.zeros(2))


def center_crop_size(original: tf.Tensor, *, short: int) -> tf.Tensor:
    """To what `center_crop` resizes an image of `original` = height, width; both int32 [2]."""
    # torchvision: int(short * long_side / short_side)
    exact = tf.cast(original, tf.int64)
    return tf.maximum(tf.cast(short * exact // tf.reduce_min(exact), tf.int32), 1)


def center_crop(
    image: Image, size: tuple[int, int], *, short: int, antialias: bool = True
) -> tuple[tf.Tensor, tf.Tensor]:
    """Short side to `short` pixels, then the middle `size` of it (torchvision's evaluation).

    Where `size` is larger than the resized image, the border is black."""
    original = sides(image)
    resized = center_crop_size(original, short=short)
    difference = tf.cast(tf.constant(size) - resized, tf.float32)
    offset = -tf.cast(tf.round(-difference / 2.0), tf.int32)
    canvas = _fit(resize(image, resized, antialias=antialias), offset, size, 0.0)
    return canvas, make_frame(original, resized, offset)


def to_frame(boxes: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
    """Boxes [..., N, 4] in original pixels -> pixels of the resized canvas; frame [..., 6]."""
    scale, offset = _scale_and_offset(frame)
    return boxes * scale + offset


def from_frame(boxes: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
    """The inverse of `to_frame`; boxes are not clipped."""
    scale, offset = _scale_and_offset(frame)
    return (boxes - offset) / scale


def _scale_and_offset(frame: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    scale = tf.concat([frame[..., 2:4], frame[..., 2:4]], axis=-1)
    offset = tf.concat([frame[..., 4:6], frame[..., 4:6]], axis=-1)
    return scale[..., tf.newaxis, :], offset[..., tf.newaxis, :]
