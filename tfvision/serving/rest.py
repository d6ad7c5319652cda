"""JSON requests in TensorFlow Serving's REST format -> arrays, and arrays -> JSON replies.

Its API: https://www.tensorflow.org/tfx/serving/api_rest. Row format is a list of instances,
column format a dict of whole tensors. Every image is decoded here once, by itself, so a bad one
is named by its place before it joins a batch.

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfvision.records import example
from tfvision.serving import module, payloads
from tfvision.serving.payloads import BadRequest

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclasses.dataclass(frozen=True)
class Request:
    """signature: its name. inputs: {name: array [B, ...]}. rows: asked in row format."""

    signature: str
    inputs: dict[str, np.ndarray]
    rows: bool


def parse(body: bytes) -> dict:
    """The JSON object of a body. Raises BadRequest."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"JSON Parse error: {error}") from None
    if _SURROGATE.search(body):
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            lone = ascii(error.object[error.start])[1:-1]
            raise BadRequest(f"the text {lone} is half a character, no valid Unicode") from None
    if not isinstance(content, dict):
        raise BadRequest(f"the request is a JSON {_kind(content)}; it must be an object")
    return content


def predict_request(
    content: Mapping, signatures: Mapping, *, pixels: int = payloads.PIXELS
) -> Request:
    """`:predict`: {"instances": [...]} or {"inputs": ...}, and signature_name.

    pixels: of all its encoded images together, at most. Raises BadRequest."""
    unknown = set(content) - {"instances", "inputs", "signature_name"}
    if unknown:
        raise BadRequest(f"unknown key '{min(unknown)}'; a request has instances or inputs")
    if ("instances" in content) == ("inputs" in content):
        raise BadRequest('a request has exactly one of "instances" and "inputs"')
    name = _signature(content, signatures, module.DEFAULT)
    specs = input_specs(signatures[name])
    rows = "instances" in content
    columns = _from_rows(content["instances"], specs) if rows else _columns(content, specs)
    inputs = {key: _tensor(key, columns[key], spec, pixels) for key, spec in specs.items()}
    sizes = {len(value) for value in inputs.values()}
    if len(sizes) > 1:
        raise BadRequest(f"the inputs have different batch sizes: {sorted(sizes)}")
    return Request(name, inputs, rows)


def classify_request(
    content: Mapping, signatures: Mapping, *, pixels: int = payloads.PIXELS
) -> Request:
    """`:classify`: {"examples": [{"image/encoded": {"b64": ...}}], "context": {...}}.

    signature_name may be left out, which TensorFlow Serving takes for serving_default.
    pixels: as for `predict_request`. Raises BadRequest."""
    name = _signature(content, signatures, module.CLASSIFY)
    if set(input_specs(signatures[name])) != {"inputs"}:
        raise BadRequest(f"signature '{name}' does not classify; '{module.CLASSIFY}' does")
    examples, context = content.get("examples"), content.get("context", {})
    if not isinstance(examples, list) or not isinstance(context, dict):
        raise BadRequest('a request to classify has "examples", a list of objects')
    files = []
    for index, item in enumerate(examples):
        if not isinstance(item, dict):
            raise BadRequest(f"example {index} is a JSON {_kind(item)}; it must be an object")
        value = {**context, **item}.get(module.ENCODED_KEY)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if value is None:
            raise BadRequest(f"example {index} has no '{module.ENCODED_KEY}'")
        files.append(payloads.data(value, f"example {index}"))
    files = payloads.sound_images(files, "example", pixels)
    return Request(name, {"inputs": _strings(_records(files))}, rows=True)


def predict_reply(request: Request, outputs: Mapping[str, np.ndarray]) -> dict:
    """{"predictions": [...]} or {"outputs": ...}; a lone output goes without its name.

    Raises BadRequest for NaN and infinity, which JSON has no words for."""
    values = {name: _json(name, value) for name, value in outputs.items()}
    (only, *others) = values
    if request.rows:
        count = len(next(iter(outputs.values())))
        rows = [{name: value[i] for name, value in values.items()} for i in range(count)]
        return {"predictions": rows if others else values[only]}
    return {"outputs": values if others else values[only]}


def classify_reply(outputs: Mapping[str, np.ndarray]) -> dict:
    """{"results": [[[class, score], ...], ...]}."""
    classes, scores = (_json(name, outputs[name]) for name in ("classes", "scores"))
    rows = zip(classes, scores, strict=True)
    return {"results": [[list(pair) for pair in zip(*row, strict=True)] for row in rows]}


def input_specs(function: Any) -> dict[str, tf.TensorSpec]:
    """{input: its TensorSpec} of a loaded signature."""
    return dict(function.structured_input_signature[1])


def metadata(name: str, version: int, signatures: Mapping) -> dict:
    """The body of GET .../metadata."""
    described = {
        key: {
            "inputs": {k: _info(f"{key}_{k}", s) for k, s in input_specs(function).items()},
            "outputs": {k: _info(k, s) for k, s in function.structured_outputs.items()},
            "method_name": "tensorflow/serving/predict",
        }
        for key, function in signatures.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": described}},
    }


def _info(name: str, spec: tf.TensorSpec) -> dict:
    sides = [-1 if side is None else side for side in (spec.shape.as_list() if spec.shape else [])]
    return {
        "dtype": "DT_" + spec.dtype.name.upper().replace("FLOAT32", "FLOAT"),
        "tensor_shape": {
            "dim": [{"size": str(side), "name": ""} for side in sides],
            "unknown_rank": spec.shape.rank is None,
        },
        "name": f"{name}:0",
    }


def _signature(content: Mapping, signatures: Mapping, default: str) -> str:
    name = content.get("signature_name") or default
    if not isinstance(name, str) or name not in signatures:
        known = ", ".join(sorted(signatures))
        raise BadRequest(f"Serving signature name: {name!r} not found (the model has: {known})")
    return name


def _from_rows(instances: Any, specs: Mapping) -> dict[str, list]:
    """Instances -> {input: list of values}."""
    if not isinstance(instances, list):
        raise BadRequest(f'"instances" is a JSON {_kind(instances)}; it must be a list')
    columns: dict[str, list] = {name: [] for name in specs}
    for index, instance in enumerate(instances):
        if not isinstance(instance, dict) or payloads.is_b64(instance):
            if len(specs) > 1:
                raise BadRequest(f"instance {index} must be an object with {', '.join(specs)}")
            instance = {next(iter(specs)): instance}
        _check_names(instance, specs, f"instance {index}")
        for name in specs:
            columns[name].append(instance[name])
    return columns


def _columns(content: Mapping, specs: Mapping) -> dict[str, Any]:
    inputs = content["inputs"]
    if not isinstance(inputs, dict) or payloads.is_b64(inputs):
        if len(specs) > 1:
            raise BadRequest(f'"inputs" must be an object with {", ".join(specs)}')
        inputs = {next(iter(specs)): inputs}
    _check_names(inputs, specs, '"inputs"')
    return inputs


def _check_names(given: Mapping, specs: Mapping, what: str) -> None:
    if set(given) != set(specs):
        raise BadRequest(f"{what} has {sorted(given)}; the signature takes {sorted(specs)}")


def _tensor(name: str, values: Any, spec: tf.TensorSpec, pixels: int) -> np.ndarray:
    """JSON of one input -> an array; images are decoded to see that they are intact."""
    if not isinstance(values, list):
        raise BadRequest(f"input '{name}' must be a list, one element an image")
    if spec.dtype != tf.string:
        return _numbers(name, values, spec)
    images = [payloads.data(value, f"instance {i}") for i, value in enumerate(values)]
    if name == "inputs":
        images = [payloads.image_of_record(data, f"instance {i}") for i, data in enumerate(images)]
    if name in ("image_bytes", "inputs"):
        images = payloads.sound_images(images, "instance", pixels)
    return _strings(_records(images) if name == "inputs" else images)


def _records(files: Sequence[bytes]) -> list[bytes]:
    """Encoded images, each in a serialized tf.train.Example."""
    return [example.serialize({module.ENCODED_KEY: ("string", [file])}) for file in files]


def _numbers(name: str, values: list, spec: tf.TensorSpec) -> np.ndarray:
    kind = spec.dtype.as_numpy_dtype
    if not values:
        return np.zeros([side or 0 for side in spec.shape], kind)
    shape = None
    for index, value in enumerate(values):
        try:
            array = np.array(value)
        except ValueError:
            raise BadRequest(f"instance {index}: '{name}' has rows of unequal length") from None
        fits = array.dtype.kind in "iuf" and spec.shape[1:].is_compatible_with(array.shape)
        if not fits or 0 in array.shape:
            raise BadRequest(
                f"instance {index}: '{name}' is {array.dtype} {array.shape}; it must be numbers"
                f" of shape {tuple(spec.shape[1:])}"
            )
        if np.issubdtype(kind, np.integer):
            limits = np.iinfo(kind)
            inside = (array >= limits.min) & (array <= limits.max) & (array == np.floor(array))
            if not inside.all():
                raise BadRequest(
                    f"instance {index}: '{name}' must be whole numbers from {limits.min} to"
                    f" {limits.max}"
                )
        if array.shape != (shape or array.shape):
            raise BadRequest(
                f"instance {index}: '{name}' is {array.shape} and the first {shape}; images of"
                f" one request have one size here ('{module.DEFAULT}' takes any)"
            )
        shape = array.shape
    return np.array(values).astype(kind)


def _strings(values: Sequence[bytes]) -> np.ndarray:
    """bytes [B], the empty one too, as TensorFlow takes them for strings."""
    return np.array(values, object) if values else np.zeros([0], "S1")


def _json(name: str, values: np.ndarray) -> list:
    """An output [B, ...] as nested lists; strings as text, of a *_bytes output as b64."""
    if values.dtype == object:
        return _texts(values.tolist(), name.endswith("_bytes"))
    if values.dtype.kind != "f":
        return values.tolist()
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        raise BadRequest(
            f"output '{name}' of instance {wrong[0][0]} is NaN or infinite, which JSON cannot hold"
        )
    # The shortest decimals that give the same float32, not the 17 digits of its float64.
    return _shortest(values)


def _shortest(values: np.ndarray) -> list:
    flat = np.array([float(str(value)) for value in values.ravel()], np.float64)
    return flat.reshape(values.shape).tolist()


def _texts(values: Any, binary: bool) -> Any:
    if isinstance(values, list):
        return [_texts(value, binary) for value in values]
    if binary:
        return {"b64": base64.b64encode(values).decode()}
    return values.decode("utf-8", "replace")


def _kind(value: Any) -> str:
    kinds = {list: "list", str: "string", bool: "boolean", dict: "object", type(None): "null"}
    return kinds.get(type(value), "number")
