"""Training steps of experiments in float32 and bfloat16, with and without XLA.

    python benchmarks/step_kinds.py balloons_resnet18=RECORDS balloons_deeplab=RECORDS ...
        [--rounds=3]

Each experiment trains on a batch of its own records, again and again; the kinds take turns. Prints
a row each: images a second in float32, and the others over it (the median of the rounds' ratios).
A kind that cannot be compiled has its reason.
"""

import argparse
import copy
import os
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

KINDS = {
    "float32": {"precision": "float32", "xla": False},
    "bfloat16": {"precision": "bfloat16", "xla": False},
    "float32 xla": {"precision": "float32", "xla": True},
    "bfloat16 xla": {"precision": "bfloat16", "xla": True},
}


def trainers(name, records):
    """{kind: a Trainer} of an experiment."""
    from tfvision import config, overrides, tasks, training

    made = {}
    for kind, settings in KINDS.items():
        conf = copy.deepcopy(config.experiment(name))
        conf.train.update(settings)
        conf.train.deterministic = False  # XLA has no deterministic max pooling
        overrides.set_data(conf, records)
        training.prepare(conf)
        made[kind] = training.Trainer(tasks.build(conf), conf, "")
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT=RECORDS")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for pair in given.experiments:
        name, _, records = pair.partition("=")
        made, rates, failed = trainers(name, records), {}, {}
        for turn in range(given.rounds):
            for kind in sorted(made, reverse=bool(turn % 2)):
                if kind in failed:
                    continue
                try:
                    rates[kind] = [*rates.get(kind, ()), made[kind].step_rate()]
                except Exception as error:
                    failed[kind] = " ".join(str(error).split())[:300]
        base = rates["float32"]
        told = [f"float32 {statistics.median(base):.3g} images/s"]
        for kind in KINDS:
            if kind != "float32" and kind not in failed:
                ratios = [a / b for a, b in zip(rates[kind], base, strict=True)]
                told.append(
                    f"{kind} {statistics.median(ratios):.2f} ({min(ratios):.2f} to"
                    f" {max(ratios):.2f})"
                )
        print(f"{name}: {', '.join(told)}", flush=True)
        for kind, reason in failed.items():
            print(f"{name}, {kind}: {reason}", flush=True)


if __name__ == "__main__":
    main()
