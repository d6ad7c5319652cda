"""tfvision train: trains an experiment in a run folder, or goes on with the run that is there.

--config is the name of an experiment in experiments/ or a Python file with get_config();
any setting is changed with --config.section.key=value. tfvision/config.py lists them all.
Of a run that is there --workdir is enough: its config.json is the config, and a higher
--config.train.epochs or --config.train.steps moves its end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import app, flags

from tfvision import command_line, config_flag, errors, overrides, paths
from tfvision import config as settings

_CONFIG = config_flag.define("Experiment: a name or a file.")
_OPTIONS = flags.DEFINE_multi_string(
    "option", [], "SECTION.KEY=VALUE: what --config.SECTION.KEY=VALUE means for a * section."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder; made if it is not there.")
_DATA = flags.DEFINE_string("data", None, "The converted data set, where it is now.")
_STRICT = flags.DEFINE_bool(
    "strict_resume", False, "Refuse a damaged checkpoint; by default the one before it is taken."
)

_PROFILE = flags.DEFINE_list(
    "profile_steps", None, "FIRST,LAST: these steps are recorded for TensorBoard's profiler."
)
_STRATEGY = flags.DEFINE_string(
    "strategy",
    None,
    "auto, one, mirrored, multi_worker or tpu; for short what --config.strategy.name means.",
)


def arguments(given: Sequence[str]) -> list[str]:
    """The flags as ml_collections takes them; without --config, the config of the run in --workdir.

    Raises UsageError for an unknown setting or experiment, and for settings of no config."""
    names = [flag.lstrip("-").partition("=")[0] for flag in given]
    if "config" in names:
        return overrides.flag_arguments(given)
    workdir = ""
    if "workdir" in names:
        at = names.index("workdir")
        _, equals, workdir = given[at].partition("=")
        workdir = workdir if equals else "".join(given[at + 1 : at + 2])
    file = os.path.join(workdir, "config.json")
    if workdir and os.path.isfile(file):
        return overrides.flag_arguments([f"--config={file}", *given])
    if any(name.startswith("config.") for name in names):
        raise _missing()
    return overrides.flag_arguments(given)


def _missing() -> errors.UsageError:
    return errors.UsageError(
        "--config is missing, and --workdir contains no run to go on with; experiments:"
        f" {', '.join(settings.experiments())}"
    )


def _steps(given: Sequence[str]) -> tuple[int, ...]:
    try:
        return tuple(int(step) for step in given)
    except ValueError:
        raise errors.UsageError(
            f"--profile_steps is {','.join(given)}; give the first and the last step, such as"
            " 100,110"
        ) from None


def main(argv: Sequence[str]) -> None:
    """Trains. Raises UsageError, DataError, NonFiniteError and Interrupted."""
    command_line.flags_only(argv, "train")
    if _CONFIG.value is None:
        raise _missing()
    command_line.needed(_WORKDIR)
    paths.check_folder(_WORKDIR.value, "--workdir")
    from tfvision import tasks, training

    config = overrides.with_options(_CONFIG.value, _OPTIONS.value)
    config.strategy.name = _STRATEGY.value or config.strategy.name
    if _PROFILE.value:
        config.train.profile_steps = _steps(_PROFILE.value)
    overrides.set_data(config, _DATA.value)
    training.prepare(config)
    strategy = training.strategies.make(config)
    task = tasks.build(config)
    training.settle_precision(task, config, _WORKDIR.value, strategy)
    trainer = training.Trainer(task, config, _WORKDIR.value, strategy=strategy)
    trainer.fit(strict_resume=_STRICT.value)
    if trainer.workers.chief:
        print(f"the run is in {_WORKDIR.value}")


if __name__ == "__main__":
    app.run(main)
