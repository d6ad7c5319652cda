"""tfvision evaluate: metrics of a trained run on a split, as a table and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from absl import app, flags

from tfvision import errors
from tfvision.tools import runs

_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder.")
_SPLIT = flags.DEFINE_string("split", None, "Split to evaluate; the config's val by default.")
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for the numbers and tables.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which weights.")


def main(argv: Sequence[str]) -> None:
    """Evaluates. Raises UsageError and DataError."""
    if len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; evaluate takes flags only")
    run = runs.open_run(_WORKDIR.value, _CHECKPOINT.value)
    from tfvision.training import workdirs

    split = _SPLIT.value or run.config.data.val
    results = run.trainer.evaluate(split)
    print(f"{_WORKDIR.value}, step {run.step}, split '{split}', {run.precision}")
    for name, value in results.items():
        print(f"  {name:<18}{value:.4f}")
    for table in run.trainer.evaluator.tables():
        print(f"\n{table}")
    if _OUTPUT.value:
        content = workdirs.evaluation_json(run.step, split, results, run.trainer.evaluator)
        os.makedirs(os.path.dirname(os.path.abspath(_OUTPUT.value)), exist_ok=True)
        with open(_OUTPUT.value + ".aside", "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        os.replace(_OUTPUT.value + ".aside", _OUTPUT.value)


if __name__ == "__main__":
    app.run(main)
