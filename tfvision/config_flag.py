"""The flag --config of train, evaluate and export: an experiment by name or file."""

from __future__ import annotations

from typing import Any

from absl import flags
from ml_collections import config_flags

from tfvision import config as settings

flags.disclaim_key_flags()  # the flag is the verb's that defines it


class _Experiment(flags.ArgumentParser):
    """Reads the experiment. ml_collections' own parser takes what follows a ":" in a path for an
    argument of `get_config`."""

    def parse(self, argument: str) -> Any:
        """The locked config of a file's get_config(), or of a run's config.json.

        Raises UsageError or DataError where it is missing or broken."""
        read = settings.read if argument.endswith(".json") else settings.experiment
        config = read(argument)
        config.lock()
        return config

    def flag_type(self) -> str:
        """As absl's help calls it."""
        return "experiment"


def define(text: str) -> flags.FlagHolder:
    """Defines --config, and --config.SECTION.KEY for the settings that the experiment names.

    text: the help."""
    holder = config_flags.DEFINE_config_file("config", None, text)
    flags.FLAGS["config"].parser = _Experiment()
    return holder
