"""The training step as one graph: several steps a call, under any strategy.

Axis letters: T loss terms, S steps of a call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfvision import stack
from tfvision.layers import BatchNormalization, context
from tfvision.net import Net
from tfvision.task import Task
from tfvision.training.averages import Averages
from tfvision.training.loss_scale import LOWEST, LossScale

GRADIENT = "gradient_norm"


def regularization(variables: Sequence, *, l1: float, l2: float, exclude: Sequence[str]) -> dict:
    """{"l1": l1 * sum |w|, "l2": l2 / 2 * sum w^2} of the variables whose path `exclude`s none.

    The half makes l2 what torch calls weight_decay: its gradient is l2 * w."""
    kept = [
        tf.cast(stack.raw(v), tf.float32)
        for v in variables
        if not any(re.search(pattern, stack.variable_path(v)) for pattern in exclude)
    ]
    terms = {}
    if l1:
        terms["l1"] = l1 * tf.add_n([tf.reduce_sum(tf.abs(v)) for v in kept])
    if l2:
        terms["l2"] = l2 * tf.add_n([tf.nn.l2_loss(v) for v in kept])
    return terms


class StepFunction:
    """`run(iterator, count)` takes `count` training steps and returns float32 [S, T + 1].

    trainable: the variables to train, all by default; factors: on each one's learning rate.
    Columns are `names`: the loss terms in the task's order, the penalties, and the norm of the
    gradient before clipping. Everything random is a function of (seed, step, replica). scale: of
    the loss in float16; a step that it leaves out has a gradient of norm 0."""

    def __init__(
        self,
        task: Task,
        net: Net,
        optimizer,
        step: tf.Variable,
        strategy: tf.distribute.Strategy,
        config,
        averages: Averages | None = None,
        *,
        trainable: Sequence | None = None,
        factors: Sequence[float] = (),
        scale: LossScale | None = None,
    ):
        self.scale = scale
        self.task, self.net, self.optimizer = task, net, optimizer
        self.step, self.strategy, self.config = step, strategy, config
        self.averages = averages
        self.trainable = list(net.train.trainable_variables if trainable is None else trainable)
        self.statistics = self._statistics()
        self.slow = [(v, f) for v, f in zip(self.trainable, factors, strict=False) if f != 1.0]
        self.names: list[str] = []
        self.run: Callable = tf.function(self._run, reduce_retracing=True)
        self._differentiate: Callable = self._gradients
        if config.train.xla:
            self._differentiate = tf.function(self._gradients, jit_compile=True, autograph=False)

    def _statistics(self) -> list[tf.Variable]:
        """What a step moves on each replica by itself, and the averages of it."""
        layers = self.net.train._flatten_layers(include_self=False)
        moving = [v for layer in layers if isinstance(layer, BatchNormalization)
                  for v in layer.statistics()]  # fmt: skip
        averages = self.averages.of(moving) if self.averages is not None else []
        return [*moving, *averages]

    def _run(self, iterator, count):
        rows = tf.TensorArray(tf.float32, size=count)
        for index in tf.range(count):
            batch = next(iterator)
            step = self.step.read_value()
            row, gradients = self.strategy.run(self._measured, args=(batch, step))
            # Already summed over the replicas; any one of them tells.
            row = self.strategy.experimental_local_results(row)[0]
            if self.scale is None:
                self.strategy.run(self._applied, args=(gradients, step))
            else:
                row = self._scaled(row, gradients, step)
            rows = rows.write(index, row)
            self.step.assign_add(1)
        if self.strategy.num_replicas_in_sync > 1:
            self.strategy.run(self._settle)
        return rows.stack()

    def adding(self) -> Callable:
        """A function that adds up over the replicas what a step does, and nothing else."""

        def of_replica():
            replicas = tf.distribute.get_replica_context()
            values = [tf.zeros_like(stack.raw(v)) for v in self.trainable]
            return replicas.all_reduce(tf.distribute.ReduceOp.SUM, values)[0]

        return tf.function(lambda: self.strategy.run(of_replica), autograph=False)

    @tf.autograph.experimental.do_not_convert
    def _settle(self):
        """Brings the statistics of normalisation, of each replica's own images until here, to
        their mean: every replica evaluates, saves and goes on with the same."""
        if self.statistics:
            replicas = tf.distribute.get_replica_context()
            values = [variable.read_value() for variable in self.statistics]
            means = replicas.all_reduce(tf.distribute.ReduceOp.MEAN, values)
            for variable, mean in zip(self.statistics, means, strict=True):
                variable.assign(mean)

    def _scaled(self, row, gradients, step):
        """Applies the gradients where they are finite; the row, with a norm of 0 otherwise."""
        finite = tf.math.is_finite(row[-1])
        lowest = self.scale.read() <= LOWEST
        if finite:
            self.strategy.run(self._applied, args=(gradients, step))
        self.scale.update(finite)
        return tf.where(finite | lowest, row, tf.concat([row[:-1], [0.0]], axis=0))

    @tf.autograph.experimental.do_not_convert
    def _measured(self, batch, step):
        """The row of a step, and the gradients of the global batch, clipped."""
        replicas = tf.distribute.get_replica_context()
        count = replicas.num_replicas_in_sync
        settings = self.config.train
        with context.randomness(self.config.seed, step, replicas.replica_id_in_sync_group):
            gradients, terms = self._differentiate(batch, step, count)
        values = list(terms.values())
        if count > 1:
            gradients = replicas.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        if self.scale is not None:
            factor = 1.0 / self.scale.read()
            gradients = [gradient * factor for gradient in gradients]
        if count > 1:
            values = replicas.all_reduce(tf.distribute.ReduceOp.SUM, values)
        norm = tf.linalg.global_norm(gradients)
        if settings.clip_norm:
            # A norm of NaN stays NaN: the Trainer stops on it.
            scale = settings.clip_norm / tf.maximum(norm, settings.clip_norm)
            gradients = [gradient * scale for gradient in gradients]
        self.names = [*terms, GRADIENT]
        return tf.stack([*(tf.cast(v, tf.float32) for v in values), norm]), gradients

    @tf.autograph.experimental.do_not_convert
    def _applied(self, gradients, step):
        """A step of the optimizer, and of the averages."""
        count = tf.distribute.get_replica_context().num_replicas_in_sync
        # Keras adds the replicas' gradients up once more; they are equal by now.
        gradients = [gradient / count for gradient in gradients] if count > 1 else gradients
        before = [tf.identity(stack.raw(variable)) for variable, _ in self.slow]
        self.optimizer.apply_gradients(zip(gradients, self.trainable, strict=True))
        # Whatever the optimizer, its step times the factor is its step at that rate.
        for (variable, factor), old in zip(self.slow, before, strict=True):
            variable.assign(old + factor * (stack.raw(variable).read_value() - old))
        if self.averages is not None:
            self.averages.update(step)

    def _gradients(self, batch, step, replicas):
        """The gradients of the whole local batch, in `accumulate` parts, and the mean terms."""
        parts = max(int(self.config.train.accumulate), 1)
        total, terms = None, {}
        for part in range(parts):
            piece = batch
            if parts > 1:
                piece = {k: tf.split(v, parts)[part] for k, v in batch.items()}
            with tf.GradientTape() as tape:
                outputs = self.net.train(Net.pick(self.net.train, piece), training=True)
                losses = {**self.task.losses(piece, outputs, step), **self._penalties(replicas)}
                loss = tf.add_n([tf.cast(v, tf.float32) for v in losses.values()]) / parts
                if self.scale is not None:
                    loss *= self.scale.read()
            variables = [stack.raw(v) for v in self.trainable]
            new = tape.gradient(loss, variables, unconnected_gradients="zero")
            total = new if total is None else [a + b for a, b in zip(total, new, strict=True)]
            for name, value in losses.items():
                terms[name] = terms.get(name, 0.0) + value / parts
        return total, terms

    def _penalties(self, replicas):
        section = self.config.regularization
        terms = regularization(
            self.trainable, l1=section.l1, l2=section.l2, exclude=section.exclude
        )
        return {name: value / replicas for name, value in terms.items()}
