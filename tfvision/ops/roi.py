"""Features of regions: ROI Align (He et al. 2017, arXiv:1703.06870, section 3) and ROI Pool
(Girshick 2015, arXiv:1504.08083, section 2.1), on one map or on a feature pyramid.

Boxes are yxyx in the image's pixels, and take no gradient. A pyramid's levels lie behind one
another in one tensor, from which each region takes what it needs: no region visits a level that
is not its own. Regions go by one sampling point a bin at a time, so memory is that of four times
the result, whatever the number of points.

Axis letters: B images, R regions, H, W, C channels, h, w bins, P pixels of all levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

_CANONICAL_LEVEL, _CANONICAL_SIDE = 4, 224.0  # Lin et al. 2017, arXiv:1612.03144, eq. 1
_FARTHEST = 2.0**20  # pixels of a map; what lies farther out would overflow whole numbers


class _Maps(NamedTuple):
    """Where each region looks. pixels [B * P, C]; the others [B, R]: its map's first row there,
    its height and width, all int32, and feature pixels an image pixel, float32."""

    pixels: tf.Tensor
    first: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    scale: tf.Tensor


def align(
    features: tf.Tensor,
    boxes: tf.Tensor,
    *,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> tf.Tensor:
    """ROI Align: the mean of bilinear samples in each bin, [B, R, h, w, C] of the features' dtype.

    features [B, H, W, C]; boxes [B, R, 4]; size: (h, w) bins; scale: feature pixels an image
    pixel, such as 1 / 16. sampling_ratio: points along a bin's side; 0 takes as many as a bin has
    pixels. aligned: pixel centers are at .5 (detectron2); without, at 0, and a region is at least
    one pixel (torchvision's detectors). A point more than a pixel outside the map is 0."""
    maps = _one_map(features, boxes, scale)
    return _align(maps, boxes, size, sampling_ratio, aligned)


def pyramid_align(
    levels: Mapping[int, tf.Tensor],
    boxes: tf.Tensor,
    *,
    size: tuple[int, int],
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> tf.Tensor:
    """`align` of each region on its level of a pyramid, {level: [B, H, W, C]}; see `level_of`.

    Level l has 2**-l feature pixels an image pixel. Other arguments and result as there."""
    return _align(_pyramid(levels, boxes), boxes, size, sampling_ratio, aligned)


def pool(
    features: tf.Tensor, boxes: tf.Tensor, *, size: tuple[int, int], scale: float
) -> tf.Tensor:
    """ROI Pool: the maximum of each bin of whole pixels, [B, R, h, w, C]; 0 for an empty bin.

    Edges are rounded twice: the region's to pixels, then the bins' outwards. Of equal values the
    first takes the gradient. Arguments as for `align`."""
    return _pool(_one_map(features, boxes, scale), boxes, size)


def pyramid_pool(
    levels: Mapping[int, tf.Tensor], boxes: tf.Tensor, *, size: tuple[int, int]
) -> tf.Tensor:
    """`pool` of each region on its level of a pyramid; arguments as for `pyramid_align`."""
    return _pool(_pyramid(levels, boxes), boxes, size)


def mask_targets(
    masks: tf.Tensor,
    boxes: tf.Tensor,
    owner: tf.Tensor,
    *,
    size: tuple[int, int],
    scale: tf.Tensor | float = 1.0,
    sampling_ratio: int = 2,
    aligned: bool = False,
) -> tf.Tensor:
    """What a mask head should say: each region of its own truth's mask, float32 [B, R, h, w] 0..1.

    (He et al. 2017, arXiv:1703.06870, section 3: the truth's mask cut by the proposal.) masks
    [B, M, H, W] of 0 and 1, any dtype; boxes [B, R, 4]; owner int32 [B, R]: the mask's number,
    negative for none (the first mask's values then stand there); scale: mask pixels an image
    pixel. ROI Align as torchvision samples them, which takes sampling_ratio 0 and not aligned. No
    gradient."""
    count, height, width = tf.unstack(tf.shape(masks)[1:])
    number = tf.range(tf.shape(masks)[0])[:, None] * count + tf.maximum(owner, 0)
    like = tf.zeros_like(owner)
    pixels = tf.reshape(tf.stop_gradient(masks), [-1, 1])
    scale = tf.zeros(tf.shape(owner)) + scale
    maps = _Maps(pixels, number * height * width, like + height, like + width, scale)
    return tf.stop_gradient(_align(maps, boxes, size, sampling_ratio, aligned)[..., 0])


def level_of(boxes: tf.Tensor, lowest: int, highest: int) -> tf.Tensor:
    """int32 [..., 4] -> [...]: floor(4 + log2(sqrt(area) / 224)), cut to lowest..highest.

    (Lin et al. 2017, arXiv:1612.03144, eq. 1.) A side of exactly 224 is level 4: torchvision's
    1e-6 stands against rounding."""
    side = tf.sqrt(tf.maximum((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]), 0))
    # log2, computed as torch does; of an empty box it is -inf, which is cut before it is whole
    level = _CANONICAL_LEVEL + tf.math.log(side / _CANONICAL_SIDE) / tf.math.log(2.0) + 1e-6
    return tf.cast(tf.clip_by_value(tf.floor(level), lowest, highest), tf.int32)


# -- where a region looks


def _one_map(features: tf.Tensor, boxes: tf.Tensor, scale: float) -> _Maps:
    batch, height, width = tf.unstack(tf.shape(features)[:3])
    like = tf.zeros(tf.shape(boxes)[:2], tf.int32)
    first = like + (tf.range(batch) * height * width)[:, None]
    pixels = tf.reshape(features, [-1, features.shape[-1]])
    return _Maps(pixels, first, like + height, like + width, tf.cast(like, tf.float32) + scale)


def _pyramid(levels: Mapping[int, tf.Tensor], boxes: tf.Tensor) -> _Maps:
    names = sorted(levels)
    if names != list(range(names[0], names[-1] + 1)):
        raise ValueError(f"levels {names} of a pyramid must follow one another")
    maps = [levels[name] for name in names]
    sizes = tf.stack([tf.shape(level)[1:3] for level in maps])
    batch, channels = tf.shape(maps[0])[0], maps[0].shape[-1]
    pixels = tf.concat([tf.reshape(level, [batch, -1, channels]) for level in maps], axis=1)
    starts = tf.cumsum(sizes[:, 0] * sizes[:, 1], exclusive=True)
    level_index = level_of(tf.stop_gradient(boxes), names[0], names[-1]) - names[0]
    first = (tf.range(batch) * tf.shape(pixels)[1])[:, None] + tf.gather(starts, level_index)
    scale = tf.gather(tf.constant([2.0**-name for name in names]), level_index)
    height, width = (tf.gather(sizes[:, axis], level_index) for axis in (0, 1))
    return _Maps(tf.reshape(pixels, [-1, channels]), first, height, width, scale)


# -- ROI Align


def _align(maps, boxes, size, sampling_ratio, aligned):
    edges = tf.stop_gradient(tf.cast(boxes, tf.float32)) * maps.scale[..., None]
    edges -= 0.5 if aligned else 0.0
    sides = edges[..., 2:] - edges[..., :2]
    if not aligned:
        sides = tf.maximum(sides, 1.0)
    bins = _divide(sides, tf.constant(size, tf.float32))  # [B, R, 2]
    if sampling_ratio > 0:
        counts = tf.fill(tf.shape(bins), sampling_ratio)
    else:
        counts = tf.cast(tf.math.ceil(bins), tf.int32)  # none for a region turned inside out
    rows, columns = tf.unstack(tf.maximum(tf.reduce_max(counts, axis=[0, 1]), 1))

    def points(number):
        """The four pixels around one point of every bin, int32 [B R h w, 4], and their shares."""
        at = []
        for axis, index in enumerate((number // columns, number % columns)):
            limit = (maps.height, maps.width)[axis]
            part = (edges[..., axis], bins[..., axis], counts[..., axis], limit)
            at.append(_neighbours(*part, size[axis], index))
        (y, y_share), (x, x_share) = at
        y = y[:, :, :, None, :, None] * maps.width[..., None, None, None, None]
        places = y + x[:, :, None, :, None, :] + maps.first[..., None, None, None, None]
        weight = y_share[:, :, :, None, :, None] * x_share[:, :, None, :, None, :]
        return tf.reshape(places, [-1, 4]), tf.reshape(weight, [-1, 4])

    result = _weighted_sum(maps.pixels, points, rows * columns)
    if maps.pixels.dtype.is_floating:
        result = tf.cast(result, maps.pixels.dtype)
    shape = [*tf.unstack(tf.shape(boxes)[:2]), *size, maps.pixels.shape[-1]]
    result = tf.reshape(result, shape)
    return tf.ensure_shape(result, [*boxes.shape[:2], *size, maps.pixels.shape[-1]])


def _neighbours(start, length, count, limit, bins, index):
    """Point `index` of each bin along one axis: the pixels around it and their shares.

    start, length (of a bin), count (of points), limit (pixels there are): [B, R]. Returns int32
    and float32 [B, R, bins, 2]; the shares are divided by the count."""
    start, length, count, limit = (part[..., None] for part in (start, length, count, limit))
    points = tf.maximum(tf.cast(count, tf.float32), 1.0)
    place = _in_order(start + tf.range(bins, dtype=tf.float32) * length)
    place += _divide((tf.cast(index, tf.float32) + 0.5) * length, points)
    inside = (place >= -1.0) & (place <= tf.cast(limit, tf.float32)) & (index < count)
    # cut before the cast: what is far outside fits no integer
    place = tf.clip_by_value(place, 0.0, tf.cast(limit - 1, tf.float32))
    low = tf.cast(place, tf.int32)
    part = place - tf.cast(low, tf.float32)
    weight = tf.stack([1.0 - part, part], axis=-1) / points[..., None]
    pixels = tf.stack([low, tf.minimum(low + 1, limit - 1)], axis=-1)
    return pixels, tf.where(inside[..., None], weight, 0.0)


# Far outside the map one rounding is a visible part of a pixel. A graph's optimizer (Grappler)
# would add terms of one shape first, and multiply by the reciprocal of a constant divisor.


def _in_order(total):
    """`total` itself, for which the optimizer sees no sum to be taken apart."""
    return tf.minimum(total, tf.float32.max)


def _divide(dividend, divisor):
    """The quotient, for a divisor that is not 0, as an op that the optimizer leaves alone."""
    return tf.math.divide_no_nan(dividend, divisor)


def _weighted_sum(pixels, points, count):
    """Sum over `count` calls of points(number) -> places [N, 4], shares [N, 4]: float32 [N, C]."""

    @tf.custom_gradient
    def function(pixels):
        def add(number, total):
            places, weights = points(number)
            values = tf.cast(tf.gather(pixels, places), tf.float32)
            return number + 1, total + tf.matmul(weights[:, None], values)[:, 0]

        def gradient(upstream):
            # One point of every bin at a time here too; the gather's own gradient would keep all.
            def spread(number, total):
                places, weights = points(number)
                values = tf.reshape(upstream[:, None] * weights[..., None], [-1, pixels.shape[-1]])
                rows = tf.shape(pixels)[0]
                summed = tf.math.unsorted_segment_sum(values, tf.reshape(places, [-1]), rows)
                return number + 1, total + summed

            return tf.cast(_loop(spread, tf.zeros_like(pixels, tf.float32), count), pixels.dtype)

        length = tf.shape(points(0)[0])[0]
        return _loop(add, tf.zeros([length, pixels.shape[-1]]), count), gradient

    return function(pixels)


def _loop(step, start, count):
    going = lambda number, *_: number < count  # noqa: E731
    return tf.while_loop(going, step, (0, start), parallel_iterations=1)[1]


# -- ROI Pool


def _pool(maps, boxes, size):
    boxes = tf.stop_gradient(tf.cast(boxes, tf.float32)) * maps.scale[..., None]
    # half away from zero, as C rounds; tf.round takes the even one
    edges = tf.sign(boxes) * tf.floor(tf.abs(boxes) + 0.5)
    edges = tf.cast(tf.clip_by_value(edges, -_FARTHEST, _FARTHEST), tf.int32)
    starts, ends = [], []
    for axis, limit in enumerate((maps.height, maps.width)):
        start, end = edges[..., axis, None], edges[..., axis + 2, None]
        length, limit = tf.maximum(end - start + 1, 1), limit[..., None]
        # Whole numbers: a graph's optimizer would round fractions its own way, and move a bin.
        number = tf.range(size[axis])
        starts.append(tf.clip_by_value(number * length // size[axis] + start, 0, limit))
        ends.append(tf.clip_by_value(-(-(number + 1) * length // size[axis]) + start, 0, limit))
    rows, columns = (tf.maximum(tf.reduce_max(b - a), 1) for a, b in zip(starts, ends, strict=True))

    def place(number):
        """Pixel `number` of every bin, int32 [B, R, h, w], and whether the bin has one."""
        y = (starts[0] + number // columns)[..., :, None]
        x = (starts[1] + number % columns)[..., None, :]
        inside = (y < ends[0][..., :, None]) & (x < ends[1][..., None, :])
        places = maps.first[..., None, None] + y * maps.width[..., None, None] + x
        return tf.where(inside, places, 0), inside

    result = _maximum(maps.pixels, place, rows * columns)
    return tf.ensure_shape(result, [*boxes.shape[:2], *size, maps.pixels.shape[-1]])


def _maximum(pixels, place, count):
    """The maximum over `count` calls of place(number) -> places, inside: [B, R, h, w, C]."""
    channels = pixels.shape[-1]

    @tf.custom_gradient
    def function(pixels):
        def step(number, state):
            best, owner = state
            places, inside = (part[..., None] for part in place(number))
            values = tf.gather(pixels, places[..., 0])
            better = inside & ((owner < 0) | (values > best))
            return number + 1, (tf.where(better, values, best), tf.where(better, places, owner))

        shape = tf.concat([tf.shape(place(0)[0]), [channels]], axis=0)
        start = (tf.zeros(shape, pixels.dtype), tf.fill(shape, -1))
        best, owner = _loop(step, start, count)

        def gradient(upstream):
            cells = tf.cast(owner, tf.int64) * channels + tf.range(channels, dtype=tf.int64)
            cells = tf.where(owner >= 0, cells, -1)  # a segment that is dropped
            total = tf.math.unsorted_segment_sum(
                tf.reshape(upstream, [-1]), tf.reshape(cells, [-1]), tf.size(pixels)
            )
            return tf.reshape(total, tf.shape(pixels))

        return best, gradient

    return function(pixels)
