"""One worker of a run: trains by a config, and writes what it ended with.

    python worker_run.py CONFIG.json WORKDIR OUTPUT.npz

The environment's TF_CONFIG says which one of how many it is. The output has the weights (w0 ...),
the rows of losses, the results and the step; the chief's also has the images of each step.
"""

import json
import pathlib
import sys

import numpy as np
import resnet6

from tfvision import config as configs
from tfvision import errors, stack, tasks, training
from tfvision.training import loop


def main(config, workdir, output):
    """Trains; what ends it early comes out as the command's exit code does."""
    resnet6.register()
    config = configs.config(**json.loads(pathlib.Path(config).read_text()))
    training.prepare(config)
    strategy = training.strategies.make(config)
    trainer = training.Trainer(tasks.build(config), config, workdir, strategy=strategy)
    rows, take = [], loop.Loop.step
    loop.Loop.step = lambda self: rows.append(take(self)) or rows[-1]
    results = trainer.fit()
    np.savez(
        output,
        *[np.array(stack.raw(v)) for v in trainer.net.variables()],
        rows=np.concatenate(rows) if rows else np.zeros((0, 0)),
        results=json.dumps(results),
        step=trainer.steps_done,
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except errors.TfvisionError as error:
        print(f"worker_run: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
