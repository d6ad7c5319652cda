"""`models.build`: a Keras model by the name of its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfvision import architectures, errors
from tfvision.models.catalog import task_of
from tfvision.models.keras_model import Model

# What a model itself goes by; what else a config has, `compile` and `fit` are told.
SETTINGS = (
    *("inputs", "detection", "head", "loss", "aux_weight", "regularization"),
    *("metrics", "probabilities", "seed"),
)


def build(
    name: str,
    *,
    num_classes: int | None = None,
    image_size: int | Sequence[int] = (224, 224),
    weights: Any = None,
    class_names: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> Model:
    """A network by name, as a Keras model with its task.

    Args:
        name: One of `names()`.
        num_classes: How many, without background; by default as many as `class_names`.
        image_size: Height and width of the canvas in pixels, or both in one number.
        weights: A file or a run folder, or (one of them, the source of its names: a key of
            `weights.SOURCES`); a path alone is of tfvision, of Darknet where it ends in .weights,
            and of torchvision where it ends in .pth or .pt. None: fresh weights.
        class_names: In id order; by default "0", "1" ...
        settings: Those of SETTINGS in a config, such as {"detection": {"nms_iou": 0.5}}; images
            are stretched onto the canvas by default.
        **options: Of the network, such as width=32.

    Raises:
        UsageError: for an unknown name, option or setting.
        DataError: for weights that cannot be read or do not fit.
    """
    errors.choose(architectures.MODELS, name, "model")
    names = [str(each) for each in class_names] or [str(k) for k in range(num_classes or 0)]
    if not names or num_classes not in (None, len(names)):
        raise errors.UsageError(
            f"num_classes is {num_classes} and class_names has {len(names)} names; give one of"
            " them, or as many names as classes"
        )
    errors.expect(settings or {}, SETTINGS, "models.build: settings")
    changes = {key: dict(value) if isinstance(value, Mapping) else value
               for key, value in (settings or {}).items()}  # fmt: skip
    changes["task"] = task_of(name)
    changes["model"] = {"name": name, **options}
    changes["data"] = {"class_names": tuple(names)}
    changes["inputs"] = {"resize": "stretch", "image_size": image_size, **changes.get("inputs", {})}
    made = Model(changes)
    if weights is not None:
        made.take_weights(*(weights if isinstance(weights, tuple) else (weights,)))
    return made
