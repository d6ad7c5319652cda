"""What is due after steps of a run: log, evaluate, save, and the callbacks of an epoch.

Axis letters: S steps of a call, T loss terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision.training import best, speed, workdirs
from tfvision.training.logs import Logs
from tfvision.training.step import GRADIENT

if TYPE_CHECKING:
    from tfvision.training.trainer import Trainer


class Events:
    """At which steps of a Trainer something is due, and what is done then.

    saved: the step of the newest checkpoint. results: metrics of the last evaluation."""

    def __init__(self, trainer: Trainer, logs: Logs):
        self._trainer, self._logs = trainer, logs
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
        self.results: dict[str, float] = {}
        self.saved = -1

    def due(self, event: str) -> bool:
        """Is "log", "evaluate", "save" or "epoch" due after the steps that are done?"""
        step = self._trainer.steps_done
        return step % self._every[event] == 0 or step >= self._trainer.total

    def next(self) -> int:
        """The next step after which something is due."""
        step = self._trainer.steps_done
        return min(self._trainer.total, *((step // n + 1) * n for n in self._every.values()))

    def tell(self, names: Sequence[str], rows: np.ndarray) -> None:
        """rows: the loss terms of a call's steps, float32 [S, T + 1]; to callbacks, log, screen."""
        step = self._trainer.steps_done
        self._meter.add(len(rows))
        used = float(self._trainer.rate(step - 1))  # before a callback sets another
        values = dict(zip(names, rows.mean(axis=0), strict=True))
        self._calls.batch_end(step, values, len(rows))
        self._rows.append(rows)
        if self.due("log"):
            rate = self._meter.rate() * self._settings.batch_size
            means = dict(zip(names, np.concatenate(self._rows).mean(axis=0), strict=True))
            self._log(step, means, rate, used)
            self._rows = []
            if rate and self._asks_for_limit:
                self._asks_for_limit = False
                with self._meter.paused():
                    self._logs.say(speed.limit(rate, self._trainer.batches.rate()))

    def _log(self, step: int, means: dict, rate: float, learning_rate: float) -> None:
        """rate: images a second, 0 where it is not known yet."""
        values = {name: float(value) for name, value in means.items()}
        loss = sum(value for name, value in values.items() if name != GRADIENT)
        entry = {"loss": loss, **values, "learning_rate": learning_rate}
        shown = {"loss": loss, "lr": learning_rate}
        if rate:
            entry["images_per_second"] = rate
            shown |= {"images/s": rate, "steps/s": rate / self._settings.batch_size}
        self._logs.write("train", step, {**entry, "epoch": step / self._trainer.epoch_steps})
        self._logs.progress(step, shown)

    def finish(self) -> None:
        """What is due after a step was saved: the evaluation, and the callbacks of the epoch."""
        step = self._trainer.steps_done
        evaluates, ends_epoch = self.due("evaluate"), step and self.due("epoch")
        results = {}
        if evaluates:
            with self._meter.paused():
                results = self.evaluate()
            self._measured |= results
        if ends_epoch:
            self._calls.epoch_end(step, self._measured)
            self._measured = {}
        if self.saved == step and (evaluates or ends_epoch):
            self._note(step, results)

    def evaluate(self) -> dict[str, float]:
        """Evaluates the validation split, and says and writes what comes out."""
        trainer, split = self._trainer, self._trainer.config.data.val
        step = trainer.steps_done
        self.results = results = trainer.evaluate()
        self._logs.write("val", step, results)
        shown = "  ".join(f"{k} {v:.4f}" for k, v in results.items() if k != "images")
        self._logs.say(f"step {step}, {int(results['images'])} images of '{split}': {shown}")
        if len(trainer.config.data.class_names) <= 30:
            for table in trainer.evaluator.tables():
                self._logs.say(table)
        if trainer.workers.chief:
            workdirs.write_evaluation(trainer.workdir, step, split, results, trainer.evaluator)
        return results

    def save(self) -> None:
        """Writes the checkpoint of the steps that are done."""
        step, pending = self._trainer.steps_done, self.due("evaluate") or self.due("epoch")
        self._trainer.checkpoints.save(step, self._state({}, pending=pending))
        self.saved = step
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
