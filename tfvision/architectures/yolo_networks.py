"""YOLO version 1 (Redmon et al. 2015, arXiv:1506.02640), 2 (arXiv:1612.08242) and 3
(arXiv:1804.02767) by name, filled by Darknet's .weights.

Versions 2 and 3 take images whose sides are multiples of 32, known or not when they are built;
version 1 has dense layers, and takes squares of a known multiple of 64, in the paper 448.

Axis letters: B batch, H, W, A anchors (boxes a cell), K classes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from tfvision import errors
from tfvision.architectures import yolo_layers, yolo_versions
from tfvision.architectures.yolo_versions import V1Options, V2Options, V3Options, V3TinyOptions
from tfvision.darknet import cfg_network, cfg_recorder, plan
from tfvision.darknet.cfg import Section
from tfvision.ops.yolo_decode import Head

# name -> (function, its options)
NETWORKS: dict[str, tuple[Callable[..., None], Any]] = {
    "yolo_v1": (yolo_versions.v1, V1Options()),
    "yolo_v2": (yolo_versions.v2, V2Options()),
    "yolo_v3": (yolo_versions.v3, V3Options()),
    "yolo_v3_spp": (yolo_versions.v3, V3Options(pyramid=True)),
    "yolo_v3_tiny": (yolo_versions.v3_tiny, V3TinyOptions()),
    # narrow ones, for work without a GPU
    "yolo_v1_small": (
        yolo_versions.v1,
        V1Options(width=8, hidden=256, batch_norm=True, units=(1, 1)),
    ),
    "yolo_v2_small": (
        yolo_versions.v2,
        V2Options(width=8, units=(1, 1, 1, 1, 1, 1), head_convs=1),
    ),
    "yolo_v3_small": (yolo_versions.v3, V3Options(width=8, units=(1, 1, 1, 1, 1), head_pairs=1)),
}
V1_SIZE = (448, 448)  # section 2.2; for what does not depend on the size


def network(image, /, name: str, *, num_classes: int, **options) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"yolo_0": raw, ...}, float32, coarsest first.

    options: those of the network's function in `yolo_versions` (anchors, width ...) and of NormAct
    (activation, bn_momentum ...)."""
    function, of_network, norm_act = _take(name, options)
    size = tuple(image.shape[1:3])
    # does it fit?
    plan.plan(sections(name, num_classes=num_classes, image_size=size, **options), size)
    net = yolo_layers.Layers(image, norm_act)
    function(net, num_classes, of_network)
    return net.outputs


def sections(
    name: str, *, num_classes: int, image_size: tuple[int | None, int | None] = V1_SIZE, **options
) -> list[Section]:
    """The Darknet sections of a network, without [net]; `options` as of `network`."""
    function, of_network, _ = _take(name, options)
    # The cfg files of version 2 count back by one layer alone, those of 3 by up to six.
    recorder = cfg_recorder.Recorder(image_size, near=1 if name.startswith("yolo_v2") else 6)
    function(recorder, num_classes, of_network)
    return recorder.sections


def heads(name: str, *, num_classes: int, **options) -> tuple[Head, ...]:
    """The heads of a network, in the order of its outputs; `options` as of `network`."""
    layers = sections(name, num_classes=num_classes, **options)
    return plan.heads(plan.plan(layers, V1_SIZE))


def num_classes(name: str, values: int, **options) -> int:
    """For how many classes a network is that has `values` in its .weights file.

    `options` as of `network`; images of 448 x 448, which only version 1 depends on. Raises
    DataError if there is no such number."""
    one, two = (
        plan.values(plan.plan(sections(name, num_classes=count, **options), V1_SIZE))
        for count in (1, 2)
    )
    more, left = divmod(values - one, two - one)  # every class adds as many
    if left or more < 0:
        raise errors.DataError(
            f"{values:,} values are those of {name} for no number of classes (for 1: {one:,}, and"
            f" {two - one:,} for each more); it is another network, or cut off"
        )
    return 1 + more


def _take(name: str, options: Mapping[str, Any]) -> tuple:
    """(function, its options, NormAct) of a network. Raises UsageError for an unknown option."""
    function, default = errors.choose(NETWORKS, name, "YOLO network")
    return function, *errors.take(options, name, default, cfg_network.NORM_ACT)


# (image, *, num_classes, **options) -> outputs
YOLO = {name: functools.partial(network, name=name) for name in NETWORKS}
