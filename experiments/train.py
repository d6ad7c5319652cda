"""tfvision train: trains an experiment in a run folder, or goes on with the run that is there.

--config is the name of an experiment in experiments/ or a Python file with get_config();
any setting is changed with --config.section.key=value. tfvision/config.py lists them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from absl import app, flags
from ml_collections import config_flags

from tfvision import config as settings
from tfvision import errors

_FREE = re.compile(rf"--?config\.((?:\w+\.)?(?:{'|'.join(settings.FREE)})\.\w+)(?:=(.*))?$", re.S)
_CONFIG = config_flags.DEFINE_config_file("config", None, "Experiment: a name or a file.")
_OPTIONS = flags.DEFINE_multi_string(
    "option", [], "SECTION.KEY=VALUE: what --config.SECTION.KEY=VALUE means for a * section."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder; made if it is not there.")


def arguments(given: list[str]) -> list[str]:
    """--config=NAME -> --config=its file; --config.model.KEY=VALUE -> --option=model.KEY=VALUE.

    ml_collections takes only settings that the experiment names; a section marked * in
    tfvision/config.py has more. Raises UsageError for an unknown name."""
    result = list(given)
    for index, argument in enumerate(result):
        name = argument.lstrip("-")
        if name == "config" and index + 1 < len(result):
            result[index + 1] = settings.experiment_file(result[index + 1])
        elif name.startswith("config=") and argument.startswith("-"):
            result[index] = f"--config={settings.experiment_file(name.split('=', 1)[1])}"
        elif found := _FREE.match(argument):
            if found[2] is None and index + 1 < len(result):
                result[index + 1] = f"{found[1]}={result[index + 1]}"
            result[index] = "--option" if found[2] is None else f"--option={found[1]}={found[2]}"
    return result


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
    from tfvision import tasks, training

    config = _CONFIG.value
    for option in _OPTIONS.value:
        settings.override(config, *option.split("=", 1))
    task = tasks.build(config)
    training.Trainer(task, config, _WORKDIR.value).fit()
    print(f"the run is in {_WORKDIR.value}")


if __name__ == "__main__":
    app.run(main)
