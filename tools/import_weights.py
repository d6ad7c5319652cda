"""tfvision import-weights: a foreign checkpoint -> our own plain file of weights.

Darknet's go both ways: --output=FILE.weights writes a YOLO network's in Darknet's format, and
FILE.cfg beside it, which OpenCV and others run.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence
from typing import Any

from absl import app, flags

from tfvision import atomic, command_line, errors, overrides

_SOURCE = flags.DEFINE_string("source", "torchvision", "Whose names the checkpoint carries.")
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "File of PyTorch, .safetensors, .npz, .h5 or .keras, known by its content; with"
    " --source=darknet .weights; with --source=keras also 'imagenet', which Keras then downloads.",
)
_WHICH = flags.DEFINE_string(
    "which",
    "",
    "Of a checkpoint with the parameters and their moving average: 'model', 'average' or the key"
    " ('model_ema', 'ema.module'); by default the average.",
)
_CFG = flags.DEFINE_string("cfg", None, "Darknet's cfg file of the network, instead of --model.")
_MODEL = flags.DEFINE_string("model", None, "Architecture; tfvision models lists them.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "File to write: .safetensors or .npz, or Darknet's .weights."
)
_NUM_CLASSES = flags.DEFINE_integer(
    "num_classes",
    None,
    "Classes; by default as many as the checkpoint has. Of torchvision's detectors with 90 classes"
    " 80 are those that COCO has objects of.",
)
_SET = flags.DEFINE_multi_string("set", [], "OPTION=VALUE of the architecture.")
_RCNN_HEAD = "roi_heads.box_predictor.cls_score.weight"
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
    command_line.flags_only(argv, "import-weights")
    command_line.needed(_CHECKPOINT, _OUTPUT)
    if bool(_MODEL.value) == bool(_CFG.value):
        raise errors.UsageError("either --model or, of Darknet, --cfg says what network it is")
    from tfvision import architectures, weights
    from tfvision.weights import native

    if not _is_darknet(_OUTPUT.value):
        native.check_output(_OUTPUT.value)
    errors.choose(weights.SOURCES, _SOURCE.value, "source of weights")
    name = "darknet" if _CFG.value else _MODEL.value
    errors.choose(architectures.MODELS, name, "model")
    options = {**_options(name), **overrides.literals(_SET.value)}
    arrays = _read(name)
    num_classes = _NUM_CLASSES.value or _classes(name, arrays, options)
    net = architectures.build(name, num_classes=num_classes, image_size=_size(name), **options)
    try:
        count = weights.load(net, arrays, source=_SOURCE.value, say=_say)
    except errors.DataError as error:
        raise errors.DataError(f"{_CHECKPOINT.value}: {error}") from error
    variables = _write(net, arrays)
    if _is_darknet(_OUTPUT.value) and not _CFG.value:
        _write_cfg(name, num_classes, options)
    print(
        f"{_CHECKPOINT.value}: {variables} variables, {count:,} values, {num_classes} classes"
        f" -> {_OUTPUT.value}"
    )
    if _CFG.value:
        options = {"name": name, **options}
    if options:
        needed = shlex.join(f"--config.model.{key}={value}" for key, value in options.items())
        print(f"These weights need a model built with {needed}")


def _is_darknet(path: str) -> bool:
    return os.path.splitext(path)[1].lower() == ".weights"


def _options(name: str) -> dict[str, Any]:
    """What the model must be built with to take weights of this source."""
    if _CFG.value:
        return {"cfg": _CFG.value}
    if _SOURCE.value == "keras":
        from tfvision.weights import keras_applications

        return keras_applications.options(name)
    return {}


def _read(name: str) -> dict[str, Any]:
    from tfvision.weights import darknet_weights, keras_applications, readers

    if _SOURCE.value == "darknet" or _CHECKPOINT.value == keras_applications.IMAGENET:
        readers.check_single(_CHECKPOINT.value, _WHICH.value)
    if _SOURCE.value == "darknet":
        return darknet_weights.read(_CHECKPOINT.value)
    if _SOURCE.value == "keras" and _CHECKPOINT.value == keras_applications.IMAGENET:
        return keras_applications.download(name)
    arrays, notes = readers.inspect(_CHECKPOINT.value, _WHICH.value)
    for note in notes:
        _say(note)
    return arrays


def _say(note: str) -> None:
    print(f"{_CHECKPOINT.value}: {note}")


def _size(name: str) -> tuple[int, int]:
    """(height, width) to build the model for; weights depend on it in YOLOv1 alone."""
    from tfvision.architectures import yolo_networks
    from tfvision.darknet import cfg_file

    if _CFG.value:
        return cfg_file.size(_CFG.value)
    return yolo_networks.V1_SIZE if name in yolo_networks.NETWORKS else (224, 224)


def _write(net: Any, arrays: dict) -> int:
    """Returns the number of variables."""
    from tfvision.weights import darknet_weights, native

    values = native.collect(net)
    if not _is_darknet(_OUTPUT.value):
        native.save(values, _OUTPUT.value)
    elif _SOURCE.value == "darknet":
        darknet_weights.write(
            net, _OUTPUT.value, header=darknet_weights.Header(*map(int, arrays["header"]))
        )
    else:
        darknet_weights.write(net, _OUTPUT.value)
    return len(values)


def _write_cfg(name: str, num_classes: int, options: dict) -> None:
    """The network's cfg file, beside its weights."""
    from tfvision.architectures import yolo_networks
    from tfvision.darknet import cfg

    size = _size(name)
    sections = yolo_networks.sections(name, num_classes=num_classes, image_size=size, **options)
    path = os.path.splitext(_OUTPUT.value)[0] + ".cfg"
    atomic.write_text(path, cfg.text(sections, size))


def _classes(name: str, arrays: dict, options: dict) -> int:
    """How many classes the checkpoint is for."""
    from tfvision.architectures import yolo_networks
    from tfvision.darknet import cfg_file
    from tfvision.weights import prefixes

    if _CFG.value:
        return cfg_file.classes(_CFG.value)
    if name in yolo_networks.NETWORKS:
        count = sum(arrays[key].size for key in arrays if key != "header")
        try:
            return yolo_networks.num_classes(name, count, **options)
        except errors.DataError as error:
            header = _header(name, arrays, count, options)
            raise errors.DataError(f"{_CHECKPOINT.value}: {error}{header}") from error
    arrays, _, _ = prefixes.strip(arrays, stays=lambda first: False)
    if _RCNN_HEAD in arrays:
        return arrays[_RCNN_HEAD].shape[0] - 1  # without the background
    for layer, axis in _HEADS.items():
        if getattr(arrays.get(layer), "ndim", 0) == 2:
            return arrays[layer].shape[axis]
    raise errors.DataError(
        f"{_CHECKPOINT.value} has no dense layer to count the classes of"
        f" ({', '.join(_HEADS)}); pass --num_classes"
    )


def _header(name: str, arrays: dict, count: int, options: dict) -> str:
    """What to know of the header, where one value more or less is that of a network."""
    from tfvision.architectures import yolo_networks
    from tfvision.weights import darknet_weights

    for extra in (-1, 1) if "header" in arrays else ():
        with contextlib.suppress(errors.DataError):
            yolo_networks.num_classes(name, count - extra, **options)
            return darknet_weights.off_by_header(
                darknet_weights.Header(*map(int, arrays["header"])), extra
            )
    return ""


if __name__ == "__main__":
    app.run(main)
