"""Classification networks by name: {"image"} -> {"class_logits": float32 [B, K]}.

In training inception_v3 gives "aux_logits" float32 [B, K] too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from tfvision.architectures.backbones import inception, mobilenet, resnet, vgg
from tfvision.net import Net

CLASSIFIERS: dict[str, Callable[..., Net]] = {
    **{f"resnet{depth}": functools.partial(resnet.classifier, depth) for depth in resnet.UNITS},
    "vgg16": functools.partial(vgg.classifier, 16),
    "vgg19": functools.partial(vgg.classifier, 19),
    "vgg16_bn": functools.partial(vgg.classifier, 16, batch_norm=True),
    "inception_v3": inception.classifier,
    "mobilenet_v2": mobilenet.classifier,
}
