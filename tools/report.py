"""tfvision report: a trained run as one HTML page: curves, tables, plots, mistakes.

The page contains its pictures itself and needs neither scripts nor a network. The run is evaluated
once more for it, with the checkpoint that is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import app, flags

from tfvision import command_line, paths
from tfvision.tools import runs

_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder.")
_OUTPUT = flags.DEFINE_string("output", None, "The HTML file; WORKDIR/report.html by default.")
_SPLIT = flags.DEFINE_string("split", None, "Split to evaluate; the config's val by default.")
_DATA = flags.DEFINE_string("data", None, "The run's data set, where it has moved.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which weights.")


def main(argv: Sequence[str]) -> None:
    """Writes the report. Raises UsageError and DataError."""
    command_line.flags_only(argv, "report")
    if _WORKDIR.value:
        paths.check_file(_OUTPUT.value or os.path.join(_WORKDIR.value, "report.html"), "--output")
    run = runs.open_run(_WORKDIR.value, _CHECKPOINT.value, _DATA.value)
    from tfvision.training import run_report

    output = _OUTPUT.value or os.path.join(_WORKDIR.value, "report.html")
    split = _SPLIT.value or run.config.data.val
    results = run_report.write(run.trainer, output, step=run.step, split=split)
    name, value = next(iter(results.items()))
    print(f"step {run.step}, split '{split}': {name} {value:.4f} -> {output}")


if __name__ == "__main__":
    app.run(main)
