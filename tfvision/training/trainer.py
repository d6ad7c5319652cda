"""The Trainer: fit, evaluate, restore. One explicit loop, for every task."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, optimizers, stack, weights
from tfvision.inputs import pipeline
from tfvision.records import damage, dataset
from tfvision.task import Task
from tfvision.training import (
    precision,
    process,
    resuming,
    speed,
    start_checks,
    tuning,
    workdirs,
)
from tfvision.training.averages import Averages
from tfvision.training.callbacks import Callbacks, Rate
from tfvision.training.checkpoints import Checkpoints
from tfvision.training.distributed import Workers
from tfvision.training.evaluation import Evaluator
from tfvision.training.logs import Logs, Silent
from tfvision.training.loop import Loop
from tfvision.training.loss_scale import LossScale
from tfvision.training.step import StepFunction
from tfvision.training.stopping import Stop
from tfvision.training.training_batches import TrainingBatches

# Powers of the batch: linear of Goyal et al. 2017 (arXiv:1706.02677, section 2.1), the root of
# LAMB's authors (You et al. 2019, arXiv:1904.00962, section 4.3) and Krizhevsky 2014.
_SCALE_RULES = {"linear": 1.0, "sqrt": 0.5}


class Trainer:
    """Trains a task in a run folder, and takes up where a killed run was.

    strategy: of tf.distribute, see `strategies.make`; the default is one device. Under
    MultiWorkerMirroredStrategy every worker makes a Trainer and calls the same methods. callbacks:
    Keras's, on every worker; see `callbacks.Callbacks` for what they are called with. Everything is
    a function of the config: the same command after a kill ends with the same weights, bit for bit.
    Making one builds its net and changes nothing else in the process (see `process`)."""

    def __init__(
        self,
        task: Task,
        config,
        workdir: str,
        *,
        strategy: tf.distribute.Strategy | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ):
        self.task, self.config, self.workdir = task, config, os.fspath(workdir)
        self.strategy = strategy or tf.distribute.get_strategy()
        self.workers = Workers(self.strategy)
        self.data = dataset.read(config.data.path)
        self.records = self._count_records()
        self._check_batch()
        replicas = self.strategy.num_replicas_in_sync
        self.batches = TrainingBatches(task, config, self.data, self.workers, replicas)
        self.epoch_steps = max(round(self.records / config.train.batch_size), 1)
        self.total = resuming.total_steps(config, self.records)
        self.precision = precision.resolve(config.train.precision)
        scope, kind = self.strategy.scope(), stack.precision(precision.policy(self.precision))
        with scope, kind, self.workers.lost_told():
            self._build()
        self.callbacks = Callbacks(
            callbacks,
            self.net.train,
            self.optimizer,
            self.rate,
            epochs=-(-self.total // self.epoch_steps),
            epoch_steps=self.epoch_steps,
        )
        self.evaluator = Evaluator(task, self.net, self.workers)
        self.checkpoints = Checkpoints(
            self.workdir,
            {
                "model": self.net.variables(),
                "optimizer": optimizers.variables(self.optimizer),
                "averages": self._averages.variables,
                "step": [self.step],
                **({"loss_scale": self._scale.variables} if self._scale else {}),
            },
            self.net.variables(),
            writes=self.workers.chief,
        )
        self.best: dict | None = None
        self._stop = Stop()
        self._function: StepFunction | None = None
        self._evaluations: dict[str, tf.data.Dataset] = {}

    def _count_records(self) -> int:
        name = self.config.data.train
        records = self.data.split(name).records
        if not records:
            raise errors.DataError(f"{self.config.data.path}: split '{name}' is empty")
        return records

    def _check_batch(self) -> None:
        batch, settings = self.config.train.batch_size, self.config.train
        parts = self.strategy.num_replicas_in_sync * max(settings.accumulate, 1)
        if batch < 1 or batch % parts:
            raise errors.UsageError(
                f"config.train.batch_size is {batch}; it must be a positive multiple of replicas"
                f" times accumulate, {parts}"
            )

    def _build(self) -> None:
        """Everything that has variables."""
        config = self.config
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        with stack.seeded(config.seed):
            self.optimizer = self._optimizer()
            what = f"config.model: {config.model.name} cannot be built"
            with errors.reported(what), self.workers.lost_told():
                self.net = self.task.build()
        self.trainable = tuning.freeze(self.net, config.weights.freeze)
        self._factors = tuning.factors(self.trainable, config.weights.rates)
        optimizers.create_slots(self.optimizer, self.trainable)
        self._averages = Averages(self.net, config.train.ema)
        self._scale = LossScale() if self.precision == "float16" else None

    @property
    def steps_done(self) -> int:
        """The number of training steps behind the weights."""
        return int(self.step.numpy())

    def schedule_over(self, total: int) -> optimizers.schedules.Schedule:
        """The config's schedule of the learning rate, over so many steps."""
        section, train = self.config.schedule, self.config.train
        rate = section.learning_rate
        power = errors.choose(_SCALE_RULES, section.scale_rule, "config.schedule.scale_rule")
        if section.scale_with_batch:
            rate *= (train.batch_size / section.scale_with_batch) ** power
        kept = ("name", "learning_rate", "warmup_epochs", "scale_with_batch", "scale_rule")
        warmup = round(section.warmup_epochs * self.records / train.batch_size)
        with errors.reported(f"config.schedule: schedule '{section.name}' cannot be built"):
            return optimizers.schedules.Schedule(
                section.name,
                rate,
                total,
                warmup=warmup if total else 0,
                **configs.options(section, *kept),
            )

    def _optimizer(self):
        self.schedule = self.schedule_over(self.total)
        self.rate = Rate(self.schedule, self.step)
        name = self.config.optimizer.name
        with errors.reported(f"config.optimizer: optimizer '{name}' cannot be built"):
            options = configs.options(self.config.optimizer, "name")
            return optimizers.build(name, self.rate, **options)

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Inside, the net holds the averaged weights, where the run keeps an average."""
        return self._averages.inside()

    def restore(self, which: str = "latest") -> bool:
        """Loads the "latest" or the "best" checkpoint; False where there is none yet."""
        kinds = {"latest": "step", "best": "best"}
        path = self.checkpoints.find(errors.choose(kinds, which, "checkpoint"))
        if path is not None:
            self.take(self.checkpoints.restore(path))
        return path is not None

    def take(self, state: Mapping[str, Any]) -> None:
        """Takes what a checkpoint's state contains beside the variables."""
        self.best = state.get("best")
        self.rate.fixed = state.get("learning_rate")

    def evaluate(self, split: str | None = None) -> dict[str, float]:
        """Metrics and losses on a split (default: the validation split), as numbers by name."""
        split = split or self.config.data.val
        what = f"split '{split}' cannot be evaluated"
        with self.averaged(), errors.reported(what), damage.reported(self.data, split, what):
            return self.evaluator.run(self._evaluation(split))

    def _evaluation(self, split: str) -> tf.data.Dataset:
        """The batches of a split; traced once, gone through at every evaluation."""
        if split not in self._evaluations:
            if not self.data.split(split).records:
                raise errors.DataError(f"{self.config.data.path}: split '{split}' is empty")
            self._evaluations[split] = pipeline.evaluation(
                self.data.files(split),
                self.task.fields,
                self.task.prepare_eval,
                batch_size=self.config.eval.batch_size or self.config.train.batch_size,
                worker=self.workers.number,
                workers=self.workers.count,
            )
        return self._evaluations[split]

    def fit(self, *, strict_resume: bool = False) -> dict[str, float]:
        """Trains to the last step; returns the metrics of the last evaluation.

        The run folder is made when the first step is done; a run that is there goes on from its
        newest intact checkpoint, or with `strict_resume` from its newest. Raises NonFiniteError for
        a loss that is not finite, Interrupted after SIGTERM, and before anything is written
        UsageError and DataError for a config that cannot train."""
        process.prepare(self.config)
        with self.workers.together():
            return self._fit(strict_resume)

    def _fit(self, strict_resume: bool) -> dict[str, float]:
        start_checks.splits(self)
        with workdirs.Folder(self.workdir, writes=self.workers.chief) as folder:
            before = workdirs.check(self.workdir, self.config)
            notes = resuming.new_end(self, before) if before else []
            state = resuming.restore(self, notes, strict=strict_resume)
            if state is None:
                self.start_weights()
                start_checks.first_batch(self)
            step, pending = self.steps_done, bool(state and state.get("pending"))
            function, batches = self.traced(step)
            resuming.check_workers(self, step, pending)
            logs = self._logs(step, again=pending or step >= self.total)
            try:
                self._say(logs, step, notes)
                loop = Loop(self, function, batches, logs=logs, stop=self._stop, folder=folder)
                self.callbacks.train_begin()
                with self._stop.listening():
                    results = loop.run(pending=pending)
            finally:
                logs.close()
                self.batches.service.close()
            self.callbacks.train_end(results)
        return results

    def _logs(self, step: int, *, again: bool) -> Logs:
        if not self.workers.chief:
            return Silent()
        return Logs(self.workdir, step=step, total=self.total, evaluates=again)

    def _say(self, logs: Logs, step: int, notes: Sequence[str]) -> None:
        logs.say(self._headline(step))
        for note in notes:
            logs.say(note)
        for split in dict.fromkeys((self.config.data.train, self.config.data.val)):
            for note in self.data.split(split).notes:
                logs.say(f"note: split '{split}': {note}")

    def _headline(self, start: int) -> str:
        count = sum(int(np.prod(v.shape)) for v in self.trainable)
        begun = f"resuming from step {start}" if start else "starting"
        rate = self.schedule.learning_rate
        warm = f" after {self.schedule.warmup} steps of warm-up" if self.schedule.warmup else ""
        epochs = self.total * self.config.train.batch_size / self.records
        replicas, workers = self.strategy.num_replicas_in_sync, self.workers.count
        shared = f" on {replicas} replicas, workers: {workers}" if replicas > 1 else ""
        return (
            f"{begun}: {self.total} steps of {self.config.train.batch_size} images{shared}"
            f" ({epochs:.3g} epochs of {self.records:,}),"
            f" {count:,} weights, {self.precision}, {self.config.optimizer.name} at learning rate"
            f" {rate:g}{warm} ({self.schedule.name})"
        )

    def start_weights(self) -> None:
        """Loads what config.weights names. Raises DataError for a file that is not there, is
        broken or does not fit, and for a run of other classes."""
        section = self.config.weights
        if section.path:
            start_checks.same_classes(self.net, self.config)
            chosen = {"source": section.source, "skip": tuple(section.skip), "which": section.which}
            weights.load(self.net, section.path, **chosen, say=print)
            self._averages.restart()

    def _batches(self, step: int) -> Iterator:
        data = self.strategy.distribute_datasets_from_function(lambda _: self.batches.dataset(step))
        return iter(data)

    def traced(self, step: int) -> tuple[StepFunction, Iterator | None]:
        """The function of the training steps and the batches from `step` on, None at the end.

        The graph is traced here and not by the first call, so that what cannot be traced is told
        before the run folder is made."""
        function = self._step_function()
        if step >= self.total:
            return function, None
        with errors.reported("the training step cannot be built"):
            batches = self._batches(step)
            function.run.get_concrete_function(batches, tf.constant(1))
        return function, batches

    def _step_function(self) -> StepFunction:
        if self._function is None:
            self._function = StepFunction(
                self.task,
                self.net,
                self.optimizer,
                self.step,
                self.strategy,
                self.config,
                self._averages,
                trainable=self.trainable,
                factors=self._factors,
                scale=self._scale,
            )
        return self._function

    def limit(self, rate: float) -> str:
        """One line on what the speed of a run, `rate` images a second, is due to; takes some
        seconds, and all workers take them together."""
        batch = self.config.train.batch_size
        with self.workers.lost_told():
            adding = speed.adding_seconds(self._step_function())
        return speed.limit(rate, self.batches.rate(), adding * rate / batch)

    def step_rate(self) -> float:
        """Images a second of the training step by itself; takes some seconds, moves the weights."""
        batches = iter(self.batches.dataset(0).take(1).cache().repeat())
        return speed.step_rate(self._step_function(), batches) * self.config.train.batch_size
