"""A network and its task as one Keras model.

Axis letters: B batch, H, W of the canvas, K classes, M places for boxes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, kinds, schema, stack, tasks, weights
from tfvision.inputs import pipeline
from tfvision.layers import context
from tfvision.models.terms import Terms
from tfvision.net import Net
from tfvision.ops import class_ids, images
from tfvision.records import dataset
from tfvision.serving import client, module
from tfvision.task import Task
from tfvision.training.distributed import Workers
from tfvision.training.evaluation import Evaluator
from tfvision.training.step import regularization

# What a single tensor of targets is, by task.
_TARGETS = {"classification": "labels", "segmentation": "label_map"}


@keras.saving.register_keras_serializable("tfvision")
class Model(keras.Model):
    """A network of tfvision with its task, as `build` makes it.

    Called with images float32 or uint8 [B, H, W, 3], RGB 0..255: class_logits float32 [B, K] of
    classifiers, [B, H, W, K] of segmenters; a dict of the raw outputs of detectors. `fit` without
    compile(loss=...) trains with the task's own losses and takes what `datasets.load` gives. A
    file that `save` wrote is loaded by `keras.models.load_model` after `import tfvision.models`.

    settings: changes to the defaults of a config, as plain dicts. precision: a Keras policy; by
    default the one that Keras has now. task: the Task. net: its two functional models."""

    def __init__(self, settings: Mapping[str, Any], precision: str | None = None, **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)  # the layers inside have policies of their own
        config = configs.config(**settings)
        configs.checked(config)  # makes squares of single sides
        self.precision = precision or stack.current_precision()
        self.task: Task = tasks.build(config)
        with stack.precision(self.precision):
            self.net: Net = self.task.build()
        self._train_graph, self._serve_graph = self.net.train, self.net.serve  # what Keras saves
        self._terms = Terms(name="terms")
        self._own_losses = False
        self.built = True

    @property
    def config(self):
        """The whole config."""
        return self.task.config

    @property
    def class_names(self) -> tuple[str, ...]:
        """In id order."""
        return tuple(self.task.class_names)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` builds the same network from, with fresh weights."""
        settings = json.loads(configs.to_json(self.config))
        return {"settings": settings, "precision": self.precision, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Model:
        """The inverse of `get_config`."""
        del custom_objects
        return cls(**config)

    def take_weights(self, path: Any, source: str = "") -> None:
        """Loads a weight file, a run folder or arrays by name; see `weights.load` and `build`."""
        weights.load(self.net, path, source=source or _source(path))

    def call(self, inputs, training=False):
        batch = self._inputs(inputs)
        if training:
            missing = [name for name in self.net.train.input if name not in batch]
            if missing:
                raise errors.UsageError(
                    f"{self.config.model.name} trains with {', '.join(missing)} beside the image;"
                    " give them in a dict, or compile without a loss and fit (images, targets)"
                )
            outputs = self.net.train(Net.pick(self.net.train, batch), training=True)
        else:
            outputs = self.net.serve(Net.pick(self.net.serve, batch), training=False)
        return outputs["class_logits"] if self.task.name in _TARGETS else outputs

    def compile(self, optimizer="rmsprop", loss=None, metrics=None, **kwargs):
        """Keras's compile. loss: None for the task's own losses, chosen by the settings.

        Otherwise Keras's way: loss(targets, class_logits), of classifiers and segmenters."""
        if loss is not None and self.task.name not in _TARGETS:
            raise errors.UsageError(
                f"{self.config.model.name} trains with the losses of task '{self.task.name}';"
                " compile it without a loss"
            )
        if metrics and self.task.name not in _TARGETS:
            raise errors.UsageError(
                f"metrics are for classifiers and segmenters; `measure` gives those of task"
                f" '{self.task.name}' on a data set"
            )
        self._own_losses = loss is None
        self._terms.names = []
        kwargs.setdefault("jit_compile", False)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles as the saved model was, so that `fit` goes on."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def train_step(self, data):
        if not self._own_losses:
            return super().train_step(data)
        batch, targets = self._batch(data)
        replicas = tf.distribute.get_replica_context()
        step = tf.cast(stack.raw(self.optimizer.iterations), tf.int64)
        place = replicas.replica_id_in_sync_group
        with (
            context.randomness(self.config.seed, step, place),
            tf.GradientTape() as tape,
        ):
            outputs = self.net.train(Net.pick(self.net.train, batch), training=True)
            terms = self.task.losses(batch, outputs, step) | self._penalties(replicas)
            loss = tf.add_n([tf.cast(value, tf.float32) for value in terms.values()])
        learned = self.trainable_variables
        values = [stack.raw(variable) for variable in learned]
        gradients = tape.gradient(loss, values, unconnected_gradients="zero")
        self.optimizer.apply_gradients(zip(gradients, learned, strict=True))
        return self._measured(terms, targets, outputs)

    def _penalties(self, replicas) -> dict[str, tf.Tensor]:
        """A replica's part of the settings' l1 and l2."""
        section = self.config.regularization
        terms = regularization(
            self.trainable_variables, l1=section.l1, l2=section.l2, exclude=section.exclude
        )
        return {name: value / replicas.num_replicas_in_sync for name, value in terms.items()}

    def test_step(self, data):
        if not self._own_losses:
            return super().test_step(data)
        if not self.task.serve_losses:
            raise errors.UsageError(
                f"{self.config.model.name} has no losses outside training; `measure` gives the"
                " task's metrics on a data set"
            )
        batch, targets = self._batch(data)
        outputs = self.net.serve(Net.pick(self.net.serve, batch), training=False)
        return self._measured(self.task.losses(batch, outputs), targets, outputs)

    def _measured(self, terms, targets, outputs):
        """The running means of the loss's terms, and compile's metrics."""
        replicas = tf.distribute.get_replica_context()
        if replicas.num_replicas_in_sync > 1:
            values = replicas.all_reduce(tf.distribute.ReduceOp.SUM, list(terms.values()))
            terms = dict(zip(terms, values, strict=True))
        self._terms.update_state(terms)
        if self.task.name in _TARGETS:
            return self.compute_metrics(None, targets, outputs["class_logits"], None)
        return self.get_metrics_result()

    def _inputs(self, inputs) -> dict[str, tf.Tensor]:
        """Everything that a graph may take: the image as float32, and a frame of its own."""
        batch = dict(inputs) if isinstance(inputs, Mapping) else {"image": inputs}
        image = batch["image"] = tf.cast(batch["image"], tf.float32)
        if "frame" not in batch:
            size = tf.cast(tf.shape(image)[1:3], tf.float32)
            whole = images.make_frame(size, size, tf.zeros(2))
            batch["frame"] = tf.tile(whole[tf.newaxis], [tf.shape(image)[0], 1])
        return batch

    def _batch(self, data) -> tuple[dict[str, tf.Tensor], Any]:
        """(a batch as the task takes it, the targets as they came)."""
        inputs, targets, counts = keras.utils.unpack_x_y_sample_weight(data)
        if counts is not None:
            raise errors.UsageError("sample_weight is not for the task's own losses")
        batch = self._inputs(inputs)
        if isinstance(targets, Mapping):
            batch |= targets
        elif targets is not None and self.task.name in _TARGETS:
            batch[_TARGETS[self.task.name]] = targets = self._targets(targets, batch["image"])
        elif targets is not None:
            raise errors.UsageError(
                f"the targets of task '{self.task.name}' are a dict (`datasets.load`)"
            )
        batch.setdefault("valid", tf.ones([tf.shape(batch["image"])[0]], tf.bool))
        return batch, targets

    def _targets(self, targets, image) -> tf.Tensor:
        """Class ids int32, of images or of pixels; shares of an image's classes stay."""
        targets, kind = tf.convert_to_tensor(targets), self.task.name
        pixels = image.shape[:3] if kind == "segmentation" else image.shape[:1]
        shape = tf.TensorShape([*pixels, len(self.class_names)])
        ids = class_ids.of_targets(targets, shape, f"the targets of task '{kind}'")
        if ids is not None:
            return ids
        of_maps = kind == "segmentation"
        return class_ids.best(targets, schema.VOID) if of_maps else tf.cast(targets, tf.float32)

    def predict_images(
        self, items: Iterable[client.Image], *, threshold: float = 0.0
    ) -> list[dict[str, Any]]:
        """Predictions for images of any size, in their own pixels.

        Args:
            items: Paths, encoded bytes or uint8 RGB arrays [h, w, 3], mixed as you like.
            threshold: The least score of a detection.

        Returns:
            A dict an image: of a classifier class_names, class_ids, top_scores and scores; of a
            segmenter class_map uint8 [h, w]; of a detector boxes float32 [N, 4] (y1 x1 y2 x2),
            scores, class_ids and class_names [N], and with instances masks uint8 [N, h, w], 0 or 1.

        Raises:
            DataError: that names the path, or the index, of what is not an image.
        """
        if not hasattr(self, "_signatures"):
            made = module.build(self.task, self.net, self.class_names, frozen=False)
            self._signatures = made[1]
        return [
            _detections(answer, threshold) if kinds.BOXES in self.task.kinds else answer
            for answer in client.answers(self._run, items)
        ]

    def _run(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = self._signatures[signature](*(tf.constant(v) for v in inputs.values()))
        return {name: value.numpy() for name, value in outputs.items()}

    def measure(
        self, path: str | os.PathLike[str], *, split: str = "val", batch_size: int = 32
    ) -> dict[str, float]:
        """The task's metrics (mAP, mIoU, top-1 ...) on a split of a converted data set, as
        `tfvision evaluate` counts them."""
        data = dataset.read(path)
        if tuple(data.class_names) != self.class_names:
            told = errors.difference(data.class_names, self.class_names)
            raise errors.DataError(f"the classes of {data.path} are not the model's: {told}")
        batches = pipeline.evaluation(
            data.files(split), self.task.fields, self.task.prepare_eval, batch_size=batch_size
        )
        return Evaluator(self.task, self.net, Workers(tf.distribute.get_strategy())).run(batches)


def _source(path: Any) -> str:
    """The convention of a file's names, by its name's end."""
    end = os.path.splitext(os.fspath(path))[1] if isinstance(path, (str, os.PathLike)) else ""
    return {".weights": "darknet", ".pth": "torchvision", ".pt": "torchvision"}.get(end, "tfvision")


def _detections(answer: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    """Those that there are, with masks on the image."""
    count = int(answer["num_detections"])
    keep = answer["scores"][:count] >= threshold
    found = {name: answer[name][:count][keep]
             for name in ("boxes", "scores", "class_ids", "class_names")}  # fmt: skip
    if kinds.MASKS in kinds.of(answer):
        found["masks"] = client.full_masks(answer)[keep]
    return found
