"""tfvision import-weights: a foreign checkpoint -> our own plain file of weights."""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from tfvision import errors

_SOURCE = flags.DEFINE_string("source", "torchvision", "Whose names the checkpoint carries.")
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "File: .pth, .pt, .safetensors or .npz.")
_MODEL = flags.DEFINE_string("model", None, "Architecture; tfvision models lists them.")
_OUTPUT = flags.DEFINE_string("output", None, "File to write: .safetensors or .npz.")
_NUM_CLASSES = flags.DEFINE_integer(
    "num_classes", None, "Classes; by default as many as the checkpoint's fc.weight has rows."
)


def main(argv: Sequence[str]) -> None:
    """Converts one checkpoint. Raises UsageError and DataError."""
    if len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; import-weights takes flags only")
    for flag in (_CHECKPOINT, _MODEL, _OUTPUT):
        if not flag.value:
            raise errors.UsageError(f"--{flag.name} is missing")
    from tfvision import models, weights
    from tfvision.weights import native, readers

    native.check_output(_OUTPUT.value)
    errors.choose(weights.SOURCES, _SOURCE.value, "source of weights")
    errors.choose(models.MODELS, _MODEL.value, "model")
    arrays = readers.read(_CHECKPOINT.value)
    num_classes = _NUM_CLASSES.value or _classes(arrays)
    net = models.build(_MODEL.value, num_classes=num_classes, image_size=(224, 224))
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


def _classes(arrays: dict) -> int:
    """Rows of the checkpoint's dense weight, "fc.weight" [classes, in] ("fc/kernel" in ours)."""
    if getattr(arrays.get("fc.weight"), "ndim", 0) == 2:
        return arrays["fc.weight"].shape[0]
    if getattr(arrays.get("fc/kernel"), "ndim", 0) == 2:
        return arrays["fc/kernel"].shape[1]
    raise errors.DataError(
        f"{_CHECKPOINT.value} has no dense fc.weight to count the classes of; pass --num_classes"
    )


if __name__ == "__main__":
    app.run(main)
