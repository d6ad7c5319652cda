"""tfvision export: a trained run -> a SavedModel under BASE/<version>, checked before it counts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from absl import app, flags

from tfvision import errors
from tfvision.tools import runs

_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder.")
_OUTPUT = flags.DEFINE_string("output", None, "BASE; the model goes to BASE/<version>.")
_VERSION = flags.DEFINE_integer("version", None, "By default the highest there is plus one.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which weights.")
_SAMPLES = flags.DEFINE_integer("samples", 8, "Validation images that the export is checked on.")


def main(argv: Sequence[str]) -> None:
    """Exports. Raises UsageError and DataError."""
    if len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; export takes flags only")
    if not _OUTPUT.value:
        raise errors.UsageError("--output is missing")
    if _SAMPLES.value < 1:
        raise errors.UsageError(
            f"--samples is {_SAMPLES.value}; an export is checked on at least 1"
        )
    run = runs.open_run(_WORKDIR.value, _CHECKPOINT.value)
    from tfvision import config
    from tfvision.serving import export

    with run.trainer.averaged():
        export.export(
            run.task,
            run.net,
            class_names=run.config.data.class_names,
            config_json=json.loads(config.to_json(run.config)),
            metrics=run.metrics,
            output=_OUTPUT.value,
            version=_VERSION.value,
            samples=runs.samples(run.config, _SAMPLES.value),
        )


if __name__ == "__main__":
    app.run(main)
