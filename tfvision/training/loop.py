"""The steps of a run, and what happens at some of them: log, evaluate, save, stop.

Axis letters: S steps of a call, T loss terms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfvision import errors
from tfvision.records import damage
from tfvision.training import best, speed, workdirs
from tfvision.training.logs import Logs
from tfvision.training.step import GRADIENT, StepFunction
from tfvision.training.stopping import Interrupted, Stop

if TYPE_CHECKING:
    from tfvision.training.trainer import Trainer


class Loop:
    """Takes a Trainer's steps.

    function, batches: as `Trainer.traced` gives them. folder: is made ready at the first step.
    stop: tells that the process is asked to end."""

    def __init__(
        self,
        trainer: Trainer,
        function: StepFunction,
        batches: Iterator | None,
        *,
        logs: Logs,
        stop: Stop,
        folder: workdirs.Folder,
    ):
        self._trainer, self._function, self._batches = trainer, function, batches
        self._logs, self._stop, self._folder = logs, stop, folder
        self._settings, self._calls = trainer.config.train, trainer.callbacks
        epoch = trainer.epoch_steps
        self._every = {
            "log": self._settings.log_every,
            "evaluate": self._settings.eval_every or epoch,
            "save": self._settings.checkpoint_every or epoch,
            "epoch": epoch,
        }
        self._meter = speed.Meter()
        self._asks_for_limit = self._settings.report_input
        self._rows: list[np.ndarray] = []  # since the last entry of the log
        self._measured: dict[str, float] = {}  # in this epoch
        self._results: dict[str, float] = {}
        self._saved = -1

    def run(self, step: int, *, pending: bool) -> dict[str, float]:
        """From `step` to the last one; returns the metrics of the last evaluation.

        pending: `step` was saved, and what is due after that was not done."""
        if step >= self._trainer.total:
            self._nothing_to_train(step)
        if pending or not self._trainer.total:
            self._saved = step
            self._finish(step)
        elif step >= self._trainer.total:
            self._evaluate(step)
        while step < self._trainer.total and not (self._stop.asked or self._calls.stopped):
            ends = [(step // n + 1) * n for n in self._every.values()]
            count = min(self._settings.steps_per_call, self._trainer.total - step, min(ends) - step)
            self._calls.batch_begin(step)
            rows = self._take(step, count)
            step += count
            self._tell(step, rows)
            if self._due("save", step) or self._due("evaluate", step):
                self._save(step)
            self._finish(step)
        self._end(step)
        return self._results

    def _nothing_to_train(self, step: int) -> None:
        trained = "this run is finished" if step else "0 epochs train nothing"
        self._logs.say(f"{trained}; evaluating it")
        self._folder.prepare(self._trainer.config, fresh=not step)
        if not step:
            self._save(step)

    def _due(self, event: str, step: int) -> bool:
        return step % self._every[event] == 0 or step >= self._trainer.total

    def _take(self, step: int, count: int) -> np.ndarray:
        """Runs `count` steps; their loss terms, float32 [S, T + 1]."""
        trainer = self._trainer
        what = f"training stopped between steps {step + 1} and {step + count}"
        split = trainer.config.data.train
        with errors.reported(what), damage.reported(trainer.data, split, what):
            rows = self._function.run(self._batches, tf.constant(count)).numpy()
        self._check_finite(step, rows)
        self._folder.prepare(trainer.config, fresh=not step)
        self._meter.add(count)
        return rows

    def _check_finite(self, step: int, rows: np.ndarray) -> None:
        if np.isfinite(rows).all():
            return
        row, column = np.argwhere(~np.isfinite(rows))[0]
        ids = self._trainer.images_of(step + int(row))
        name = self._function.names[column]
        what = "the gradient" if name == GRADIENT else f"loss term '{name}'"
        raise errors.NonFiniteError(
            f"{what} became {rows[row, column]} in step {step + int(row) + 1}; the images of that"
            f" batch: {', '.join(ids)}. The last checkpoint is from before; a lower"
            " learning rate or config.train.clip_norm may help"
        )

    def _tell(self, step: int, rows: np.ndarray) -> None:
        """To the callbacks, the log and the screen."""
        used = float(self._trainer.rate(step - 1))  # before a callback sets another
        values = dict(zip(self._function.names, rows.mean(axis=0), strict=True))
        self._calls.batch_end(step, values, len(rows))
        self._rows.append(rows)
        if self._due("log", step):
            rate = self._meter.rate() * self._settings.batch_size
            self._log(step, np.concatenate(self._rows), rate, used)
            self._rows = []
            if rate and self._asks_for_limit:
                self._asks_for_limit = False
                with self._meter.paused():
                    self._logs.say(speed.limit(rate, self._trainer.input_rate()))

    def _log(self, step: int, rows: np.ndarray, rate: float, learning_rate: float) -> None:
        """rate: images a second, 0 where it is not known yet."""
        means = zip(self._function.names, rows.mean(axis=0), strict=True)
        values = {name: float(value) for name, value in means}
        loss = sum(value for name, value in values.items() if name != GRADIENT)
        entry = {"loss": loss, **values, "learning_rate": learning_rate}
        shown = {"loss": loss, "lr": learning_rate}
        if rate:
            entry["images_per_second"] = rate
            shown |= {"images/s": rate, "steps/s": rate / self._settings.batch_size}
        self._logs.write("train", step, {**entry, "epoch": step / self._trainer.epoch_steps})
        self._logs.progress(step, shown)

    def _finish(self, step: int) -> None:
        """What is due after a step was saved: the evaluation, and the callbacks of the epoch."""
        evaluates, ends_epoch = self._due("evaluate", step), step and self._due("epoch", step)
        results = {}
        if evaluates:
            with self._meter.paused():
                results = self._evaluate(step)
            self._measured |= results
        if ends_epoch:
            self._calls.epoch_end(step, self._measured)
            self._measured = {}
        if self._saved == step and (evaluates or ends_epoch):
            self._note(step, results)

    def _evaluate(self, step: int) -> dict[str, float]:
        trainer, split = self._trainer, self._trainer.config.data.val
        self._results = results = trainer.evaluate()
        self._logs.write("val", step, results)
        shown = "  ".join(f"{k} {v:.4f}" for k, v in results.items() if k != "images")
        self._logs.say(f"step {step}, {int(results['images'])} images of '{split}': {shown}")
        if len(trainer.config.data.class_names) <= 30:
            for table in trainer.evaluator.tables():
                self._logs.say(table)
        workdirs.write_evaluation(trainer.workdir, step, split, results, trainer.evaluator)
        return results

    def _save(self, step: int) -> None:
        pending = self._due("evaluate", step) or self._due("epoch", step)
        self._trainer.checkpoints.save(step, self._state({}, pending=pending))
        self._saved = step
        if not pending:
            self._trainer.checkpoints.prune(step, self._settings.keep)

    def _note(self, step: int, results: dict[str, float]) -> None:
        """Notes with the checkpoint what came out, and what the callbacks set."""
        trainer = self._trainer
        if self._calls.given:  # they may have changed the weights
            trainer.checkpoints.save(step, self._state({}, pending=True))
        best_now = None
        if results:
            lower = trainer.evaluator.lower_is_better(results)
            best_now = best.better(trainer.best, step, results, self._settings.best, lower)
        trainer.best = best_now or trainer.best
        state = self._state(results, pending=False)
        keep = self._settings.keep
        trainer.checkpoints.finish(step, state, best=best_now is not None, keep=keep)

    def _state(self, results: dict[str, float], *, pending: bool) -> dict[str, Any]:
        metrics = {k: float(v) if math.isfinite(v) else None for k, v in results.items()}
        return {
            "best": self._trainer.best,
            "metrics": metrics or None,
            "learning_rate": self._trainer.rate.fixed,
            "pending": pending,
        }

    def _end(self, step: int) -> None:
        stopped, unfinished = self._calls.stopped, step < self._trainer.total
        if (stopped or (self._stop.asked and unfinished)) and self._saved != step:
            self._save(step)
        if stopped:
            self._logs.say(f"a callback stopped the run at step {step}")
        if self._stop.asked and unfinished:
            raise Interrupted(
                f"stopped by {self._stop.asked} after step {step}; it is saved in"
                f" {self._trainer.workdir}. The same command goes on from there."
            )
