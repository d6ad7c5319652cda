"""Two workers, a core each, against one worker on one core: images a second of training.

    python benchmarks/two_workers.py --data=RECORDS [--model=resnet18] [--side=224] [--batch=32]

RECORDS: any converted classification data. --batch is a worker's. --pairs runs take turns: one
worker, two workers, and two that know nothing of each other, which is what this machine's cores
give at most. Each prints the images a second between the second and the last log entry. At the
end: what adding up the gradients takes by itself (bytes, ms), and the formula of docs/scale.md
with these numbers for up to 256 workers.
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

TRAIN = """
import json, os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
from tfvision import config, tasks, training
conf = config.config(**json.loads(sys.argv[2]))
training.prepare(conf)
strategy = training.strategies.make(conf)
training.Trainer(tasks.build(conf), conf, sys.argv[3], strategy=strategy).fit()
"""
ADD = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
def add(value):
    replicas = tf.distribute.get_replica_context()
    return replicas.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))
run = tf.function(lambda value: strategy.run(add, args=(value,)))
for floats in (2, int(sys.argv[2])):
    value, times = tf.ones([floats]), []
    for _ in range(12):
        start = time.perf_counter()
        float(strategy.experimental_local_results(run(value))[0][0])
        times.append(time.perf_counter() - start)
    print(floats * 4, sorted(times[2:])[5])
"""
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


def places(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    names = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for each in sockets:
        each.close()
    return names


def start(code, arguments, count, **options):
    """Processes of `code` with a row of arguments each, pinned to a core each, joined by TF_CONFIG
    where count, the workers of a run, is more than 1."""
    where = places(count)
    started = []
    for number, row in enumerate(arguments):
        cluster = {"cluster": {"worker": where}, "task": {"type": "worker", "index": number}}
        joined = {"TF_CONFIG": json.dumps(cluster)} if count > 1 else {}
        command = [sys.executable, "-c", code, str(number), *row]
        environment = {**os.environ, **QUIET, **joined}
        started.append(
            subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, **options)
        )
    return started


def config(given, workers):
    return {
        "data": {"path": given.data},
        "model": {"name": given.model},
        "inputs": {"image_size": [given.side] * 2, "resize": "stretch"},
        "train": {
            "batch_size": given.batch * workers,
            "steps": given.steps,
            "steps_per_call": 2,
            "log_every": 2,
            "eval_every": 10**6,
            "checkpoint_every": 10**6,
            "precision": "float32",
            "report_input": False,
        },
    }


def rate(given, processes, joined):
    """Images a second of `processes`, each on a core of its own, of one run or of one each."""
    workers = processes if joined else 1
    tree = json.dumps(config(given, workers))
    with tempfile.TemporaryDirectory() as folder:
        runs = [f"{folder}/{0 if joined else k}" for k in range(processes)]
        started = start(TRAIN, [(tree, run) for run in runs], workers, stdout=subprocess.DEVNULL)
        codes = [process.wait() for process in started]
        if any(codes):
            raise SystemExit(f"the workers ended with {codes}")
        return sum(logged(run, given.batch * workers) for run in dict.fromkeys(runs))


def logged(run, batch):
    """Images a second by a run's log; its first entry holds the compiling."""
    lines = (pathlib.Path(run) / "log.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    first, last = rows[1], rows[-1]
    return (last["step"] - first["step"]) * batch / (last["time"] - first["time"])


def adding(count):
    """[(bytes, seconds)] of adding up a few and `count` floats over two workers."""
    started = start(ADD, [(str(count),)] * 2, 2, stdout=subprocess.PIPE, text=True)
    outputs = [process.communicate()[0] for process in started]
    return [tuple(map(float, line.split())) for line in outputs[0].splitlines()]


def weights(given):
    """The number of floats that the workers of a model add up in a step."""
    from tfvision import architectures

    net = architectures.build(given.model, num_classes=10, image_size=(given.side, given.side))
    return sum(variable.shape.num_elements() for variable in net.train.trainable_variables)


def table(given, alone):
    """What the formula says of more workers; alone: images a second of a worker by itself."""
    (_, latency), (size, seconds) = adding(weights(given))
    rate = size / seconds  # a ring of two sends each byte once each way
    step = given.batch / alone
    print(f"adding up over two workers: 8 bytes {1e3 * latency:.1f} ms,"
          f" {size / 1e6:.0f} MB {1e3 * seconds:.0f} ms ({rate / 1e6:.0f} MB/s)")  # fmt: skip
    print(f"a step of {given.batch} images of a worker by itself: {1e3 * step:.0f} ms")
    print("workers  ms a step  efficiency  at 10 Gbit/s  at 100 Gbit/s")
    for workers in (2, 4, 8, 16, 32, 64, 128, 256):
        shares = []
        for speed in (rate, 10e9 / 8, 100e9 / 8):
            ring = 2 * (workers - 1) * (latency / 2 + size / workers / speed)
            shares.append(step / (step + ring))
        print(
            f"{workers:7d}  {1e3 * step / shares[0]:9.0f}"
            f"  {shares[0]:10.0%}  {shares[1]:12.0%}  {shares[2]:13.0%}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    kinds = {"one": (1, True), "two": (2, True), "apart": (2, False)}
    rates = {kind: [] for kind in kinds}
    for pair in range(given.pairs):
        for kind in sorted(kinds, reverse=bool(pair % 2)):
            rates[kind].append(rate(given, *kinds[kind]))
        one, two, apart = (rates[kind][-1] for kind in kinds)
        print(
            f"pair {pair + 1}: one worker {one:.1f} images/s, two {two:.1f} ({two / one:.2f}),"
            f" two apart {apart:.1f} ({apart / one:.2f})",
            flush=True,
        )
    for kind in ("two", "apart"):
        ratios = [a / b for a, b in zip(rates[kind], rates["one"], strict=True)]
        median = statistics.median(ratios)
        print(f"median ratio, {kind}: {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    table(given, statistics.median(rates["one"]))


if __name__ == "__main__":
    main()
