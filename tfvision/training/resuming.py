"""How long a run is, and how it goes on: from which checkpoint, and to which end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfvision import errors
from tfvision.training import checkpoints

if TYPE_CHECKING:
    from tfvision.training.trainer import Trainer


def total_steps(config, records: int) -> int:
    """The steps of a run on so many records: train.steps, or those of train.epochs, at least 1."""
    settings = config.train
    steps = settings.steps or round(settings.epochs * records / settings.batch_size)
    return max(steps, 1) if settings.epochs else steps


def restore(trainer: Trainer, notes: list[str], *, strict: bool) -> dict[str, Any] | None:
    """Loads the newest checkpoint that can be read; returns its state, None where there is none.

    Adds a note for each damaged one that was passed over. Raises Damaged where there are
    checkpoints and none is intact, and with `strict` for the newest one."""
    damaged = None
    for path in trainer.checkpoints.all("step"):
        try:
            state = trainer.checkpoints.restore(path)
        except checkpoints.Damaged as error:
            if strict:
                raise checkpoints.Damaged(
                    f"{error}; without --strict_resume the intact one before it is taken"
                ) from error
            damaged = damaged or error
            notes.append(f"{error}; the one before it is taken")
            continue
        trainer.take(state)
        return state
    if damaged:
        raise checkpoints.Damaged(
            f"{damaged}; no other checkpoint of this run is intact; train again in a new --workdir"
        )
    return None


def check_workers(trainer: Trainer, step: int, pending: bool) -> None:
    """All workers are ready to go on from one step; UsageError where they are not."""
    places = trainer.workers.share((step, pending))
    if len(set(places)) > 1:
        steps = ", ".join(f"worker {i} at step {at}" for i, (at, _) in enumerate(places))
        raise errors.UsageError(
            f"the workers do not see the same run in {trainer.workdir}: {steps}; give all of them"
            " one --workdir on a file system that they share"
        )


def new_end(trainer: Trainer, before: Any) -> list[str]:
    """A note where the run's end is another than that of `before`, its config until now.

    Raises UsageError where it is an earlier one."""
    old, new = total_steps(before, trainer.records), trainer.total
    if old == new:
        return []
    if new < old:
        raise errors.UsageError(
            f"config.train ends the run at step {new}, and {trainer.workdir} contains one that ends"
            f" at step {old}; its end can only be raised. Use another --workdir, or more"
            " config.train.epochs or steps"
        )
    name, rates = trainer.schedule.name, (trainer.schedule, trainer.schedule_over(old))
    now, until = (float(schedule(old - 1)) for schedule in rates)
    return [
        f"the end moves from step {old} to {new}: the schedule '{name}' spans the new length from"
        f" here on, which makes the learning rate of step {old} {now:.3g} (it was {until:.3g})"
    ]
