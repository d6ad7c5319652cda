"""Where a step's time goes: seconds in each kind of oneDNN primitive, ours beside torchvision's.

    python benchmarks/onednn_profile.py [--mode=train] [--model=resnet50] [--precision=bfloat16]
        [--steps=2] [--torch=PYTHON]

Both libraries compute their convolutions with oneDNN, which tells of each primitive that it ran
(ONEDNN_VERBOSE). What it does not tell of is the rest: normalisation and activations that are the
library's own, the optimizer, copies, waiting. Here TensorFlow runs one op at a time, as torch does:
usually it runs two at once, and their times would count twice; both whole steps are given.
"""

import argparse
import collections
import os
import sys

import contest

ROW = "  {:<34}" + "{:>16}" * 2


def seconds_by_kind(lines):
    """{(primitive, direction): (seconds, calls)} of oneDNN's lines."""
    totals = collections.defaultdict(lambda: (0.0, 0))
    for line in lines:
        fields = line.split(",")
        if "exec" not in fields or len(fields) < 8:
            continue
        at = fields.index("exec")  # engine, primitive, implementation, direction follow it
        primitive, direction = fields[at + 2], fields[at + 4]
        kind = (primitive, "" if direction == "undef" else direction)
        seconds, calls = totals[kind]
        totals[kind] = (seconds + float(fields[-1]) / 1000, calls + 1)
    return dict(totals)


def measure(who, options):
    """(seconds a step, {kind: (seconds a step, calls a step)})."""
    contender = contest.contender(
        who, options.mode, options.model, options.precision, options.torch
    )
    if not contender.alive:
        return None
    contender.turn(1)
    contender.other.clear()
    seconds = contender.turn(options.steps)[0] / options.steps
    kinds = seconds_by_kind(contender.other)
    contender.end()
    return seconds, {k: (s / options.steps, n / options.steps) for k, (s, n) in kinds.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=("train", "infer"), default="train")
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--torch", default=sys.executable, help="Python that has torchvision")
    options = parser.parse_args()
    os.environ["ONEDNN_VERBOSE"] = "1"
    names = ("ours", "torch")
    usual = measure("ours", options)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    results = [measure(who, options) for who in names]
    missing = [who for who, result in zip(names, results, strict=True) if result is None]
    if missing:
        sys.exit(f"{missing[0]} does not run here")
    print(f"{options.mode} {options.model} {options.precision}, milliseconds (calls) a step")
    print(ROW.format("", "ours", "torchvision"))
    kinds = {kind for _, profile in results for kind in profile}
    order = sorted(kinds, key=lambda k: -max(profile.get(k, (0, 0))[0] for _, profile in results))
    for kind in order:
        cells = (profile.get(kind, (0.0, 0)) for _, profile in results)
        cells = (f"{1000 * seconds:.0f} ({calls:.0f})" for seconds, calls in cells)
        print(ROW.format(" ".join(kind), *cells))
    sums = [sum(s for s, _ in profile.values()) for _, profile in results]
    rest = [f"{1000 * (r[0] - s):.0f}" for r, s in zip(results, sums, strict=True)]
    print(ROW.format("the rest", *rest))
    print(ROW.format("the whole step", *(f"{1000 * r[0]:.0f}" for r in results)))
    print(ROW.format("the same, ops side by side", f"{1000 * usual[0]:.0f}", ""))


if __name__ == "__main__":
    main()
