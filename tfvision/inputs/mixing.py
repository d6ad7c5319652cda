"""Several images made into one: mixup and CutMix on a batch, mosaic on four samples.

A batch contains `image` float32 [B, H, W, 3] and `labels`: int [B], or float32 [B, K] of 0..1 for
several labels an image. Mixed labels are float32 [B, K]. Image b is mixed with image b - 1: the
order of a batch is random already. One share is drawn for the whole batch, as both papers' code
does. The seed is int [2].

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from tfvision import errors
from tfvision.inputs import geometry, object_tensors, seeds, targets
from tfvision.inputs.geometry import Color, Sample

Batch = dict[str, tf.Tensor]
_NO_PROPOSALS = "mix 'mosaic' has no place for proposals (Fast R-CNN's); remove it"
Mix = Callable[[Batch, tf.Tensor, tf.Tensor], Batch]


def _mixed_labels(labels: tf.Tensor, classes: int, fraction: tf.Tensor) -> tf.Tensor:
    if labels.dtype.is_integer:
        labels = tf.one_hot(labels, classes)
    return fraction * labels + (1.0 - fraction) * tf.roll(labels, 1, axis=0)


def mixup(batch: Batch, seed: tf.Tensor, classes: int, *, alpha: float = 0.2) -> Batch:
    """mixup (Zhang et al. 2017, arXiv:1710.09412, section 2): share ~ Beta(alpha, alpha).

    alpha=0.2 is the paper's for ImageNet (0.1 to 0.4, section 3.1)."""
    return _mixup(batch, classes, seeds.beta(seed, 0, alpha))


def _mixup(batch: Batch, classes: int, fraction: tf.Tensor) -> Batch:
    image = batch["image"]
    image = fraction * image + (1.0 - fraction) * tf.roll(image, 1, axis=0)
    return {**batch, "image": image, "labels": _mixed_labels(batch["labels"], classes, fraction)}


def cutmix(batch: Batch, seed: tf.Tensor, classes: int, *, alpha: float = 1.0) -> Batch:
    """CutMix (Yun et al. 2019, arXiv:1905.04899, section 3.1): share ~ Beta(alpha, alpha).

    A rectangle of 1 - share of the area, of the image's shape and with its middle anywhere, comes
    from the other image; labels go by the pixels that really changed."""
    image = batch["image"]
    size = tf.shape(image)[1:3]
    sides = tf.cast(size, tf.float32)
    half = sides * tf.sqrt(1.0 - seeds.beta(seed, 0, alpha)) / 2.0
    middle = tf.floor(tf.random.stateless_uniform([2], seeds.fold(seed, 1)) * sides)
    low = tf.clip_by_value(tf.cast(tf.floor(middle - half), tf.int32), 0, size)
    high = tf.clip_by_value(tf.cast(tf.floor(middle + half), tf.int32), 0, size)
    return _cutmix(batch, classes, low, high)


def _cutmix(batch: Batch, classes: int, low: tf.Tensor, high: tf.Tensor) -> Batch:
    image = batch["image"]
    size = tf.shape(image)[1:3]
    rows, columns = tf.range(size[0])[:, tf.newaxis], tf.range(size[1])[tf.newaxis, :]
    hit = (rows >= low[0]) & (rows < high[0]) & (columns >= low[1]) & (columns < high[1])
    image = tf.where(hit[:, :, tf.newaxis], tf.roll(image, 1, axis=0), image)
    taken = tf.reduce_prod(high - low) / tf.reduce_prod(size)
    labels = _mixed_labels(batch["labels"], classes, 1.0 - tf.cast(taken, tf.float32))
    return {**batch, "image": image, "labels": labels}


def mixup_or_cutmix(
    batch: Batch,
    seed: tf.Tensor,
    classes: int,
    *,
    mixup_alpha: float = 0.2,
    cutmix_alpha: float = 1.0,
) -> Batch:
    """One of the two for each batch, at equal odds (torchvision's modern recipe)."""
    return tf.cond(
        seeds.happens(seed, 10, 0.5),
        lambda: mixup(batch, seed, classes, alpha=mixup_alpha),
        lambda: cutmix(batch, seed, classes, alpha=cutmix_alpha),
    )


MIXES: dict[str, Callable] = {
    "mixup": mixup,
    "cutmix": cutmix,
    "mixup_or_cutmix": mixup_or_cutmix,
}


def build(
    options: Mapping, classes: int, table: Mapping[str, Callable] | None = None
) -> Mix | None:
    """What a config names ({"name": ..., options}) as batch, seed, step -> batch; None for none.

    table: MIXES by default. Raises UsageError for an unknown name now, for an unknown option
    when it is first called."""
    options = dict(options)
    name = options.pop("name", "")
    if not name:
        return None
    function = errors.choose(MIXES if table is None else table, name, "mix")

    def mix(batch: Batch, seed: tf.Tensor, step: tf.Tensor) -> Batch:
        del step
        return errors.call(function, options, f"mix '{name}'", batch, seed, classes)

    return mix


def mosaic(
    samples: Sequence[Sample],
    seed: tf.Tensor,
    *,
    size: Sequence[int],
    middle: Sequence[float] = (0.25, 0.75),
    color: Color = geometry.GREY,
    min_visible: float = 0.0,
) -> Sample:
    """Four samples on one canvas (Bochkovskiy et al. 2020, arXiv:2004.10934, section 3.3).

    A point is drawn within the shares `middle` of the canvas `size` = (height, width); samples
    0..3 lie above left, above right, below left and below right of it, each with a corner there,
    cut off at the canvas and filled up with `color`. So each should be about as large as the
    canvas or smaller. Returns the keys that geometry and objects know, and no other; proposals
    are refused."""
    if any(object_tensors.PROPOSALS in sample for sample in samples):
        raise errors.UsageError(_NO_PROPOSALS)
    draws = tf.random.stateless_uniform([2], seeds.fold(seed, 0), *middle)
    point = tf.cast(tf.round(draws * tf.constant(size, tf.float32)), tf.int32)
    rest = tf.constant(size) - point
    quarters = []
    for number, sample in enumerate(samples):
        below, right = divmod(number, 2)
        canvas = geometry.canvas(sample)
        extent = tf.stack([(rest if below else point)[0], (rest if right else point)[1]])
        # Above the point an image ends there, below it begins there.
        offset = tf.stack(
            [0 if below else extent[0] - canvas[0], 0 if right else extent[1] - canvas[1]]
        )
        quarter = geometry.place(sample, offset, extent, color=color, min_visible=min_visible)
        corner = tf.stack([point[0] * below, point[1] * right])
        quarters.append(_shifted(quarter, corner, size))
    return geometry.fixed(_joined(quarters), size)


def _shifted(quarter: Sample, corner: tf.Tensor, size: Sequence[int]) -> Sample:
    """Boxes and masks of a quarter in the places they have on the whole canvas."""
    moved = dict(quarter)
    if "boxes" in quarter:
        edge = tf.cast(corner, tf.float32)
        moved["boxes"] = quarter["boxes"] + tf.concat([edge, edge], axis=0)
    if "masks" in quarter:
        after = tf.constant(size) - corner - geometry.canvas(quarter)
        padding = tf.concat([[[0, 0]], tf.stack([corner, after], axis=1)], axis=0)
        moved["masks"] = tf.pad(quarter["masks"], padding)
    return moved


def _joined(quarters: Sequence[Sample]) -> Sample:
    """Maps laid out two by two, objects one after the other."""
    result = {}
    for key in quarters[0]:
        parts = [quarter[key] for quarter in quarters]
        if key in ("image", "label_map"):
            above, below = tf.concat(parts[:2], axis=1), tf.concat(parts[2:], axis=1)
            result[key] = tf.concat([above, below], axis=0)
        elif key in object_tensors.KEYS:
            result[key] = tf.concat(parts, axis=0)
    return result


def mosaic_batch(
    batch: Batch,
    seed: tf.Tensor,
    classes: int,
    *,
    probability: float = 1.0,
    middle: Sequence[float] = (0.25, 0.75),
    color: Color = geometry.GREY,
    min_visible: float = 0.1,
) -> Batch:
    """`mosaic` of each image b with those before it, b - 1, b - 2 and b - 3, in a batch.

    The batch contains `image` [B, H, W, 3] and padded `boxes` [B, M, 4] and `class_ids` [B, M].
    probability: that an image becomes a mosaic. Objects beyond M are cut off."""
    del classes
    if object_tensors.PROPOSALS in batch:
        raise errors.UsageError(_NO_PROPOSALS)
    size, max_boxes = tuple(batch["image"].shape[1:3]), batch["boxes"].shape[1]
    count = tf.shape(batch["image"])[0]
    keys = ("image", "boxes", "class_ids")

    def one(row: tf.Tensor) -> Sample:
        row_seed = seeds.fold(seed, tf.cast(row, tf.int64))
        alone = {key: batch[key][row] for key in keys}

        def mixed() -> Sample:
            parts = []
            for back in range(4):
                part = {key: batch[key][(row - back) % count] for key in keys}
                parts.append(object_tensors.select(part, part["class_ids"] >= 0))
            made = mosaic(
                parts, row_seed, size=size, middle=middle, color=color, min_visible=min_visible
            )
            return {"image": made["image"], **targets.padded(made, max_boxes)}

        return tf.cond(seeds.happens(row_seed, 1, probability), mixed, lambda: alone)

    spec = {key: tf.TensorSpec(batch[key].shape[1:], batch[key].dtype) for key in keys}
    return {**batch, **tf.map_fn(one, tf.range(count), fn_output_signature=spec)}


BOX_MIXES: dict[str, Callable] = {"mosaic": mosaic_batch}
