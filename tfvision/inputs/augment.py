"""Training-time changes to a sample, in graph ops with stateless seeds.

Each takes a dict and returns one: whatever of `image` (float32 [H, W, 3], 0..255), `boxes`
([N, 4] pixels), `masks` ([N, H, W]) and `label_map` ([H, W]) is there moves together.
`seed` is int [2]; the same seed gives the same result on every machine and in any order.
Windows (random_resized_crop) come before decoding; see `decode.pixels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfvision import errors

Sample = dict[str, tf.Tensor]


def fold(seed: tf.Tensor, position: int) -> tf.Tensor:
    """An independent seed for the `position`-th random choice of a sample."""
    return tf.random.experimental.stateless_fold_in(seed, position)


def _uniform(seed: tf.Tensor, position: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    return tf.random.stateless_uniform([], fold(seed, position), low, high)


def random_resized_crop(
    seed: tf.Tensor,
    *,
    scale: Sequence[float] = (0.08, 1.0),
    ratio: Sequence[float] = (3 / 4, 4 / 3),
    attempts: int = 10,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A window of random area and shape (Szegedy et al. 2015, arXiv:1409.4842, section 6).

    scale: share of the image's area. ratio: width / height. Draws `attempts` windows at once
    and takes the first that fits, else the largest centred one within `ratio` (torchvision's
    rule). Returns a function (height, width) -> int32 [4] = y, x, height, width."""

    def window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        h, w = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
        draws = tf.random.stateless_uniform([attempts, 4], seed)
        area = (scale[0] + draws[:, 0] * (scale[1] - scale[0])) * h * w
        low, high = math.log(ratio[0]), math.log(ratio[1])
        shape = tf.exp(low + draws[:, 1] * (high - low))
        tall = tf.cast(tf.round(tf.sqrt(area / shape)), tf.int32)
        wide = tf.cast(tf.round(tf.sqrt(area * shape)), tf.int32)
        fits = (tall >= 1) & (wide >= 1) & (tall <= height) & (wide <= width)
        first = tf.argmax(tf.cast(fits, tf.int32))
        size = tf.stack([tall[first], wide[first]])
        room = tf.cast(tf.stack([height, width]) - size + 1, tf.float32)
        start = tf.cast(tf.floor(draws[first, 2:] * room), tf.int32)
        # No draw fitted: the whole image, cut to the nearest allowed ratio.
        whole = tf.stack([tf.minimum(h, w / ratio[0]), tf.minimum(w, h * ratio[1])])
        whole = tf.maximum(tf.cast(tf.round(whole), tf.int32), 1)
        middle = (tf.stack([height, width]) - whole) // 2
        found = tf.reduce_any(fits)
        return tf.concat([tf.where(found, start, middle), tf.where(found, size, whole)], axis=0)

    return window


def horizontal_flip(sample: Sample, seed: tf.Tensor, *, probability: float = 0.5) -> Sample:
    """Mirrors left and right with the given probability."""

    def mirrored():
        flipped = dict(sample)
        flipped["image"] = tf.reverse(sample["image"], [1])
        if "boxes" in sample:
            width = tf.cast(tf.shape(sample["image"])[1], tf.float32)
            y1, x1, y2, x2 = tf.unstack(sample["boxes"], axis=-1)
            flipped["boxes"] = tf.stack([y1, width - x2, y2, width - x1], axis=-1)
        if "masks" in sample:
            flipped["masks"] = sample["masks"][:, :, ::-1]
        if "label_map" in sample:
            flipped["label_map"] = sample["label_map"][:, ::-1]
        return flipped

    return tf.cond(_uniform(seed, 0) < probability, mirrored, lambda: dict(sample))


def colour_jitter(
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
        image *= _uniform(seed, 0, 1 - brightness, 1 + brightness)
    if contrast:
        factor = _uniform(seed, 1, 1 - contrast, 1 + contrast)
        mean = tf.reduce_mean(tf.image.rgb_to_grayscale(image))
        image = mean + (image - mean) * factor
    if saturation:
        factor = _uniform(seed, 2, 1 - saturation, 1 + saturation)
        grey = tf.image.rgb_to_grayscale(image)
        image = grey + (image - grey) * factor
    if hue:
        image = tf.clip_by_value(image, 0.0, 255.0)
        image = tf.image.adjust_hue(image / 255.0, _uniform(seed, 3, -hue, hue)) * 255.0
    return {**sample, "image": tf.clip_by_value(image, 0.0, 255.0)}


def translate(sample: Sample, seed: tf.Tensor, *, pixels: int = 2) -> Sample:
    """Shifts the image by up to `pixels` each way, the edge repeated; for small pictures."""
    if "boxes" in sample or "masks" in sample or "label_map" in sample:
        raise errors.UsageError("augmentation 'translate' is for classification only")
    image = sample["image"]
    height, width = image.shape[:2]
    moved = tf.pad(image, [[pixels, pixels], [pixels, pixels], [0, 0]], mode="SYMMETRIC")
    start = tf.random.stateless_uniform([2], fold(seed, 0), 0, 2 * pixels + 1, tf.int32)
    moved = tf.slice(moved, tf.concat([start, [0]], axis=0), [height, width, 3])
    return {**sample, "image": moved}


WINDOWS: dict[str, Callable] = {"random_resized_crop": random_resized_crop}
AUGMENTATIONS: dict[str, Callable] = {
    "horizontal_flip": horizontal_flip,
    "colour_jitter": colour_jitter,
    "translate": translate,
}


def window(options: Mapping, seed: tf.Tensor) -> Callable | None:
    """The crop window that a config names ({"name": ..., options}), or None for an empty one."""
    options = dict(options)
    name = options.pop("name", "")
    if not name:
        return None
    return errors.call(errors.choose(WINDOWS, name, "crop"), options, f"crop '{name}'", seed)


def apply(sample: Sample, seed: tf.Tensor, steps: Sequence[Mapping]) -> Sample:
    """Applies the named augmentations in order, each with a seed of its own."""
    for position, step in enumerate(steps):
        options = dict(step)
        name = options.pop("name", "")
        function = errors.choose(AUGMENTATIONS, name, "augmentation")
        own = fold(seed, 1000 + position)
        sample = errors.call(function, options, f"augmentation '{name}'", sample, own)
    return sample
