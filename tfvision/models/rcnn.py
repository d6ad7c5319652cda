"""Faster and Mask R-CNN by name: `Net`s of a graph of training and one of serving.

The serving graph holds proposals, suppression and, of masks, the final boxes, so it takes the
`frame` beside the image; the training graph takes the truth. Weights are shared by name
(`layers.sharing`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import NamedTuple

from tfvision import errors, layers
from tfvision.models import faster_rcnn, mask_rcnn
from tfvision.models.backbones import mobilenet, resnet
from tfvision.net import Net


class Architecture(NamedTuple):
    """training, serving: as in `models.faster_rcnn`. stages: the backbone. masks: are there any?"""

    training: Callable
    serving: Callable
    stages: Callable
    masks: bool = False


_BACKBONES: dict[str, Callable] = {
    "resnet18": functools.partial(resnet.stages, depth=18),
    "resnet50": functools.partial(resnet.stages, depth=50),
    "resnet101": functools.partial(resnet.stages, depth=101),
    "mobilenet_v2": mobilenet.stages,
}
_FAMILIES = {
    "faster_rcnn": (faster_rcnn.training, faster_rcnn.serving, False),
    "mask_rcnn": (mask_rcnn.training, mask_rcnn.serving, True),
}
ARCHITECTURES: dict[str, Architecture] = {
    f"{family}_{backbone}_fpn": Architecture(training, serving, stages, masks)
    for family, (training, serving, masks) in _FAMILIES.items()
    for backbone, stages in _BACKBONES.items()
}
# What the builder says itself, and what would change the strides that a pyramid counts on.
_GIVEN = ("num_classes", "image_size", "name")
_FIXED = ("output_stride", "dilate_first", "multi_grid", "stem")


def _keywords(function: Callable) -> set[str]:
    """The names of a function's keyword-only parameters that a caller may set."""
    parameters = inspect.signature(function).parameters.values()
    names = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    return names - {*_GIVEN, *_FIXED, *getattr(function, "keywords", {})}


def _build(name: str) -> Callable[..., Net]:
    architecture = ARCHITECTURES[name]
    shared = _keywords(faster_rcnn.parts) | _keywords(architecture.stages)
    train_only = _keywords(architecture.training) - shared
    serve_only = _keywords(architecture.serving) - shared
    both = train_only & serve_only
    known = sorted(shared | train_only | serve_only)

    def build(
        *,
        num_classes: int,
        image_size: tuple[int, int],
        train_size: tuple[int | None, int | None] | None = None,
        **options,
    ) -> Net:
        """image_size: of evaluation's and serving's canvas. train_size: of training's, None where
        it changes from batch to batch; the same by default. options: of `faster_rcnn.parts`, of
        the two graphs and of the backbone."""
        for option in options:
            if option not in known:
                raise errors.UsageError(
                    f"{name} has no option '{option}'{errors.suggestion(option, known)}"
                    f" (its options: {', '.join(known)})"
                )

        def graph(function, size, left_out):
            own = {key: value for key, value in options.items() if key not in left_out}
            given = {"num_classes": num_classes, "image_size": tuple(size), "name": name}
            return function(architecture.stages, **given, **own)

        train = graph(architecture.training, train_size or image_size, serve_only - both)
        with layers.sharing(train):
            return Net(train, graph(architecture.serving, image_size, train_only - both))

    return build


RCNN = {name: _build(name) for name in ARCHITECTURES}
