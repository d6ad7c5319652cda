"""Keras's callbacks in the Trainer's loop: the model, logs and learning rate that they read.

A callback may set `model.optimizer.learning_rate` and `model.stop_training`. One that is called
for batches is called once for each call of the training step (`config.train.steps_per_call`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvision import errors
from tfvision.training.step import GRADIENT


class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """The schedule's rate, until a callback sets another, which then holds until it is set again.

    iterations: the variable that counts the steps."""

    def __init__(self, schedule, iterations: tf.Variable):
        self.schedule, self.iterations = schedule, iterations
        self._fixed = tf.Variable(-1.0, trainable=False, name="fixed")  # < 0: the schedule's

    def __call__(self, step):
        """step: integer scalar. Returns the learning rate, float32."""
        return tf.where(self._fixed >= 0.0, self._fixed, self.schedule(step))

    @property
    def fixed(self) -> float | None:
        """What a callback set; None where none did. A checkpoint keeps it."""
        value = float(self._fixed.numpy())
        return None if value < 0 else value

    @fixed.setter
    def fixed(self, value: float | None) -> None:
        self._fixed.assign(-1.0 if value is None else value)

    def set(self, value) -> None:
        """Sets the rate from now on. Raises UsageError for what is not a rate."""
        if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
            raise errors.UsageError(
                "a callback set the learning rate to a schedule; schedules are chosen by"
                " config.schedule.name, callbacks set numbers"
            )
        number = float(value)
        if not (math.isfinite(number) and number >= 0):
            raise errors.UsageError(
                f"a callback set the learning rate to {number}; it must be a number >= 0"
            )
        self.fixed = number

    def variable(self) -> tf.Variable:
        """The rate of the current step; to assign to it is to `set` the rate."""
        shown = tf.Variable(self(self.iterations), trainable=False, name="learning_rate")
        shown.assign = functools.partial(self._assign, shown.assign)  # Keras 2.15 sets it so
        return shown

    def _assign(self, assign, value, **options):
        self.set(value)
        return assign(value, **options)

    def get_config(self) -> dict[str, Any]:
        """The schedule's."""
        return self.schedule.get_config()


class _Optimizer:
    """The optimizer as callbacks see it: `learning_rate` (also `lr`) can be read and set."""

    def __init__(self, optimizer, rate: Rate):
        self.__dict__.update(_optimizer=optimizer, _rate=rate)

    def __getattr__(self, name: str):
        if name in ("learning_rate", "lr"):
            return self._rate.variable()
        return getattr(self._optimizer, name)

    def __setattr__(self, name: str, value) -> None:
        if name in ("learning_rate", "lr"):
            self._rate.set(value)
        else:
            setattr(self._optimizer, name, value)


class Callbacks:
    """Calls Keras's callbacks with what `keras.Model.fit` gives them.

    Batches are numbered within their epoch. Logs of a batch are `loss` (the sum of the terms), the
    terms and `gradient_norm`; those of an epoch are their means, `learning_rate`, and, where it
    was evaluated in this epoch, each result as `val_NAME`. After a resume the means are of the
    rest of the epoch, and what a callback counts itself, such as patience, begins anew."""

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        model: keras.Model,
        optimizer,
        rate: Rate,
        *,
        epochs: int,
        epoch_steps: int,
    ):
        _check(callbacks)
        self.given = bool(callbacks)
        self._model, self._rate, self._steps = model, rate, epoch_steps
        self._view = _Optimizer(optimizer, rate)
        self._calls = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=False,
            add_progbar=False,
            model=model,
            verbose=1,
            epochs=epochs,
            steps=epoch_steps,
        )
        self._rows: list[dict[str, float]] = []
        self._counts: list[int] = []

    @property
    def stopped(self) -> bool:
        """Has a callback set `model.stop_training`?"""
        return bool(self._model.stop_training)

    def train_begin(self) -> None:
        """The run starts or goes on."""
        self._model.optimizer, self._model.stop_training = self._view, False
        self._calls.on_train_begin()

    def train_end(self, results: Mapping[str, float]) -> None:
        """The run has ended."""
        self._calls.on_train_end(_validation(results))

    def batch_begin(self, step: int) -> None:
        """Before a call that begins at `step`, counted from 0."""
        if step % self._steps == 0:
            self._calls.on_epoch_begin(step // self._steps)
        self._calls.on_train_batch_begin(step % self._steps)

    def batch_end(self, step: int, values: Mapping[str, float], count: int) -> None:
        """After a call of `count` steps to `step`; values: the means of the loss terms."""
        terms = {name: float(value) for name, value in values.items()}
        loss = sum(value for name, value in terms.items() if name != GRADIENT)
        self._rows.append({"loss": loss, **terms})
        self._counts.append(count)
        self._calls.on_train_batch_end((step - 1) % self._steps, dict(self._rows[-1]))

    def epoch_end(self, step: int, results: Mapping[str, float]) -> None:
        """At the last step of an epoch or of the run; results: {} without an evaluation."""
        names = self._rows[0] if self._rows else ()  # none where a run goes on at its end
        logs = {
            name: float(np.average([row[name] for row in self._rows], weights=self._counts))
            for name in names
        }
        self._rows, self._counts = [], []
        logs |= {"learning_rate": float(self._rate(step - 1)), **_validation(results)}
        self._calls.on_epoch_end((step - 1) // self._steps, logs)


def _validation(results: Mapping[str, float]) -> dict[str, float]:
    return {f"val_{name}": value for name, value in results.items()}


def _check(callbacks: Sequence) -> None:
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise errors.UsageError(
                "BackupAndRestore is not needed here: the run folder contains the checkpoints, and"
                " the same command goes on from the last one; leave the callback out"
            )
