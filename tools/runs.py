"""Opening a trained run folder, for evaluate, export and report."""

from __future__ import annotations

import dataclasses
import glob
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import config as settings
from tfvision import errors, overrides


@dataclasses.dataclass
class Run:
    """A trained run: its config, task, Trainer with the weights restored, and what it measured.

    metrics: those noted with the checkpoint, {} if none. step: of the weights."""

    config: Any
    task: Any
    trainer: Any
    metrics: dict[str, float]
    step: int

    @property
    def net(self):
        """The network, holding the averaged weights where the run kept an average."""
        return self.trainer.net

    @property
    def precision(self) -> str:
        """ "float32", "bfloat16" or "float16"."""
        return self.trainer.precision


def open_run(workdir: str | None, which: str = "best", data: str | None = None) -> Run:
    """Restores the "best" checkpoint (the latest where there is no best), or the "latest".

    data: the folder of the run's data set, where it has moved. Raises UsageError without a
    workdir, DataError where it contains no trained run."""
    if not workdir:
        raise errors.UsageError("--workdir is missing")
    from tfvision import tasks, training
    from tfvision.training import checkpoints, workdirs

    config = workdirs.read_config(workdir)
    overrides.set_data(config, data)
    training.prepare(config)
    trainer = training.Trainer(tasks.build(config), config, workdir)
    if not trainer.restore(which) and not trainer.restore("latest"):
        raise errors.DataError(f"{workdir} has no checkpoint yet; train it first")
    kind = "best" if which == "best" and trainer.checkpoints.find("best") else "step"
    state = checkpoints.read_state(trainer.checkpoints.find(kind))
    return Run(config, trainer.task, trainer, state.get("metrics") or {}, state["step"])


def open_weights(config: Any, split: str) -> Run:
    """A net with the weights that `config.weights` names, ready to evaluate `split`.

    Raises UsageError where no weights are named."""
    if not config.weights.path:
        raise errors.UsageError("--config.weights.path is missing: the file of the weights")
    from tfvision import tasks, training

    config.data.train = split  # the only one that is looked at
    training.prepare(config)
    trainer = training.Trainer(tasks.build(config), config, "")
    trainer.start_weights()
    return Run(config, trainer.task, trainer, {}, 0)


def samples(config: Any, count: int) -> list[bytes]:
    """The first `count` encoded images of the validation split."""
    import tensorflow as tf

    from tfvision.inputs import decode
    from tfvision.records import damage, dataset

    data = dataset.read(config.data.path)
    files = [os.fsencode(file) for file in data.files(config.data.val)]
    records = tf.data.TFRecordDataset(files).take(count)
    with damage.reported(data, config.data.val, f"split '{config.data.val}' cannot be read"):
        return [decode.parse(record, ("image",))["encoded"].numpy() for record in records]


def image_files(arguments: Sequence[str]) -> Iterator[str]:
    """The files named, the images in the folders named, hidden ones left out, and what patterns
    fit that are not a file's name. Raises UsageError for a pattern that nothing fits."""
    from tfvision.sources import walking

    for argument in arguments:
        if os.path.isdir(argument):
            for folder, folders, names in os.walk(argument):
                folders.sort()
                paths = (os.path.join(folder, name) for name in sorted(names) if name[0] != ".")
                yield from (path for path in paths if walking.is_image(path))
        elif glob.has_magic(argument) and not os.path.exists(argument):
            matches = sorted(path for path in glob.glob(argument, recursive=True))
            if not matches:
                raise errors.UsageError(f"no file fits the pattern '{argument}'")
            yield from (path for path in matches if os.path.isfile(path))
        else:
            yield argument


def exported(path: str) -> str:
    """The path of an export; of a run its export below it, made anew after a new checkpoint."""
    if not os.path.isfile(os.path.join(path, "config.json")):
        return path
    from tfvision.serving import versions

    base = os.path.join(path, "exported")
    checkpoints = os.path.join(path, "checkpoints")
    last = os.path.getmtime(checkpoints) if os.path.isdir(checkpoints) else 0.0
    if not versions.numbers(base) or os.path.getmtime(versions.find(base)) < last:
        print(f"{path} is a run; exporting it to {base}")
        export_run(path, base)
    return base


def export_run(
    workdir: str,
    output: str,
    *,
    which: str = "best",
    version: int | None = None,
    count: int = 8,
    data: str | None = None,
) -> None:
    """Exports a run's weights to `output`, checked on `count` of its validation images."""
    from tfvision.serving import exporter

    run = open_run(workdir, which, data)
    with run.trainer.averaged():
        exporter.export(
            run.task,
            run.net,
            class_names=run.config.data.class_names,
            config_json=json.loads(settings.to_json(run.config)),
            metrics=run.metrics,
            output=output,
            version=version,
            samples=samples(run.config, count),
            category_ids=run.trainer.data.category_ids,
        )


def name_of(workdir: str) -> str:
    """The run's name: its folder's."""
    return os.path.basename(os.path.abspath(workdir))
