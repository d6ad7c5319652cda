"""The Trainer: fit, evaluate, restore. One explicit loop, for every task."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, optimizers, stack, weights
from tfvision.inputs import pipeline
from tfvision.records import dataset
from tfvision.task import Task
from tfvision.training import checking, precision, speed, tuning, workdirs
from tfvision.training.averages import Averages
from tfvision.training.callbacks import Callbacks, Rate
from tfvision.training.checkpoints import Checkpoints
from tfvision.training.evaluation import Evaluator
from tfvision.training.logs import Logs
from tfvision.training.step import GRADIENT, StepFunction
from tfvision.training.stopping import Interrupted, Stop


def _first_line(error: tf.errors.OpError) -> str:
    return next((line for line in str(error.message).splitlines() if line.strip()), "")


class Trainer:
    """Trains a task in a run folder, and takes up where a killed run was.

    strategy: any tf.distribute strategy; the default is one device. callbacks: Keras's; see
    `callbacks.Callbacks` for what they are called with. Everything is a function of the config:
    the same command after a kill ends with the same weights, bit for bit."""

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
        self.data = dataset.read(config.data.path)
        split = self.data.split(config.data.train)
        if not split.records:
            raise errors.DataError(f"{config.data.path}: split '{config.data.train}' is empty")
        batch, settings = config.train.batch_size, config.train
        parts = self.strategy.num_replicas_in_sync * max(settings.accumulate, 1)
        if batch < 1 or batch % parts:
            raise errors.UsageError(
                f"config.train.batch_size is {batch}; it must be a positive multiple of replicas"
                f" times accumulate, {parts}"
            )
        self.records = split.records
        self.epoch_steps = max(round(split.records / batch), 1)
        self.total = settings.steps or round(settings.epochs * split.records / batch)
        if settings.epochs and not self.total:
            self.total = 1
        self.precision = precision.resolve(settings.precision)
        self._prepare_machine()
        with self.strategy.scope(), stack.precision(precision.policy(self.precision)):
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
            self.optimizer = self._optimizer()
            with errors.reported(f"config.model: {config.model.name} cannot be built"):
                self.net = task.build()
            self.trainable = tuning.freeze(self.net, config.weights.freeze)
            self._factors = tuning.factors(self.trainable, config.weights.rates)
            optimizers.create_slots(self.optimizer, self.trainable)
            self._averages = Averages(self.net, settings.ema)
        self.callbacks = Callbacks(
            callbacks,
            self.net.train,
            self.optimizer,
            self.rate,
            epochs=-(-self.total // self.epoch_steps),
            epoch_steps=self.epoch_steps,
        )
        self.evaluator = Evaluator(task, self.net)
        self.checkpoints = Checkpoints(
            self.workdir,
            {
                "model": self.net.variables(),
                "optimizer": optimizers.variables(self.optimizer),
                "averages": self._averages.variables,
                "step": [self.step],
            },
            self.net.variables(),
        )
        self.best: dict | None = None
        self._stop = Stop()
        self._saved = -1
        self._asks_for_limit = config.train.report_input

    def _prepare_machine(self) -> None:
        keras.utils.set_random_seed(self.config.seed)
        if self.config.train.deterministic and not tf.config.list_physical_devices("GPU"):
            tf.config.experimental.enable_op_determinism()
        threads = self.config.train.intra_op_threads
        if threads:
            try:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
            except RuntimeError as error:
                raise errors.UsageError(
                    f"config.train.intra_op_threads is {threads}, but this process has used"
                    " TensorFlow with another number already; set it in a new process, before"
                    " the first op runs"
                ) from error

    def _optimizer(self):
        section, train = self.config.schedule, self.config.train
        rate = section.learning_rate
        if section.scale_with_batch:
            rate *= train.batch_size / section.scale_with_batch
        own = ("name", "learning_rate", "warmup_epochs", "scale_with_batch")
        warmup = round(section.warmup_epochs * self.records / train.batch_size)
        with errors.reported(f"config.schedule: schedule '{section.name}' cannot be built"):
            self.schedule = optimizers.schedules.Schedule(
                section.name,
                rate,
                self.total,
                warmup=warmup if self.total else 0,
                **configs.options(section, *own),
            )
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
        if path is None:
            return False
        state = self.checkpoints.restore(path)
        self.best = state.get("best")
        self.rate.fixed = state.get("learning_rate")
        return True

    def evaluate(self, split: str | None = None) -> dict[str, float]:
        """Metrics and losses on a split (default: the validation split), as numbers by name."""
        name = split or self.config.data.val
        if not self.data.split(name).records:
            raise errors.DataError(f"{self.config.data.path}: split '{name}' is empty")
        data = pipeline.evaluation(
            self.data.files(name),
            self.task.fields,
            self.task.prepare,
            batch_size=self.config.eval.batch_size or self.config.train.batch_size,
        )
        with self.averaged():
            return self.evaluator.run(data)

    def _data(self, start: int) -> tf.data.Dataset:
        return pipeline.train(
            self.data.files(self.config.data.train),
            self.records,
            self.task.fields,
            self.task.prepare,
            batch_size=self.config.train.batch_size,
            seed=self.config.seed,
            start_step=start,
            mix=self.task.mix,
            shuffle_buffer=self.config.data.shuffle_buffer,
            turned=self.config.inputs.turned,
        )

    def fit(self) -> dict[str, float]:
        """Trains to the last step; returns the metrics of the last evaluation.

        The run folder is made when the first step is done. Raises NonFiniteError for a loss that is
        not finite, Interrupted after SIGTERM, and before anything is written UsageError and
        DataError for a config that cannot train."""
        self._check_evaluation()
        workdirs.check(self.workdir, self.config)
        if not self.restore("latest"):
            self.start_weights()
            checking.first_batch(self)
        start = int(self.step.numpy())
        function, batches = self._traced(start)
        self.logs = Logs(self.workdir, step=start, total=self.total)
        self.logs.say(self._headline(start))
        for split in dict.fromkeys((self.config.data.train, self.config.data.val)):
            for note in self.data.split(split).notes:
                self.logs.say(f"note: split '{split}': {note}")
        self.callbacks.train_begin()
        try:
            with self._stop.listening():
                results = self._loop(start, self.callbacks, function, batches)
        finally:
            self.logs.close()
        self.callbacks.train_end(results)
        return results

    def _check_evaluation(self) -> None:
        """What would otherwise fail only at the end of the first epoch."""
        if not self.data.split(self.config.data.val).records:
            raise errors.DataError(f"{self.data.path}: split '{self.config.data.val}' is empty")
        split = self.data.split(self.config.data.train)
        if not split.teaches:
            raise errors.DataError(
                f"{self.data.path}: split '{self.config.data.train}': {' '.join(split.notes)};"
                " see the report beside the records, and convert it again"
            )
        known = {name: None for m in self.task.metrics() for name in m.result()}
        known |= {"loss": None} if self.task.serve_losses else {}
        best = self.config.train.best
        if best and best not in known:
            raise errors.UsageError(
                f"config.train.best is '{best}'{errors.suggestion(best, known)}"
                f" (the metrics are: {', '.join(known)})"
            )

    def _headline(self, start: int) -> str:
        count = sum(int(np.prod(v.shape)) for v in self.trainable)
        begun = f"going on at step {start}" if start else "starting"
        rate = self.schedule.learning_rate
        warm = f" after {self.schedule.warmup} steps of warm-up" if self.schedule.warmup else ""
        epochs = self.total * self.config.train.batch_size / self.records
        return (
            f"{begun}: {self.total} steps of {self.config.train.batch_size} images"
            f" ({epochs:.3g} epochs of {self.records:,}),"
            f" {count:,} weights, {self.precision}, {self.config.optimizer.name} at learning rate"
            f" {rate:g}{warm} ({self.schedule.name})"
        )

    def start_weights(self) -> None:
        """Loads what config.weights names. Raises DataError for a file that is not there, is
        broken or does not fit, and for a run of other classes."""
        section = self.config.weights
        if section.path:
            checking.same_classes(self.net, self.config)
            chosen = {"source": section.source, "skip": tuple(section.skip), "which": section.which}
            weights.load(self.net, section.path, **chosen, say=print)
            self._averages.restart()

    def _batches(self, step: int) -> Iterator:
        return iter(self.strategy.experimental_distribute_dataset(self._data(step)))

    def _traced(self, step: int) -> tuple[StepFunction, Iterator | None]:
        """The function of the training steps and the batches from `step` on, None at the end.

        The graph is traced here and not by the first call, so that what cannot be traced is told
        before the run folder is made."""
        function = StepFunction(
            self.task,
            self.net,
            self.optimizer,
            self.step,
            self.strategy,
            self.config,
            self._averages,
            trainable=self.trainable,
            factors=self._factors,
        )
        if step >= self.total:
            return function, None
        with errors.reported("the training step cannot be built"):
            batches = self._batches(step)
            function.run.get_concrete_function(batches, tf.constant(1))
        return function, batches

    def _loop(
        self, step: int, calls: Callbacks, function: StepFunction, batches: Iterator | None
    ) -> dict[str, float]:
        settings = self.config.train
        every = {
            "log": settings.log_every,
            "eval": settings.eval_every or self.epoch_steps,
            "save": settings.checkpoint_every or self.epoch_steps,
            "epoch": self.epoch_steps,
        }
        results: dict[str, float] = {}
        measured: dict[str, float] = {}  # in this epoch
        if step >= self.total:
            trained = "this run is finished" if step else "0 epochs train nothing"
            self.logs.say(f"{trained}; evaluating it")
            workdirs.prepare(self.workdir, self.config, fresh=not step)
            results = self._evaluate(step)
            if not step:
                self._save(step, results)
        seen, since, fresh = [], time.monotonic(), True
        while step < self.total and not self._stop.asked:
            calls.batch_begin(step)
            ends = [(step // n + 1) * n for n in every.values()]
            count = min(settings.steps_per_call, self.total - step, min(ends) - step)
            try:
                rows = function.run(batches, tf.constant(count)).numpy()
            except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
                raise errors.DataError(
                    f"training stopped between steps {step + 1} and {step + count}:"
                    f" {_first_line(error)}"
                ) from error
            self._check_finite(step, rows, function.names)
            if fresh:
                workdirs.prepare(self.workdir, self.config, fresh=not step)
            step += count
            seen.append(rows)
            if fresh:  # the first call compiles; it says nothing of the speed
                fresh, since, counted = False, time.monotonic(), 0
            else:
                counted += count
            used = float(self.rate(step - 1))  # before a callback sets another
            values = dict(zip(function.names, rows.mean(axis=0), strict=True))
            calls.batch_end(step, values, count)
            last = step >= self.total
            if step % every["log"] == 0 or last:
                rate = counted / max(time.monotonic() - since, 1e-9)
                self._log(step, np.concatenate(seen), function.names, rate, used)
                seen = []
                if rate and self._asks_for_limit:
                    paused = time.monotonic()
                    self._tell_limit(rate * settings.batch_size)
                    since += time.monotonic() - paused
            evaluated = step % every["eval"] == 0 or last
            if evaluated:
                paused = time.monotonic()
                results = self._evaluate(step)
                since += time.monotonic() - paused
            measured |= results if evaluated else {}
            if step % every["epoch"] == 0 or last:
                calls.epoch_end(step, measured)
                measured = {}
            # After the callbacks: the checkpoint holds the learning rate that they set.
            if evaluated or step % every["save"] == 0 or self._stop.asked:
                self._save(step, results if evaluated else None)
            if calls.stopped:
                self.logs.say(f"a callback stopped the run at step {step}")
                if self._saved != step:
                    self._save(step, None)
                break
        if self._stop.asked and step < self.total:
            if self._saved != step:
                self._save(step, None)
            raise Interrupted(
                f"stopped by {self._stop.asked} after step {step}; it is saved in {self.workdir}."
                " The same command goes on from there."
            )
        return results

    def _check_finite(self, step: int, rows: np.ndarray, names: Sequence[str]) -> None:
        if np.isfinite(rows).all():
            return
        row, column = np.argwhere(~np.isfinite(rows))[0]
        ids = pipeline.source_ids(
            self.data.files(self.config.data.train),
            self.records,
            step=step + int(row),
            batch_size=self.config.train.batch_size,
            seed=self.config.seed,
            shuffle_buffer=self.config.data.shuffle_buffer,
            turned=self.config.inputs.turned,
        )
        what = "the gradient" if names[column] == GRADIENT else f"loss term '{names[column]}'"
        raise errors.NonFiniteError(
            f"{what} became {rows[row, column]} in step {step + int(row) + 1}; the images of that"
            f" batch: {', '.join(ids)}. The last checkpoint is from before; a lower"
            " learning rate or config.train.clip_norm may help"
        )

    def _tell_limit(self, rate: float) -> None:
        """Measures the input alone and says whether it or the model holds the run up."""
        self._asks_for_limit = False
        alone = speed.input_rate(self._data(0)) * self.config.train.batch_size
        self.logs.say(speed.limit(rate, alone))

    def _log(self, step, rows, names, rate, learning_rate) -> None:
        """rate: steps a second, 0 where they are not known yet."""
        values = {k: float(v) for k, v in zip(names, rows.mean(axis=0), strict=True)}
        loss = sum(value for name, value in values.items() if name != GRADIENT)
        entry = {"loss": loss, **values, "learning_rate": learning_rate}
        if rate:
            entry["images_per_second"] = rate * self.config.train.batch_size
        self.logs.write("train", step, {**entry, "epoch": step / self.epoch_steps})
        shown = {"loss": loss, "lr": learning_rate}
        if rate:
            shown |= {"images/s": rate * self.config.train.batch_size, "steps/s": rate}
        self.logs.progress(step, shown)

    def _evaluate(self, step: int) -> dict[str, float]:
        results = self.evaluate()
        self.logs.write("val", step, results)
        shown = "  ".join(f"{k} {v:.4f}" for k, v in results.items() if k != "images")
        self.logs.say(
            f"step {step}, {int(results['images'])} images of '{self.config.data.val}': {shown}"
        )
        tables = self.evaluator.tables()
        for table in tables if len(self.config.data.class_names) <= 30 else []:
            self.logs.say(table)
        workdirs.write_evaluation(self.workdir, step, self.config.data.val, results, self.evaluator)
        return results

    def _save(self, step: int, results: dict[str, float] | None) -> None:
        better = False
        if results:
            name = self.config.train.best or next(iter(results))
            value = results[name]
            sign = -1.0 if name.startswith("loss") or name.endswith("error") else 1.0
            if math.isfinite(value):
                better = self.best is None or sign * value > sign * self.best["value"]
            if better:
                self.best = {"step": step, "metric": name, "value": value}
        state = {
            "best": self.best,
            "metrics": results and json.loads(json.dumps(results)),
            "learning_rate": self.rate.fixed,
        }
        self.checkpoints.save(step, state, keep=self.config.train.keep, best=better)
        self._saved = step
