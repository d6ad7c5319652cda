"""tfvision evaluate: metrics of a trained run on a split, as a table and as JSON.

tfvision evaluate --workdir=RUN evaluates a run. Weights that were imported need none:
tfvision evaluate --config=EXPERIMENT --config.weights.path=FILE --config.data.path=DIR.
--detections=FILE.json also writes a detector's boxes as COCO json, with the masks of instances.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from absl import app, flags

from tfvision import atomic, command_line, config_flag, errors, overrides, paths
from tfvision.tools import runs

_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder.")
_CONFIG = config_flag.define("In place of a run: an experiment.")
_OPTIONS = flags.DEFINE_multi_string("option", [], "As in tfvision train.")
_SPLIT = flags.DEFINE_string("split", None, "Split to evaluate; the config's val by default.")
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for the numbers and tables.")
_DATA = flags.DEFINE_string("data", None, "The converted data set, where it is now.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "best", ["best", "latest"], "Which weights.")


_DETECTIONS = flags.DEFINE_string(
    "detections", None, "COCO json file for a detector's boxes and masks."
)

arguments = overrides.flag_arguments


def main(argv: Sequence[str]) -> None:
    """Evaluates. Raises UsageError and DataError."""
    command_line.flags_only(argv, "evaluate")
    if (_WORKDIR.value is None) == (_CONFIG.value is None):
        raise errors.UsageError("give --workdir, or --config with weights, and not both")
    for flag in (_OUTPUT, _DETECTIONS):
        if flag.value:
            paths.check_file(flag.value, f"--{flag.name}")
    if _WORKDIR.value is None:
        config = overrides.with_options(_CONFIG.value, _OPTIONS.value)
        overrides.set_data(config, _DATA.value)
        run = runs.open_weights(config, _SPLIT.value or config.data.val)
    else:
        run = runs.open_run(_WORKDIR.value, _CHECKPOINT.value, _DATA.value)
    split = _SPLIT.value or run.config.data.val
    evaluator = run.trainer.evaluator
    from tfvision.metrics import detection_metrics

    writer = detection_metrics.writer(evaluator.metrics)
    if _DETECTIONS.value and writer is None:
        raise errors.UsageError(
            "--detections needs the metric 'coco' of a detector (config.metrics)"
        )
    from tfvision.training import start_checks

    data = run.trainer.data
    start_checks.samples(run.task, data, split, run.config, training=False)
    results = run.trainer.evaluate(split)
    what = f"{_WORKDIR.value}, step {run.step}" if _WORKDIR.value else run.config.weights.path
    print(f"{what}, split '{split}', {run.precision}")
    for name, value in results.items():
        print(f"  {name:<18}{value:.4f}")
    for table in evaluator.tables():
        print(f"\n{table}")
    from tfvision.training import workdirs

    if _OUTPUT.value:
        _write(_OUTPUT.value, workdirs.evaluation_json(run.step, split, results, evaluator))
    if _DETECTIONS.value:
        writer.category_ids = run.trainer.data.category_ids
        _write(_DETECTIONS.value, writer.as_coco()[1])


def _write(path: str, content) -> None:
    atomic.write_text(path, json.dumps(content, indent=2))


if __name__ == "__main__":
    app.run(main)
