"""tfvision train: trains an experiment in a run folder, or goes on with the run that is there.

--config is the name of an experiment in experiments/ or a Python file with get_config();
any setting is changed with --config.section.key=value. tfvision/config.py lists them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from tfvision import config as settings
from tfvision import config_flag, errors, overrides, paths

_CONFIG = config_flag.define("Experiment: a name or a file.")
_OPTIONS = flags.DEFINE_multi_string(
    "option", [], "SECTION.KEY=VALUE: what --config.SECTION.KEY=VALUE means for a * section."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder; made if it is not there.")


arguments = overrides.flag_arguments


def main(argv: Sequence[str]) -> None:
    """Trains. Raises UsageError, DataError, NonFiniteError and Interrupted."""
    if len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; train takes flags only")
    if _CONFIG.value is None:
        raise errors.UsageError(
            f"--config is missing; experiments: {', '.join(settings.experiments())}"
        )
    if not _WORKDIR.value:
        raise errors.UsageError("--workdir is missing")
    paths.check_folder(_WORKDIR.value, "--workdir")
    from tfvision import tasks, training

    config = overrides.with_options(_CONFIG.value, _OPTIONS.value)
    task = tasks.build(config)
    training.Trainer(task, config, _WORKDIR.value).fit()
    print(f"the run is in {_WORKDIR.value}")


if __name__ == "__main__":
    app.run(main)
