"""Experiments by name or file, and the config that a file's `get_config` returns."""

from __future__ import annotations

import importlib.util
import os
import traceback

import ml_collections

from tfvision import errors


def experiments() -> list[str]:
    """The experiments that come with tfvision, by name."""
    files = [name for name in os.listdir(_experiment_folder()) if name.endswith(".py")]
    return sorted(name[:-3] for name in files if name not in ("__init__.py", "train.py"))


def _experiment_folder() -> str:
    return importlib.util.find_spec("tfvision.experiments").submodule_search_locations[0]


def experiment_file(name: str) -> str:
    """The path of an experiment: a name, a Python file or a run's config.json.

    Raises UsageError for an unknown one."""
    if name.endswith((".py", ".json")):
        if not os.path.isfile(name):
            raise errors.UsageError(f"--config: there is no file {name}")
        return name
    errors.choose(dict.fromkeys(experiments()), name, "experiment")
    return os.path.join(_experiment_folder(), f"{name}.py")


def experiment(name: str) -> ml_collections.ConfigDict:
    """The config of an experiment: a name or a Python file with get_config().

    Raises UsageError that names the file, and the line where one is known, for a file that
    cannot be run, has no get_config, or returns something else."""
    file = experiment_file(name)
    spec = importlib.util.spec_from_file_location("tfvision_experiment", file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not callable(getattr(module, "get_config", None)):
            raise errors.UsageError(
                f"{file} has no function get_config; define one that returns"
                " tfvision.config.config(...)"
            )
        config = module.get_config()
    except SyntaxError as error:
        raise errors.UsageError(f"{error.filename}, line {error.lineno}: {error.msg}") from error
    except errors.TfvisionError:
        raise
    except Exception as error:  # whatever the user's own code raises
        raise errors.UsageError(f"{_where(file, error)}: {errors.one_line(error)}") from error
    if not isinstance(config, ml_collections.ConfigDict):
        raise errors.UsageError(
            f"{file}: get_config returns a {type(config).__name__}; return"
            " tfvision.config.config(...), which lays your settings over the defaults"
        )
    return config


def _where(file: str, error: Exception) -> str:
    """The file and the last of its lines that an error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{file}, line {lines[-1]}" if lines else file
