"""tfvision export: a trained run -> a SavedModel under BASE/<version>, checked before it counts.

tfvision export --workdir=RUN --output=BASE exports a run. Weights that were imported need none:
tfvision export --config=EXPERIMENT --config.weights.path=FILE --labels=FILE --output=BASE IMAGE...
checks the export on the images that are named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from absl import app, flags

from tfvision import command_line, config_flag, errors, overrides, paths
from tfvision import config as settings
from tfvision.tools import runs

_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder.")
_CONFIG = config_flag.define("In place of a run: an experiment.")
_OPTIONS = flags.DEFINE_multi_string("option", [], "As in tfvision train.")
_LABELS = flags.DEFINE_string("labels", None, "Class names, one a line, of --config's weights.")
_OUTPUT = flags.DEFINE_string("output", None, "BASE; the model goes to BASE/<version>.")
_VERSION = flags.DEFINE_integer("version", None, "By default the highest there is plus one.")
_DATA = flags.DEFINE_string("data", None, "The run's data set, where it has moved.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which weights.")
_SAMPLES = flags.DEFINE_integer("samples", 8, "Images at most that the export is checked on.")

arguments = overrides.flag_arguments


def main(argv: Sequence[str]) -> None:
    """Exports. Raises UsageError and DataError."""
    if (_WORKDIR.value is None) == (_CONFIG.value is None):
        raise errors.UsageError("give --workdir, or --config with weights, and not both")
    command_line.needed(_OUTPUT)
    if _SAMPLES.value < 1:
        raise errors.UsageError(
            f"--samples is {_SAMPLES.value}; an export is checked on at least 1"
        )
    paths.check_folder(_OUTPUT.value, "--output")
    if _WORKDIR.value is None:
        _weights(argv[1:])
    elif len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; a run has images of its own")
    else:
        _run()


def _run() -> None:
    runs.export_run(
        _WORKDIR.value,
        _OUTPUT.value,
        which=_CHECKPOINT.value,
        version=_VERSION.value,
        count=_SAMPLES.value,
        data=_DATA.value,
    )


def _weights(images: Sequence[str]) -> None:
    config = overrides.with_options(_CONFIG.value, _OPTIONS.value)
    if not config.weights.path:
        raise errors.UsageError("--config.weights.path is missing: the file of the weights")
    files = list(runs.image_files(images))[: _SAMPLES.value]
    if not files:
        raise errors.UsageError("no images; name some that the export is to be checked on")
    samples = []
    for file in files:
        try:
            with open(file, "rb") as stream:
                samples.append(stream.read())
        except OSError as error:
            raise errors.DataError(f"{file} cannot be read: {error.strerror}") from error
    from tfvision import sources, stack, tasks, training, weights
    from tfvision.serving import exporter
    from tfvision.training import start_checks

    if _LABELS.value:
        config.data.path, config.data.class_names = "", tuple(sources.read_labels(_LABELS.value))
    task = tasks.build(config)
    policy = stack.precision(training.policy(config.train.precision))
    with policy, errors.reported(f"config.model: {config.model.name} cannot be built"):
        net = task.build()
    section = config.weights
    start_checks.same_classes(net, config)
    chosen = {"source": section.source, "skip": tuple(section.skip), "which": section.which}
    weights.load(net, section.path, **chosen, say=print)
    exporter.export(
        task,
        net,
        class_names=config.data.class_names,
        config_json=json.loads(settings.to_json(config)),
        metrics={},
        output=_OUTPUT.value,
        version=_VERSION.value,
        samples=samples,
    )


if __name__ == "__main__":
    app.run(main)
