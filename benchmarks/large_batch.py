"""SGD with momentum, LARS and LAMB at batch 64, 512 and 2048, on scikit-learn's digits.

    python benchmarks/large_batch.py --data=RECORDS [--epochs=100] [--output=FILE.json]
        [--picture=FILE.png]

RECORDS: converted digits (see experiments/digits_resnet.py). Every run sees the same number of
images. The rate of each optimizer is the best of three at batch 64 and grows with the batch by its
rule: linear for SGD, the root for LAMB, either for LARS. One row a run: rate, steps, top-1 on the
360 held-out digits and the loss of the last step; at the end the difference to batch 64. The
picture has the losses over the images seen.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

BATCHES = (64, 512, 2048)
IMAGES = 1437  # of digits, to train on
CONTENDERS = {  # optimizer with its options, rates to choose from at batch 64, rule
    "momentum": ({"name": "momentum"}, (0.02, 0.05, 0.1), "linear"),
    "lars": ({"name": "lars", "weight_decay": 1e-4}, (1.0, 2.0, 4.0), "linear"),
    "lars, root": ({"name": "lars", "weight_decay": 1e-4}, (1.0, 2.0, 4.0), "sqrt"),
    "lamb": ({"name": "lamb", "weight_decay": 0.01}, (0.005, 0.01, 0.02), "sqrt"),
}


def config(data, optimizer, rate, rule, batch, epochs):
    from tfvision.config import config

    return config(
        data={"path": data},
        # Few steps: the moving statistics must follow faster than by 0.9.
        model={"name": "resnet18", "width": 8, "stem": "small", "bn_momentum": 0.6},
        inputs={
            "image_size": (16, 16),
            "resize": "stretch",
            "augment": ({"name": "translate", "pixels": 2},),
        },
        optimizer=optimizer,
        schedule={
            "name": "cosine",
            "learning_rate": rate,
            "warmup_epochs": epochs / 8,
            "scale_with_batch": 64,
            "scale_rule": rule,
        },
        train={
            "batch_size": batch,
            "epochs": float(epochs),
            "precision": "float32",
            "eval_every": 10**6,
            "checkpoint_every": 10**6,
            "log_every": 1,
            "report_input": False,
        },
        eval={"batch_size": 360},
    )


def run(conf):
    """top-1, and the losses of all steps."""
    from tfvision import errors, tasks, training
    from tfvision.training import logs

    with tempfile.TemporaryDirectory() as folder:
        try:
            results = training.Trainer(tasks.build(conf), conf, f"{folder}/run").fit()
        except errors.NonFiniteError:
            return {"top1": 0.0, "losses": []}
        rows = [row for _, row in logs.entries(f"{folder}/run/log.jsonl")]
    losses = [round(row["loss"], 4) for row in rows if row["kind"] == "train"]
    return {"top1": results["top1"], "losses": losses}


def draw(rows, path):
    """A plot for each batch size: the loss over epochs of each optimizer at its best rate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    best = {row["optimizer"]: row["rate"] for row in rows}  # the last rate is the chosen one
    figure, axes = pyplot.subplots(1, len(BATCHES), figsize=(12, 3.6), sharey=True)
    for axis, batch in zip(axes, BATCHES, strict=True):
        for row in rows:
            if row["batch"] == batch and row["rate"] == best[row["optimizer"]]:
                size = max(IMAGES // batch, 1)  # a point is the mean of an epoch's steps
                parts = [row["losses"][k : k + size] for k in range(0, len(row["losses"]), size)]
                losses = [statistics.mean(part) for part in parts]
                epochs = [(k + 1) * size * batch / IMAGES for k in range(len(losses))]
                name = row["optimizer"].partition(",")[0]
                label = f"{name} ({row['rule']}), top-1 {row['top1']:.3f}"
                axis.plot(epochs, losses, linewidth=1, label=label)
        axis.set(title=f"batch {batch:,}", xlabel="epochs", yscale="log")
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="training loss")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--output")
    parser.add_argument("--picture")
    given = parser.parse_args()
    rows = []
    for name, (optimizer, rates, rule) in CONTENDERS.items():

        def measured(rate, batch, name=name, optimizer=optimizer, rule=rule):
            found = run(config(given.data, optimizer, rate, rule, batch, given.epochs))
            rows.append({"optimizer": name, "rule": rule, "rate": rate, "batch": batch, **found})
            last = found["losses"][-1] if found["losses"] else float("nan")
            print(
                f"{name:10} batch {batch:5}  rate at 64 {rate:<6g} steps {len(found['losses']):4}"
                f"  loss {last:.4f}  top-1 {found['top1']:.4f}",
                file=sys.stderr,
                flush=True,
            )
            return found["top1"]

        tried = {rate: measured(rate, BATCHES[0]) for rate in rates}
        best = max(tried, key=tried.get)
        points = [100 * (measured(best, batch) - tried[best]) for batch in BATCHES[1:]]
        told = ", ".join(f"{p:+.1f} at {b}" for b, p in zip(BATCHES[1:], points, strict=True))
        print(f"{name} ({rule}, rate {best:g} at 64): {100 * tried[best]:.1f}; points: {told}")
    if given.picture:
        draw(rows, given.picture)
    if given.output:
        with open(given.output, "w", encoding="utf-8") as file:
            json.dump(rows, file)


if __name__ == "__main__":
    main()
