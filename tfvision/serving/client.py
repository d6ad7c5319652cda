"""An exported model in this process: image files, bytes or arrays in, NumPy out.

Axis letters: B batch, H, W, K classes, D detections at most, N found, m cells of a box's frame.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfvision import errors, json_files, kinds, paths, stack
from tfvision.json_files import Maybe
from tfvision.ops import masks
from tfvision.records import image_files
from tfvision.serving import check, module, versions

Image = bytes | np.ndarray | str | os.PathLike
BATCH = 16
# Lists of a detector, padded behind the detections there are.
_DETECTIONS = ("boxes", "scores", "class_ids", "class_names", "masks")


def load(path: str) -> Model:
    """BASE -> its highest version; BASE/N -> that one. Raises DataError where there is none."""
    return Model(versions.find(os.fspath(path)))


class Model:
    """An exported model.

    folder: BASE/N. name: BASE's own name. version: N, 0 for a folder without a number.
    class_names: in id order. card: model_card.json, {} if it has none."""

    def __init__(self, folder: str):
        self.folder = folder
        base, leaf = os.path.split(os.path.abspath(folder))
        numbered = leaf.isascii() and leaf.isdigit()
        self.version = int(leaf) if numbered else 0
        self.name = os.path.basename(base) if numbered else leaf
        self.class_names = _labels(folder)
        self.card = _card(folder)
        try:
            # Nobody trains what is served, so no gradient of it is missed.
            with paths.plain(folder) as place, stack.without_lines("unsaved custom gradients"):
                self._model = tf.saved_model.load(place)
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = str(error).split("\n")[0]
            raise errors.DataError(f"{folder} cannot be loaded: {reason}") from error
        self.signatures: Mapping[str, Any] = self._model.signatures
        if module.DEFAULT not in self.signatures:
            raise errors.DataError(f"{folder} has no signature '{module.DEFAULT}'")

    @property
    def outputs(self) -> tuple[str, ...]:
        """What an answer holds."""
        return tuple(self.signatures[module.DEFAULT].structured_outputs)

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Calls one signature with arrays; strings come and go as bytes."""
        outputs = self.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    def predict(self, items: Iterable[Image]) -> list[dict[str, np.ndarray]]:
        """Predictions for each image, in order, in batches of at most BATCH.

        items: encoded bytes, paths, or uint8 RGB arrays [H, W, 3], mixed as you like. An
        answer contains the task's predictions without the batch dimension, and strings as str:
        a classifier's are class_names, class_ids and top_scores [min(5, K)], side by side by
        falling score, and scores [K] of all classes in id order; a
        segmenter's class_map uint8 [H, W] of the image; a detector's boxes float32 [D, 4]
        (y x y x in the image's pixels), scores, class_ids and class_names [D] by falling score,
        of which the first num_detections count; with instances also masks float32 [D, m, m],
        probabilities in the frame of each box (`full_masks` puts them onto the image).

        Raises DataError that names the path or the index of what is not an image."""
        return answers(self.run, items)


def answers(
    run: Callable[[str, dict[str, np.ndarray]], Mapping[str, np.ndarray]], items: Iterable[Image]
) -> list[dict[str, np.ndarray]]:
    """What `Model.predict` answers, by the signatures that `run` calls with arrays."""
    if isinstance(items, (bytes, str, os.PathLike, np.ndarray)):
        raise errors.UsageError("predict takes a list of images; put this one in a list")
    groups: dict[tuple, list] = {}
    for index, item in enumerate(items):
        value = ready(item, index)
        key = ("bytes",) if isinstance(value, bytes) else value.shape
        groups.setdefault(key, []).append((index, value))
    found = {}
    for key, group in groups.items():
        for start in range(0, len(group), BATCH):
            indices, values = zip(*group[start : start + BATCH], strict=True)
            if key == ("bytes",):
                outputs = run(module.DEFAULT, {"image_bytes": np.array(values, object)})
            else:
                outputs = run(module.IMAGE, {"image": np.stack(values)})
            found |= zip(indices, _split(outputs, len(values)), strict=True)
    return [found[index] for index in sorted(found)]


def full_masks(answer: Mapping[str, np.ndarray]) -> np.ndarray:
    """The masks of an answer on its image: uint8 [N, H, W] of 0 and 1, N = num_detections.

    The pixels whose probability is above a half, by `ops.masks.from_box_frame`. Raises UsageError
    for an answer without masks."""
    if kinds.MASKS not in kinds.of(answer):
        raise errors.UsageError(
            f"the answer has no masks (it has: {', '.join(answer)}); models of task 'instance' do"
        )
    size = tuple(int(side) for side in answer["image_size"])
    count = int(answer["num_detections"])
    full = np.zeros((count, *size), np.uint8)
    for i in range(count):
        full[i] = masks.from_box_frame(answer["masks"][i], answer["boxes"][i], size)
    return full


def plain(answer: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """An answer as JSON takes it: of detections those there are, and of their masks COCO's run
    lengths {"size": [H, W], "counts": text} at the image's size."""
    values = dict(answer)
    if kinds.MASKS in kinds.of(values):
        size = tuple(int(side) for side in values["image_size"])
        pairs = zip(values.pop("masks"), values["boxes"], strict=True)
        values["masks"] = np.array([masks.rle_from_box_frame(m, box, size) for m, box in pairs])
    count = int(values.get("num_detections", 0))
    cut = {k: values[k][:count] for k in _DETECTIONS if k in values and "num_detections" in values}
    return {name: value.tolist() for name, value in {**values, **cut}.items()}


def ready(item: Image, index: int = 0) -> bytes | np.ndarray:
    """One image as the graph takes it: bytes that TensorFlow decodes, or uint8 [H, W, 3].

    Raises DataError that names the path, or "image <index>"."""
    name = f"image {index}"
    if isinstance(item, (str, os.PathLike)):
        name = os.fspath(item)
        try:
            with open(item, "rb") as file:
                item = file.read()
        except OSError as error:
            raise errors.DataError(f"{name}: {error.strerror or error}") from error
    if isinstance(item, (bytes, bytearray, memoryview)):
        return image_files.normalise(bytes(item), name).data
    array = np.asarray(item)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise errors.DataError(
            f"{name} is {array.dtype} {array.shape}; an array is uint8 [height, width, 3], RGB"
        )
    return array


def _split(outputs: Mapping[str, np.ndarray], count: int) -> list[dict[str, np.ndarray]]:
    texts = {k: _text(v) if v.dtype == object else v for k, v in outputs.items()}
    return [_own({name: value[i] for name, value in texts.items()}) for i in range(count)]


def _own(answer: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Maps without what pads them to the largest of the batch."""
    if "image_size" not in answer:
        return answer
    height, width = answer["image_size"]
    cut = {k: answer[k][:height, :width] for k in check.MAPS if k in answer}
    return {**answer, **cut}


def _text(values: np.ndarray) -> np.ndarray:
    flat = [value.decode("utf-8", "replace") for value in values.ravel()]
    return np.array(flat, np.str_).reshape(values.shape)


def _labels(folder: str) -> tuple[str, ...]:
    path = os.path.join(folder, versions.LABELS)
    if not os.path.isfile(path):
        return ()
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            return tuple(file.read().removesuffix("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.DataError(
            f"{path} cannot be read: {errors.one_line(error)}; export the run again"
        ) from error


_CARD = {
    "task": str,
    "classes": [str],
    "precision?": str,
    "input_size?": [int],
    "preprocessing?": {},
    "metrics?": {},
    "config?": {},
    "category_ids?": Maybe([int]),
}


def _card(folder: str) -> dict:
    path = os.path.join(folder, "model_card.json")
    if not os.path.isfile(path):
        return {}
    return json_files.read(path, _CARD, "export the run again")
