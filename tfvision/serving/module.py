"""A task and its net -> the signatures of a SavedModel, around one frozen graph.

Axis letters: B batch, H, W, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from tfvision import errors, kinds, stack
from tfvision.ops import images
from tfvision.task import Net, Task

DEFAULT, IMAGE, CLASSIFY = "serving_default", "serving_image", "classify"
# A graph with its constants is one protocol buffer, which ends at 2 GB.
FREEZE_LIMIT = 1_500_000_000  # bytes of weights
ENCODED_KEY = "image/encoded"
INPUTS = ("image", "frame")  # what a served net may take
_TYPES = (tf.float32, tf.int32, tf.int64, tf.string, tf.bool, tf.uint8)


class Serving(tf.Module):
    """What is saved: it contains the variables of a net that was too large to freeze."""

    def __init__(self, variables: Sequence = ()):
        super().__init__(name="serving")
        self.weights = [stack.raw(variable) for variable in variables]


def image_size(net: Net) -> tuple[int, int]:
    """(height, width) that `net.serve` takes."""
    image = next(tensor for tensor in net.serve.inputs if tensor.name == "image")
    _, height, width, _ = image.shape
    return int(height), int(width)


def outputs(net: Net, batch: Mapping) -> dict:
    """What `net.serve` says to the tensors of `batch` ("image", "frame") that it takes."""
    inputs = {tensor.name: batch[tensor.name] for tensor in net.serve.inputs}
    return net.serve(inputs, training=False)


def build(
    task: Task, net: Net, class_names: Sequence[str], *, frozen: bool = True
) -> tuple[Serving, dict]:
    """-> (module, {signature: tf.function}), ready for tf.saved_model.save.

    frozen: the weights become constants, where they fit into a graph; without, the functions follow
    the net's.

    serving_default: image_bytes string [B], any mix of sizes. serving_image: image uint8
    [B, H, W, 3]. Both answer with the predictions of the task and, but for maps,
    with `class_names`, a string for each of `class_ids` ("" for padding). classify
    (scores only): serialized tf.Example [B] with image/encoded -> classes string
    [B, K] in id order and scores float32 [B, K].

    Raises UsageError where a prediction is of a type that JSON has no place for."""
    names = [str(name) for name in class_names]
    weights = sum(tf.size(v).numpy() * v.dtype.size for v in map(stack.raw, net.serve.variables))
    frozen = frozen and weights <= FREEZE_LIMIT
    answer = _frozen(task, net) if frozen else _live(task, net)
    size = image_size(net)

    def predict(examples, key: str) -> dict:
        image, frame = _prepared(task, examples, key, size)
        predictions = _checked(_any_batch(answer, image, frame))
        if kinds.MAPS not in task.kinds:
            predictions["class_names"] = _names_of(predictions["class_ids"], names)
        return predictions

    @_graph(tf.TensorSpec([None], tf.string, "image_bytes"))
    def serving_default(image_bytes):
        return predict(image_bytes, "encoded")

    @_graph(tf.TensorSpec([None, None, None, 3], tf.uint8, "image"))
    def serving_image(image):
        return predict(image, "image")

    @_graph(tf.TensorSpec([None], tf.string, "inputs"))
    def classify(inputs):
        spec = {ENCODED_KEY: tf.io.FixedLenFeature([], tf.string)}
        scores = predict(tf.io.parse_example(inputs, spec)[ENCODED_KEY], "encoded")["scores"]
        classes = tf.tile(tf.constant([names]), [tf.shape(scores)[0], 1])
        return {"classes": classes, "scores": scores}

    signatures = {DEFAULT: serving_default, IMAGE: serving_image}
    if kinds.SCORES in task.kinds:
        signatures[CLASSIFY] = classify
    return Serving(() if frozen else net.serve.variables), signatures


def _graph(*specs: tf.TensorSpec) -> Callable:
    """tf.function of a fixed signature; all that is served is plain ops, so none is converted."""
    return tf.function(input_signature=specs, autograph=False)


def _live(task: Task, net: Net) -> Callable:
    """(image float32 [B, H, W, 3], frame float32 [B, 6]) -> predictions, as a tf.function."""
    specs = [
        tf.TensorSpec([None, *image_size(net), 3], tf.float32, "image"),
        tf.TensorSpec([None, images.FRAME_SIZE], tf.float32, "frame"),
    ]

    @_graph(*specs)
    def answer(image, frame):
        return dict(task.predict(outputs(net, {"image": image, "frame": frame}), frame))

    return answer


def _frozen(task: Task, net: Net) -> Callable:
    """`_live` with the variables as constants.

    Grappler folds normalisation into convolutions and fuses bias and activation only there."""
    live = _live(task, net).get_concrete_function()
    # Loops stay functional: a server runs them as they are.
    frozen = convert_to_constants.convert_variables_to_constants_v2(live, lower_control_flow=False)

    def answer(image, frame):
        flat = tf.nest.flatten(frozen(image=image, frame=frame))
        predictions = tf.nest.pack_sequence_as(live.structured_outputs, flat)
        shapes = tf.nest.map_structure(lambda spec: spec.shape, live.structured_outputs)
        return {name: tf.ensure_shape(predictions[name], shapes[name]) for name in predictions}

    return answer


def _prepared(task: Task, examples: tf.Tensor, key: str, size: tuple[int, int]):
    """[B, ...] examples of one `key` -> image float32 [B, H, W, 3] and frame float32 [B, 6]."""

    def one(example):
        sample = task.prepare_eval({key: example})
        image = tf.ensure_shape(tf.cast(sample["image"], tf.float32), (*size, 3))
        return image, tf.ensure_shape(sample["frame"], (images.FRAME_SIZE,))

    return tf.map_fn(one, examples, fn_output_signature=(tf.float32, tf.float32))


def _any_batch(answer: Callable, image: tf.Tensor, frame: tf.Tensor) -> dict:
    """`answer`, for an empty batch too: fused convolutions refuse one, so they get a black image
    whose predictions are cut off."""
    count = tf.shape(image)[0]
    more = tf.cast(tf.equal(count, 0), tf.int32)
    image = tf.concat([image, tf.zeros([more, *image.shape[1:]])], axis=0)
    frame = tf.concat([frame, tf.ones([more, images.FRAME_SIZE])], axis=0)
    return {name: value[:count] for name, value in answer(image, frame).items()}


def _checked(predictions: dict) -> dict:
    for name, value in predictions.items():
        if value.dtype not in _TYPES or value.shape.rank == 0:
            raise errors.UsageError(
                f"prediction '{name}' is {value.dtype.name} {value.shape}; a signature answers"
                " with float32, integers or strings whose first dimension is the batch"
            )
    return dict(predictions)


def _names_of(class_ids: tf.Tensor, names: Sequence[str]) -> tf.Tensor:
    looked_up = tf.gather(tf.constant(names), tf.maximum(class_ids, 0))
    return tf.where(class_ids >= 0, looked_up, tf.zeros_like(looked_up))
