"""From a sample of any size to the canvas that a model takes, and the frame that leads back.

Image, boxes, masks and label map move together: the image bilinearly, maps by their nearest
pixel. What lies beside the image on the canvas is the config's `padding` color, VOID in the
label map and 0 in masks.

Axis letters: N objects, H, W.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import tensorflow as tf

from tfvision import errors, schema
from tfvision.inputs import augment, decode, geometry, object_tensors, scaled
from tfvision.ops import images

Sample = dict[str, tf.Tensor]
Size = tuple[int, int]

# The resizes of evaluation and serving: image, size, inputs -> image [*size, 3], frame [6].
RESIZES: dict[str, Callable] = {
    "stretch": lambda image, size, inputs: images.stretch(image, size, antialias=inputs.antialias),
    "letterbox": lambda image, size, inputs: images.letterbox(
        image, size, color=inputs.padding, antialias=inputs.antialias
    ),
    "center_crop": lambda image, size, inputs: images.center_crop(image, size, short=inputs.short),
    "short_side": lambda image, size, inputs: images.short_side(
        image,
        size,
        short=inputs.short,
        long=inputs.long,
        color=inputs.padding,
        antialias=inputs.antialias,
    ),
}


# To what they resize an image: its height and width, size, inputs -> both as int32 [2].
SIZES: dict[str, Callable] = {
    "stretch": lambda original, size, inputs: tf.constant(size),
    "letterbox": lambda original, size, inputs: images.letterbox_size(original, size),
    "center_crop": lambda original, size, inputs: images.center_crop_size(
        original, short=inputs.short
    ),
    "short_side": lambda original, size, inputs: images.short_side_size(
        original, size, short=inputs.short, long=inputs.long
    ),
}


def resize(image: images.Image, size: Size, inputs: Mapping) -> tuple[tf.Tensor, tf.Tensor]:
    """[H, W, 3] -> (float32 [*size, 3], frame [6]) by the resize that `inputs` names."""
    return errors.choose(RESIZES, inputs.resize, "resize")(image, size, inputs)


def fit(sample: Sample, size: Size, inputs: Mapping) -> Sample:
    """The sample on a canvas of `size` = (height, width), with its `frame`.

    A training sample that its augmentation has put on a canvas of that size already stays."""
    image = sample["image"]
    if not isinstance(image, images.Undecoded):
        image = tf.convert_to_tensor(image)
    if tf.is_tensor(image) and tuple(image.shape[:2]) == tuple(size):
        frame = images.make_frame(tf.constant(size), tf.constant(size), tf.zeros(2))
        return {**sample, "image": tf.cast(image, tf.float32), "frame": frame}
    canvas, frame = resize(image, size, inputs)
    result = {**sample, "image": tf.ensure_shape(canvas, (*size, 3)), "frame": frame}
    for key, fill in (("label_map", schema.VOID), ("masks", 0)):
        if key in sample:
            result[key] = nearest(sample[key], frame, size, fill)
    scale = frame[2] * frame[3]
    return object_tensors.settle(
        sample,
        result,
        lambda boxes: images.to_frame(boxes, frame),
        tf.constant(size),
        scale=scale,
    )


def nearest(maps: tf.Tensor, frame: tf.Tensor, size: Size, fill: int) -> tf.Tensor:
    """Whole numbers [..., H, W] where `frame` puts them on a canvas of `size`, else `fill`."""
    maps = tf.convert_to_tensor(maps)
    lead = maps.shape[:-2].as_list()
    indices, inside = [], []
    for axis in (0, 1):
        centers = tf.range(size[axis], dtype=tf.float32) + 0.5
        at = tf.cast(tf.floor((centers - frame[4 + axis]) / frame[2 + axis]), tf.int32)
        last = tf.cast(frame[axis], tf.int32) - 1
        inside.append((at >= 0) & (at <= last))
        indices.append(tf.clip_by_value(at, 0, last))
    rank = len(maps.shape)
    moved = tf.gather(tf.gather(maps, indices[0], axis=rank - 2), indices[1], axis=rank - 1)
    here = inside[0][:, tf.newaxis] & inside[1][tf.newaxis, :]
    moved = tf.where(here, moved, tf.cast(fill, maps.dtype))
    return tf.ensure_shape(moved, (*lead, *size))


def load(example: decode.Example, inputs: Mapping, training: bool) -> Sample:
    """An example's pixels and truth, for training cut to a window and augmented.

    Moves `boxes` and the other per-object tensors, `proposals`, `masks` and `label_map` with the
    image. Masks are for training alone: evaluation takes the truth's as they are. With
    inputs.scaled_decoding, training counts the pixels of the window as decoded, evaluation those of
    the image."""
    moving = (*object_tensors.KEYS, object_tensors.PROPOSALS)
    sample = {key: example[key] for key in moving if key in example and key != "masks"}
    if "masks" in example and training:
        sample["masks"] = decode.object_masks(example)
    if "label_map" in example:
        sample["label_map"] = decode.label_map(example)
    if not training:
        return {**sample, "image": whole(example, inputs)}
    seed = example["seed"]
    window = augment.window(inputs.crop, seed, sample.get("boxes"))
    least = _needed(inputs) if inputs.scaled_decoding else None
    if window is None and least is None:
        sample["image"] = decode.pixels(example)
    else:
        sample["image"], part, ratio = crop(example, window or scaled.everything, least)
        sample = geometry.cut(sample, part)
        sample = sample if ratio is None else geometry.reduced(sample, ratio)
    return augment.apply(sample, seed, inputs.augment)


def crop(
    example: decode.Example, window: decode.Window, least: scaled.Needed | None = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """The pixels of a window uint8 [h, w, 3], the part of the image int32 [4], and the ratio.

    least: the size [2] that a window is to be decoded at; the part is ratio times [h, w] then,
    and without it the ratio is None."""
    if least is None:
        return (*decode.crop(example, window), None)
    return scaled.crop(example, window, least)


def whole(example: decode.Example, inputs: Mapping) -> images.Image:
    """An example's upright image; with inputs.scaled_decoding it is decoded by its resize."""
    return scaled.image(example) if inputs.scaled_decoding else decode.pixels(example)


def _needed(inputs: Mapping) -> scaled.Needed | None:
    """(height, width) of a training window -> the least it is to be decoded at, both int32 [2].

    None where an augmentation counts the image's own pixels."""
    size = tuple(inputs.train_size) or tuple(inputs.image_size)
    if inputs.aspect_ratio_grouping:
        size = (max(size), max(size))
    zoom, fixed = 1.0, []
    for step in map(dict, inputs.augment):
        name = step.get("name")
        if name in scaled.OWN_PIXELS:
            return None
        if name in scaled.ZOOMS:
            largest = max(step.get("scale", (scaled.ZOOMS[name],)))
            if "size" in step:
                fixed.append([largest * side for side in step["size"]])
            else:
                zoom = max(zoom, largest)
    if fixed:
        least = tf.constant([math.ceil(zoom * max(sides)) for sides in zip(*fixed, strict=True)])
        return lambda window: least
    find = errors.choose(SIZES, inputs.resize, "resize")

    def needed(window: tf.Tensor) -> tf.Tensor:
        sides = tf.cast(find(window, size, inputs), tf.float32)
        return tf.cast(tf.math.ceil(zoom * sides), tf.int32)

    return needed
