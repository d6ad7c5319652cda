"""Fast, Faster and Mask R-CNN by name: `Net`s of a graph of training and one of serving.

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
from tfvision.models import fast_rcnn, faster_rcnn, faster_rcnn_c4, mask_rcnn
from tfvision.models.backbones import mobilenet, resnet
from tfvision.net import Net


class Architecture(NamedTuple):
    """parts, training, serving: as in `models.faster_rcnn`. stages: the backbone. masks: are there
    any? proposals: do they come with the image?"""

    parts: Callable
    training: Callable
    serving: Callable
    stages: Callable
    masks: bool = False
    proposals: bool = False


_RESNETS: dict[str, Callable] = {
    f"resnet{depth}": functools.partial(resnet.stages, depth=depth) for depth in (18, 50, 101)
}
_BACKBONES: dict[str, Callable] = {**_RESNETS, "mobilenet_v2": mobilenet.stages}


def _family(module, backbones: dict, name: str, parts: Callable, **kind) -> dict:
    return {
        name.format(backbone): Architecture(parts, module.training, module.serving, stages, **kind)
        for backbone, stages in backbones.items()
    }


ARCHITECTURES: dict[str, Architecture] = {
    **_family(fast_rcnn, _BACKBONES, "fast_rcnn_{}_fpn", fast_rcnn.parts, proposals=True),
    **_family(faster_rcnn, _BACKBONES, "faster_rcnn_{}_fpn", faster_rcnn.parts),
    **_family(faster_rcnn_c4, _RESNETS, "faster_rcnn_{}_c4", faster_rcnn_c4.parts),
    **_family(mask_rcnn, _BACKBONES, "mask_rcnn_{}_fpn", faster_rcnn.parts, masks=True),
}
# What the builder says itself, and what would change the strides that a network counts on.
_GIVEN = ("num_classes", "image_size", "name")
_FIXED = ("output_stride", "dilate_first", "multi_grid", "stem", "first", "last")


def _keywords(function: Callable) -> set[str]:
    """The names of a function's keyword-only parameters that a caller may set."""
    parameters = inspect.signature(function).parameters.values()
    names = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    return names - {*_GIVEN, *_FIXED, *getattr(function, "keywords", {})}


def _build(name: str) -> Callable[..., Net]:
    architecture = ARCHITECTURES[name]
    shared = _keywords(architecture.parts) | _keywords(architecture.stages)
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
        it changes from batch to batch; the same by default. options: of the architecture's
        `parts`, of its two graphs and of the backbone."""
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
