"""Two workers, a core each, against one worker on one core: images a second of training.

    python benchmarks/two_workers.py --data=RECORDS [--model=resnet18] [--side=224] [--batch=32]

RECORDS: any converted classification data. --pairs runs of each take turns; a pair prints the
images a second between the second and the last log entry of each, and their ratio. --batch is a
worker's. What two lose is the sum of the gradients between them, 45 MB a step for ResNet-18,
whatever the batch and the image size are.
"""

import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile

CODE = """
import json, os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
from tfvision import config, tasks, training
conf = config.config(**json.loads(sys.argv[2]))
training.prepare(conf)
strategy = training.strategies.make(conf)
training.Trainer(tasks.build(conf), conf, sys.argv[3], strategy=strategy).fit()
"""


def ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    found = [s.getsockname()[1] for s in sockets]
    for each in sockets:
        each.close()
    return found


def rate(given, count, steps):
    """Images a second of `count` workers, each on a core of its own."""
    tree = {
        "data": {"path": given.data},
        "model": {"name": given.model},
        "inputs": {"image_size": [given.side] * 2, "resize": "stretch"},
        "train": {
            "batch_size": given.batch * count,
            "steps": steps,
            "steps_per_call": 2,
            "log_every": 2,
            "eval_every": 10**6,
            "checkpoint_every": 10**6,
            "precision": "float32",
            "report_input": False,
        },
    }
    places = [f"localhost:{port}" for port in ports(count)]
    with tempfile.TemporaryDirectory() as folder:
        started = []
        for number in range(count):
            cluster = {"cluster": {"worker": places}, "task": {"type": "worker", "index": number}}
            more = {"TF_CONFIG": json.dumps(cluster)} if count > 1 else {}
            command = [sys.executable, "-c", CODE, str(number), json.dumps(tree), f"{folder}/run"]
            started.append(
                subprocess.Popen(
                    command,
                    env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **more},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        codes = [process.wait() for process in started]
        if any(codes):
            raise SystemExit(f"the workers ended with {codes}")
        lines = (pathlib.Path(folder) / "run" / "log.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    first, last = rows[1], rows[-1]  # the first entry holds the compiling
    done = (last["step"] - first["step"]) * given.batch * count
    return done / (last["time"] - first["time"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    ratios = []
    for pair in range(given.pairs):
        order = (1, 2) if pair % 2 else (2, 1)
        found = {count: rate(given, count, given.steps) for count in order}
        ratios.append(found[2] / found[1])
        print(
            f"pair {pair + 1}: one worker {found[1]:.1f} images/s, two {found[2]:.1f},"
            f" ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
