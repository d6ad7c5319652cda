"""Classification networks by name: {"image"} -> {"class_logits": float32 [B, K]}."""

from __future__ import annotations

from tfvision.models.backbones import resnet
from tfvision.net import Net


def _resnet(depth: int):
    def build(*, num_classes: int, image_size: tuple[int, int], **options) -> Net:
        model = resnet.classifier(depth, num_classes=num_classes, image_size=image_size, **options)
        return Net(model, model)

    return build


CLASSIFIERS = {f"resnet{depth}": _resnet(depth) for depth in resnet.UNITS}
