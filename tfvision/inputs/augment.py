"""Training-time changes to a sample, by name: in graph ops with stateless seeds.

Each takes a dict and returns one: whatever of `image` (float32 [H, W, 3], 0..255), `boxes`
([N, 4] pixels) and the other per-object tensors, `masks` ([N, H, W]) and `label_map` ([H, W]) is
there moves together. `seed` is int [2]; the same seed gives the same result on every machine and
in any order. Windows come before decoding (see `decode.crop`; `geometry.cut` moves the truth
after them), what mixes whole batches after batching (`mixing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfvision import errors
from tfvision.inputs import affine, color, erase, geometry, policies, scaling, windows
from tfvision.inputs.color import color_jitter
from tfvision.inputs.geometry import horizontal_flip
from tfvision.inputs.seeds import fold
from tfvision.inputs.windows import random_resized_crop

Sample = dict[str, tf.Tensor]

__all__ = [
    "AUGMENTATIONS",
    "WINDOWS",
    "apply",
    "color_jitter",
    "fold",
    "horizontal_flip",
    "random_resized_crop",
    "translate",
    "window",
]


def translate(sample: Sample, seed: tf.Tensor, *, pixels: int = 2) -> Sample:
    """Shifts the image by up to `pixels` each way, the edge repeated; for small pictures."""
    if "boxes" in sample or "masks" in sample or "label_map" in sample:
        raise errors.UsageError("augmentation 'translate' is for classification only; use 'affine'")
    image = sample["image"]
    height, width = image.shape[:2]
    moved = tf.pad(image, [[pixels, pixels], [pixels, pixels], [0, 0]], mode="SYMMETRIC")
    start = tf.random.stateless_uniform([2], fold(seed, 0), 0, 2 * pixels + 1, tf.int32)
    moved = tf.slice(moved, tf.concat([start, [0]], axis=0), [height, width, 3])
    return {**sample, "image": moved}


WINDOWS: dict[str, Callable] = {
    "random_resized_crop": windows.random_resized_crop,
    "random_crop": windows.random_crop,
    "random_share": windows.random_share,
    "ssd_crop": windows.ssd_crop,
}
# These end on a canvas of a `size` of their own.
CANVASES: dict[str, Callable] = {
    "random_crop": scaling.random_crop,
    "scale_jitter": scaling.scale_jitter,
    "scale_crop": scaling.scale_crop,
    "letterbox": scaling.letterbox,
    "darknet_jitter": scaling.darknet_jitter,
}
# These move pixels; an image of uint8 stays so.
GEOMETRY: dict[str, Callable] = {
    "horizontal_flip": geometry.horizontal_flip,
    "vertical_flip": geometry.vertical_flip,
    **CANVASES,
    "affine": affine.affine,
    "translate": translate,
}
# These compute with the values of pixels, as float32.
VALUES: dict[str, Callable] = {
    "color_jitter": color.color_jitter,
    "darknet_color": color.darknet_color,
    "grayscale": color.grayscale,
    "blur": color.blur,
    "noise": color.noise,
    "sharpness": color.sharpness,
    "solarize": color.solarize,
    "posterize": color.posterize,
    "equalize": color.equalize,
    "autocontrast": color.autocontrast,
    "invert": color.invert,
    "random_erase": erase.random_erase,
    "cutout": erase.cutout,
    "rand_augment": policies.rand_augment,
    "trivial_augment": policies.trivial_augment,
}
AUGMENTATIONS = {**GEOMETRY, **VALUES}


def window(options: Mapping, seed: tf.Tensor, boxes: tf.Tensor | None = None) -> Callable | None:
    """The crop window that a config names ({"name": ..., options}), or None for an empty one."""
    options = dict(options)
    name = options.pop("name", "")
    if not name:
        return None
    function = errors.choose(WINDOWS, name, "crop")
    return errors.call(function, options, f"crop '{name}'", seed, boxes)


def apply(sample: Sample, seed: tf.Tensor, steps: Sequence[Mapping]) -> Sample:
    """Applies the named augmentations in order, each with a seed of its own.

    An image of uint8 stays so until one of VALUES comes."""
    for position, step in enumerate(steps):
        options = dict(step)
        name = options.pop("name", "")
        function = errors.choose(AUGMENTATIONS, name, "augmentation")
        step_seed = fold(seed, 1000 + position)
        if name in VALUES:
            sample = {**sample, "image": tf.cast(sample["image"], tf.float32)}
        sample = errors.call(function, options, f"augmentation '{name}'", sample, step_seed)
    return sample
