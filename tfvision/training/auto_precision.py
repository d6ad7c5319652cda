"""train.precision "auto": the net's own training step, measured in each precision it may have."""

from __future__ import annotations

import copy
import gc

import tensorflow as tf

from tfvision import kinds, stack
from tfvision.task import Task
from tfvision.training import start_checks, workdirs
from tfvision.training.distributed import Workers
from tfvision.training.trainer import Trainer

# bfloat16 has 8 bits; it is taken where it gives more for them than the clock's noise.
_WORTH = 1.05
AUTO, CANDIDATES = "auto", ("float32", "bfloat16")


def settle(task: Task, config, workdir: str, strategy: tf.distribute.Strategy) -> None:
    """Sets config.train.precision where it is "auto", before the Trainer is made.

    A run that has taken a step keeps what it has. Otherwise both precisions take some training
    steps of this config, on one device and on one batch of a replica; where there is no such
    choice, as on a processor without instructions for bfloat16, nothing is measured, and detectors
    take float32. All workers settle on one.
    Prints what was measured. Raises what `Trainer.fit` raises for a config that cannot train."""
    if config.train.precision != AUTO:
        return
    if workdirs.has_config(workdir):
        config.train.precision = workdirs.read_config(workdir).train.precision
        return
    if isinstance(strategy, tf.distribute.TPUStrategy):
        config.train.precision = "bfloat16"  # what its matrix units multiply
        return
    if kinds.BOXES in task.kinds:
        # In bfloat16 a box near a threshold comes and goes, and an export, compared box by box,
        # may be refused.
        config.train.precision = "float32"
        return
    replicas = strategy.num_replicas_in_sync
    if config.train.batch_size % (replicas * max(config.train.accumulate, 1)):
        return  # the Trainer says so
    workers = Workers(strategy)
    with workers.together():
        rates = _slowest(workers.share(_rates(task, config, replicas)))
    name = choice(rates)
    if workers.chief:
        told = ", ".join(f"{rate * replicas:,.3g} images/s in {k}" for k, rate in rates.items())
        print(f"train.precision auto: {told or 'no choice'}; {name} is taken", flush=True)
    config.train.precision = name


def choice(rates: dict[str, float]) -> str:
    """The precision to take of those with these rates: bfloat16 where it is clearly faster."""
    faster = rates.get("bfloat16", 0.0) > _WORTH * rates.get("float32", 0.0)
    return "bfloat16" if faster else "float32"


def _slowest(rates: list[dict[str, float]]) -> dict[str, float]:
    """All wait for the slowest worker; a precision that one has not measured is none."""
    return {name: min(each[name] for each in rates)
            for name in CANDIDATES if all(name in each for each in rates)}  # fmt: skip


def _rates(task: Task, config, replicas: int) -> dict[str, float]:
    """Images a second of one replica by precision; {} where there is no choice."""
    if not (stack.cpu_bfloat16() or tf.config.list_physical_devices("GPU")):
        return {}
    rates = {}
    for name in CANDIDATES:
        trial = copy.deepcopy(config)
        trial.train.precision = name
        trial.train.batch_size //= replicas
        trainer = Trainer(task, trial, "")
        if not rates:
            start_checks.splits(trainer)
            start_checks.first_batch(trainer)
        rates[name] = trainer.step_rate()
        del trainer
        gc.collect()
    return rates
