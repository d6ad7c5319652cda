"""Apache Beam as the user asks for it: a runner and its options, checked before any work.

Beam is the extra `beam`. It is imported inside the functions that need it.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfvision import errors

if TYPE_CHECKING:
    import apache_beam

# Beam's own DirectRunner tries Prism first, a program that Beam fetches from the network and that
# ignores direct_num_workers. This is the part of it that is Python.
_DIRECT = "FnApiRunner"
_DIRECT_NAMES = ("direct", "directrunner")
# Runners whose options Beam's Python knows all; others ask a job server, which may know more.
_CLOSED = (*_DIRECT_NAMES, "fnapirunner", "dataflow", "dataflowrunner")


def pipeline(name: str, options: Sequence[str]) -> apache_beam.Pipeline:
    """An empty pipeline of the runner `name`. options: "NAME=VALUE" or "NAME", as Beam has them.

    Raises UsageError where Beam is not installed, and for a runner or an option that it refuses."""
    try:
        import apache_beam
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners.runner import create_runner
    except ImportError as error:
        raise errors.UsageError(
            "--runner needs Apache Beam: pip install 'tfvision[beam]'"
        ) from error
    flags = [f"--{option.removeprefix('--')}" for option in options]
    _check(PipelineOptions, name, flags)
    try:
        runner = create_runner(_DIRECT if name.lower() in _DIRECT_NAMES else name)
        parsed = PipelineOptions([*flags, f"--runner={name}"])
        return apache_beam.Pipeline(runner=runner, options=parsed)
    except (ValueError, ImportError, AttributeError) as error:
        raise errors.UsageError(f"runner '{name}': {' '.join(str(error).split())}") from error


def is_here(name: str) -> bool:
    """Whether all workers of a runner are on this machine, with this working folder."""
    from apache_beam.options.pipeline_options import StandardOptions

    local = [known.lower() for known in StandardOptions.LOCAL_RUNNERS]
    return name.lower() in local or f"{name.lower()}runner" in local


def _check(pipeline_options: Any, name: str, flags: Sequence[str]) -> None:
    """Raises UsageError for an option of no such name, or with a value that it does not take."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            known = pipeline_options(flags).get_all_options()
            given = pipeline_options(flags).get_all_options(retain_unknown_options=True)
    except SystemExit:  # Beam's parser ends the process
        lines = said.getvalue().strip().splitlines() or ["it is not as Beam takes it"]
        raise errors.UsageError(f"beam_option: {lines[-1].split('error: ')[-1]}") from None
    unknown = [option for option in given if option not in known]
    if unknown and name.lower() in _CLOSED:
        raise errors.UsageError(
            f"runner '{name}' has no option '{unknown[0]}'{errors.suggestion(unknown[0], known)}"
        )
