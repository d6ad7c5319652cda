"""Classification networks by name: {"image"} -> {"class_logits": float32 [B, K]}.

In training inception_v3 gives "aux_logits" float32 [B, K] too.
"""

from __future__ import annotations

from tfvision.models.backbones import inception, mobilenet, resnet, vgg
from tfvision.net import Net


def _resnet(depth: int):
    def build(*, num_classes: int, image_size: tuple[int, int], **options) -> Net:
        model = resnet.classifier(depth, num_classes=num_classes, image_size=image_size, **options)
        return Net(model, model)

    return build


def _vgg(depth: int, **fixed):
    def build(*, num_classes: int, image_size: tuple[int, int], **options) -> Net:
        options = {**options, **fixed}
        model = vgg.classifier(depth, num_classes=num_classes, image_size=image_size, **options)
        return Net(model, model)

    return build


def _mobilenet_v2(*, num_classes: int, image_size: tuple[int, int], **options) -> Net:
    model = mobilenet.classifier(num_classes=num_classes, image_size=image_size, **options)
    return Net(model, model)


def _inception_v3(*, num_classes: int, image_size: tuple[int, int], **options) -> Net:
    return Net(*inception.classifier(num_classes=num_classes, image_size=image_size, **options))


CLASSIFIERS = {
    **{f"resnet{depth}": _resnet(depth) for depth in resnet.UNITS},
    "vgg16": _vgg(16),
    "vgg19": _vgg(19),
    "vgg16_bn": _vgg(16, batch_norm=True),
    "inception_v3": _inception_v3,
    "mobilenet_v2": _mobilenet_v2,
}
