"""The long proof that several workers train as one does; prints a table.

    python tests/several_workers.py tasks             # 1, 2 and 3 workers, a small net of each task
    python tests/several_workers.py kills --times=30  # SIGKILL at any moment, any worker
    python tests/several_workers.py terms --times=10  # SIGTERM likewise
    python tests/several_workers.py resume            # a run goes on with 2, then 1, then 3 workers

tasks: without batch statistics, on one global batch. kills and terms: a run of two workers, with
everything on, ends with the weights of the undisturbed one; whoever ended is started again by the
same command.
"""

import argparse
import functools
import pathlib
import random
import signal
import tempfile
import time

import cluster
import numpy as np
import test_contract

PLAIN = {
    "classification": {"model": {**test_contract.SMALL["model"], "dropout": 0.0}},
    "segmentation": {
        "task": "segmentation",
        "model": {"name": "deeplab_v3_resnet18", "width": 4, "channels": 4, "dropout": 0.0},
        "inputs": {"image_size": (24, 32), "resize": "letterbox"},
    },
    "detection": {
        **test_contract.YOLO,
        "model": {"name": "yolo_v3_small"},
        "inputs": {"image_size": (64, 64), "resize": "letterbox"},
    },
    "instance": test_contract.CASES["instance"],
}
# All anchors and regions count, so that nothing is drawn.
PLAIN["instance"] = {
    **PLAIN["instance"],
    "model": {**PLAIN["instance"]["model"], "anchor_samples": 1024, "region_samples": 256},
}


class Folders:
    """Stands in for pytest's factory."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def mktemp(self, name):
        place = self.root / name
        place.mkdir()
        return place


def config(case, path, **train):
    """The config of a case as a JSON tree; its statistics of normalisation stay as they are."""
    base = {**test_contract.SMALL, **case, "data": {"path": path}}
    settings = {"batch_size": 6, "steps": 6, "steps_per_call": 2, "eval_every": 6}
    settings |= {"precision": "float32", "report_input": False, "log_every": 1}
    return {
        **base,
        "optimizer": {"name": "momentum"},
        "schedule": {"learning_rate": 1e-4 if case.get("task") == "detection" else 0.01},
        "weights": {"freeze": ["(gamma|beta)$"]},
        "train": {**settings, **train},
    }


def all_tasks(folders):
    records = test_contract.records.__wrapped__(folders)
    for name, case in PLAIN.items():
        path = records(case.get("task", "classification"))
        runs = {
            n: cluster.run(config(case, path), folders.mktemp(f"{name}-{n}"), n) for n in (1, 2, 3)
        }
        alone = runs[1][0]
        for count in (2, 3):
            first, *others = runs[count]
            same = all(
                np.array_equal(a, b)
                for other in others
                for a, b in zip(first["weights"], other["weights"], strict=True)
            )
            assert same, "the workers' weights differ"
            assert all(other["results"] == first["results"] for other in others)
            apart = np.abs(first["rows"] - alone["rows"]).max()
            weights = max(
                np.abs(a - b).max() for a, b in zip(first["weights"], alone["weights"], strict=True)
            )
            numbers = alone["results"].keys()
            off = max(abs(first["results"][k] - alone["results"][k]) for k in numbers
                      if np.isfinite(alone["results"][k]))  # fmt: skip
            print(
                f"{name:15} {count} workers: losses within {apart:.2g} of one worker's"
                f" ({alone['rows'][0, :-1].sum():.3f} to {alone['rows'][-1, :-1].sum():.3f}),"
                f" weights {weights:.2g}, results {off:.2g}",
                flush=True,
            )


def resumed(folders):
    records = test_contract.records.__wrapped__(folders)
    case = {**PLAIN["detection"], "schedule": {"name": "constant", "learning_rate": 1e-4}}
    trees = [
        {**config(case, records("detection"), steps=steps), "schedule": case["schedule"]}
        for steps in (4, 8, 12)
    ]
    whole = cluster.run(trees[-1], folders.mktemp("whole"), 1)[0]
    folder, rows = folders.mktemp("resumed"), []
    for tree, count in zip(trees, (2, 1, 3), strict=True):
        tree["strategy"] = {"name": "multi_worker" if count > 1 else "one"}
        rows.append(cluster.run(tree, folder, count)[0]["rows"])
    apart = np.abs(np.concatenate(rows) - whole["rows"]) / np.abs(whole["rows"])
    print(f"12 steps by 2, 1 and 3 workers: each loss term within {apart.max():.2g} of its value")
    assert apart.max() < 1e-3


def disturbed(folders, number, times, seed):
    """Runs of two workers, each started again as soon as it ends early, until one has had
    `times` signals and all are done."""
    dice = random.Random(seed)
    records = test_contract.records.__wrapped__(folders)
    tree = config(PLAIN["classification"], records("classification"), steps=400)
    tree |= {"weights": {}, "optimizer": {"name": "lamb"}}
    tree["model"] = {**tree["model"], "dropout": 0.2}
    tree["train"] |= {"ema": 0.9, "checkpoint_every": 7, "eval_every": 50}
    begun = time.monotonic()
    whole, *_ = cluster.run(tree, folders.mktemp("undisturbed"), 2)
    took = time.monotonic() - begun
    had, round_ = 0, 0
    while had < times:
        folder, round_ = folders.mktemp(f"disturbed-{round_}"), round_ + 1
        got, outputs = supervised(tree, folder, number, dice, (times - had, took))
        had += got
        for output in outputs:
            for a, b in zip(cluster.read(output)["weights"], whole["weights"], strict=True):
                np.testing.assert_array_equal(a, b)
        print(f"run {round_}: the undisturbed weights, bit for bit; {had} signals", flush=True)


def supervised(tree, folder, number, dice, limits):
    """(signals that were sent, the workers' outputs) of one run."""
    most, took = limits
    places = cluster.places(tree, folder, 2)
    workers = [cluster.one(folder, places, k, 2) for k in range(2)]
    sent, starts, last = 0, 2, [None, None]
    due = time.monotonic() + dice.uniform(0.1, 0.8) * took
    while not all(code == 0 for code in last):
        time.sleep(0.05)
        if time.monotonic() > due and sent < most:
            due = time.monotonic() + dice.uniform(0.1, 0.8) * took
            victim = dice.randrange(2)
            if workers[victim][0].poll() is None:
                workers[victim][0].send_signal(number)
                sent += 1
        for k in range(2):
            code = workers[k][0].poll()
            if code is not None and last[k] is None:
                out, err = workers[k][0].communicate()
                print(f"  worker {k} ended: {code} {(err.strip().splitlines() or [''])[-1][:90]}")
                last[k] = code
                assert code in (0, 75, 143, -9, -15), out + err[-3000:]
                if code:
                    workers[k], last[k] = cluster.one(folder, places, k, 2), None
                    starts += 1
                    assert starts < 200, "they start again and again"
    return sent, [output for _, output in workers]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = {
        "tasks": lambda folders, _: all_tasks(folders),
        "resume": lambda folders, _: resumed(folders),
        "kills": functools.partial(signals, signal.SIGKILL),
        "terms": functools.partial(signals, signal.SIGTERM),
    }
    parser.add_argument("what", choices=kinds)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        kinds[given.what](Folders(root), given)


def signals(number, folders, given):
    disturbed(folders, number, given.times, given.seed)


if __name__ == "__main__":
    main()
