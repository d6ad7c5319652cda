"""tfvision import-weights: a foreign checkpoint -> our own plain file of weights."""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from tfvision import errors

_SOURCE = flags.DEFINE_string("source", "torchvision", "Whose names the checkpoint carries.")
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "File: .pth, .pt, .safetensors, .npz or .h5; with --source=keras also 'imagenet', which Keras"
    " then downloads.",
)
_MODEL = flags.DEFINE_string("model", None, "Architecture; tfvision models lists them.")
_OUTPUT = flags.DEFINE_string("output", None, "File to write: .safetensors or .npz.")
_NUM_CLASSES = flags.DEFINE_integer(
    "num_classes", None, "Classes; by default as many as the checkpoint's last dense layer has."
)
# The last dense layers of our classifiers, as each source calls them -> the axis of the classes
_HEADS = {
    **{f"{layer}.weight": 0 for layer in ("fc", "classifier.6", "classifier.1")},
    **{f"{layer}/kernel": 1 for layer in ("fc", "classifier.6", "classifier.1")},
    "predictions/0": 1,
    "layers/dense_2/0": 1,
    "layers/dense/0": 1,
}


def main(argv: Sequence[str]) -> None:
    """Converts one checkpoint. Raises UsageError and DataError."""
    if len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; import-weights takes flags only")
    for flag in (_CHECKPOINT, _MODEL, _OUTPUT):
        if not flag.value:
            raise errors.UsageError(f"--{flag.name} is missing")
    from tfvision import models, weights
    from tfvision.weights import keras_applications, native, readers

    native.check_output(_OUTPUT.value)
    errors.choose(weights.SOURCES, _SOURCE.value, "source of weights")
    errors.choose(models.MODELS, _MODEL.value, "model")
    options = {}
    if _SOURCE.value == "keras":
        options = keras_applications.options(_MODEL.value)
    if _SOURCE.value == "keras" and _CHECKPOINT.value == keras_applications.IMAGENET:
        arrays = keras_applications.download(_MODEL.value)
    else:
        arrays = readers.read(_CHECKPOINT.value)
    num_classes = _NUM_CLASSES.value or _classes(arrays)
    net = models.build(_MODEL.value, num_classes=num_classes, image_size=(224, 224), **options)
    try:
        count = weights.load(net, arrays, source=_SOURCE.value)
    except errors.DataError as error:
        raise errors.DataError(f"{_CHECKPOINT.value}: {error}") from error
    values = native.collect(net)
    native.save(values, _OUTPUT.value)
    print(
        f"{_CHECKPOINT.value}: {len(values)} variables, {count:,} values, {num_classes} classes"
        f" -> {_OUTPUT.value}"
    )
    if options:
        needed = " ".join(f"--config.model.{key}={value}" for key, value in options.items())
        print(f"These weights need a model built with {needed}")


def _classes(arrays: dict) -> int:
    """How many classes the checkpoint's last dense layer has."""
    for name, axis in _HEADS.items():
        if getattr(arrays.get(name), "ndim", 0) == 2:
            return arrays[name].shape[axis]
    raise errors.DataError(
        f"{_CHECKPOINT.value} has no dense layer to count the classes of"
        f" ({', '.join(_HEADS)}); pass --num_classes"
    )


if __name__ == "__main__":
    app.run(main)
