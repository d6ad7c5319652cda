"""What a task does with its network: builds the one of the config, takes the loss of its heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfvision import architectures
from tfvision import config as configs
from tfvision.net import Net


def build(
    config,
    num_classes: int,
    size: tuple[int, int],
    train_size: tuple[int | None, int | None] | None = None,
    **options: Any,
) -> Net:
    """The network of config.model. size, train_size: height and width in serving and, where it
    is another one, in training. options: beside config.model's."""
    if train_size is not None and train_size != size:
        options["train_size"] = train_size
    own = configs.options(config.model, "name")
    return architectures.build(
        config.model.name, num_classes=num_classes, image_size=size, **own, **options
    )


def losses(
    values: Callable[[tf.Tensor, str], dict[str, tf.Tensor]],
    outputs: Mapping[str, tf.Tensor],
    weight: float,
) -> dict[str, tf.Tensor]:
    """The terms of class_logits and, times `weight`, of aux_logits where `outputs` has them.

    values: (logits, prefix of the terms' names) -> {term: float32 scalar}."""
    terms = values(outputs["class_logits"], "class")
    if "aux_logits" in outputs:
        aux = values(outputs["aux_logits"], "aux")
        terms |= {name: weight * value for name, value in aux.items()}
    return terms
