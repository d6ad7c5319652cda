"""Semantic segmentation networks by name: {"image"} -> {"class_logits": float32 [B, H, W, K]}.

Each architecture is one function, image -> {"class_logits", and in training perhaps
"aux_logits"}, both at the image's size. What is common to all of them stands here: a canvas of
another size in training, another output stride or normalisation in evaluation, and evaluation at
several scales and mirrored; the weights are shared (`layers.sharing`).

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from tfvision import errors, layers
from tfvision.architectures.deeplab import DEEPLAB
from tfvision.architectures.tiramisu import TIRAMISU
from tfvision.net import Net

ARCHITECTURES: dict[str, Callable] = {**TIRAMISU, **DEEPLAB}
LOGITS = "class_logits"


def _build(name: str) -> Callable[..., Net]:
    function = ARCHITECTURES[name]

    def build(
        *,
        num_classes: int,
        image_size: tuple[int, int],
        train_size: tuple[int, int] | None = None,
        eval_options: dict | None = None,
        eval_scales: Sequence[float] = (1.0,),
        eval_flip: bool = False,
        **options,
    ) -> Net:
        """The two networks of one architecture.

        image_size: of evaluation and serving. train_size: of training; the same by default.
        eval_options: options that are others outside training, such as {"output_stride": 8} or
        {"bn_image_statistics": True} (as FC-DenseNet is evaluated). eval_scales, eval_flip: the
        probabilities at each scale (and mirrored) are averaged (DeepLabv3, arXiv:1706.05587,
        section 4.1); class_logits is then their logarithm."""
        options["num_classes"] = num_classes

        image = _image(train_size or image_size)
        train = keras.Model({"image": image}, function(image, **options), name=name)
        scales, changes = tuple(eval_scales), dict(eval_options or {})
        if not scales or min(scales) <= 0:
            raise errors.UsageError(f"eval_scales is {scales}; give positive factors")
        plain = scales == (1.0,) and not eval_flip and not changes
        if plain and image.shape[1:3] == tuple(image_size) and list(train.output) == [LOGITS]:
            return Net(train, train)

        def evaluated(size, name):
            image = _image(size)
            with layers.sharing(train):
                logits = function(image, **{**options, **changes})[LOGITS]
            return keras.Model({"image": image}, {LOGITS: logits}, name=name)

        if scales == (1.0,) and not eval_flip:
            return Net(train, evaluated(image_size, name))
        return Net(train, _averaged(image_size, evaluated, scales, eval_flip, name))

    return build


def _image(size: tuple[int, int]):
    return keras.Input((*size, 3), name="image", dtype="float32")


def _averaged(
    size: tuple[int, int], model: Callable, scales: Sequence[float], flip: bool, name: str
) -> keras.Model:
    """One model of those at several scales: the logarithm of their mean probability."""
    image, averaged = _image(size), []
    for scale in scales:
        scaled = tuple(max(round(side * scale), 1) for side in size)
        inner = model(scaled, f"x{scale:g}")
        for mirrored in (False, True)[: 1 + flip]:
            part = {"flip": mirrored, "dtype": "float32"}
            label = f"{inner.name}{'_mirrored' if mirrored else ''}"
            x = layers.ScaleFlip(scaled, **part, name=f"{label}_in")(image)
            x = inner({"image": x})[LOGITS]
            averaged.append(layers.ScaleFlip(size, **part, name=f"{label}_out")(x))
    mean = layers.LogMeanProbability(name="mean", dtype="float32")(averaged)
    return keras.Model({"image": image}, {LOGITS: mean}, name=name)


SEGMENTERS = {name: _build(name) for name in ARCHITECTURES}
