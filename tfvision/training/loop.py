"""The loop of a run: steps, what is due after them (`events.Events`), and its end.

Axis letters: S steps of a call, T loss terms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvision import errors
from tfvision.records import damage
from tfvision.training import workdirs
from tfvision.training.events import Events
from tfvision.training.logs import Logs
from tfvision.training.profile import Profile
from tfvision.training.step import GRADIENT, StepFunction
from tfvision.training.stopping import Interrupted, Stop

if TYPE_CHECKING:
    from tfvision.training.trainer import Trainer


class Loop:
    """Takes a Trainer's steps; their number is the Trainer's, `steps_done`.

    function, batches: as `Trainer.traced` gives them. folder: is made ready at the first step.
    stop: tells that the process is asked to end. All workers of the Trainer go through the same
    calls and end after the same step."""

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
        self._logs, self._folder = logs, folder
        self._stop, self._asked, self._stopped = stop, "", False  # of this worker; of any
        self._events = Events(trainer, logs)
        steps = trainer.config.train.profile_steps
        self._profile = Profile(trainer.workdir, steps, writes=trainer.workers.chief)

    def run(self, *, pending: bool) -> dict[str, float]:
        """Trains to the last step; returns the metrics of the last evaluation.

        pending: the last step was saved, and what is due after that was not done."""
        self._begin(pending)
        try:
            while not self._ended():
                rows = self.step()
                self.events(rows)
        finally:
            self._profile.close()
        self.stop()
        return self._events.results

    def step(self) -> np.ndarray:
        """Takes the steps of one call; their loss terms, float32 [S, T + 1]."""
        trainer, first = self._trainer, self._trainer.steps_done
        due = self._profile.next(first, self._events.next())
        count = min(trainer.config.train.steps_per_call, due - first)
        what = f"training stopped between steps {first + 1} and {first + count}"
        if trainer.config.train.xla:
            what += ", which config.train.xla compiles"
        damaged = damage.reported(trainer.data, trainer.config.data.train, what)
        with trainer.workers.in_step():
            trainer.callbacks.batch_begin(first)
            self._profile.before(first)
            read = trainer.batches.service.reported()
            with errors.reported(what), damaged, trainer.workers.lost_told(), read:
                rows = self._function.run(self._batches, tf.constant(count)).numpy()
        self._refuse_infinite(first, rows)
        self._folder.prepare(trainer.config, fresh=not first)
        return rows

    def events(self, rows: np.ndarray) -> None:
        """Tells of the steps of a call, and does what is due after them."""
        if told := self._profile.after(self._trainer.steps_done):
            self._logs.say(told)
        self._events.tell(self._function.names, rows)
        if self._events.due("save") or self._events.due("evaluate"):
            self._events.save()
        self._events.finish()

    def stop(self) -> None:
        """Saves what an early end would lose. Raises Interrupted where the process has to end."""
        step, stopped = self._trainer.steps_done, self._stopped
        interrupted = self._asked and step < self._trainer.total
        if (stopped or interrupted) and self._events.saved != step:
            self._events.save()
        if stopped:
            self._logs.say(f"a callback stopped the run at step {step}")
        if interrupted:
            raise Interrupted(
                f"stopped by {self._asked} after step {step}; it is saved in"
                f" {self._trainer.workdir}. The same command goes on from there."
            )

    def _ended(self) -> bool:
        """Is the run over? The workers meet here before each call and decide alike."""
        trainer = self._trainer
        asks = trainer.workers.share((self._stop.asked, trainer.callbacks.stopped))
        self._asked = next((asked for asked, _ in asks if asked), "")
        self._stopped = any(stopped for _, stopped in asks)
        return trainer.steps_done >= trainer.total or bool(self._asked) or self._stopped

    def _begin(self, pending: bool) -> None:
        """What is left to do at the step that the run begins at."""
        step, total = self._trainer.steps_done, self._trainer.total
        if step >= total:
            trained = "this run is finished" if step else "0 epochs train nothing"
            self._logs.say(f"{trained}; evaluating it")
            self._folder.prepare(self._trainer.config, fresh=not step)
            if not step:
                self._events.save()
        if pending or not total:
            self._events.saved = step
            self._events.finish()
        elif step >= total:
            self._events.evaluate()

    def _refuse_infinite(self, first: int, rows: np.ndarray) -> None:
        """Raises NonFiniteError for a row of the steps from `first` on that is not finite."""
        if np.isfinite(rows).all():
            return
        row, column = np.argwhere(~np.isfinite(rows))[0]
        step = first + int(row)
        name = self._function.names[column]
        images = ", ".join(self._trainer.batches.source_ids(step))
        what = "the gradient" if name == GRADIENT else f"loss term '{name}'"
        raise errors.NonFiniteError(
            f"{what} became {rows[row, column]} in step {step + 1}; the images of that"
            f" batch: {images}. The last checkpoint is from before; a lower learning rate or"
            " config.train.clip_norm may help"
        )
