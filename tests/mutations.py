"""Does a test fail where a line is wrong? Forty lines of the library, each changed in turn.

    python tests/mutations.py [NUMBER ...]     all: about half an hour on two cores

Works on a copy of the tree. Exits with 1 where a change survives the tests of its file.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
TRAINER = "training/test_trainer.py"
GOING_ON = "training/test_going_on.py"
# (file of tfvision/, what stands there once, what it becomes, tests that must fail)
MUTATIONS = [
    ("training/trainer.py", "rate *= train.batch_size /", "rate /= train.batch_size /", GOING_ON),
    ("training/step.py", "/ tf.maximum(norm, settings.clip_norm)", "/ norm", TRAINER),
    ("training/step.py", "for v in losses.values()]) / parts", "for v in losses.values()])",
     TRAINER),
    ("training/step.py", "[gradient / count for", "[gradient for", TRAINER),
    ("training/step.py", "value / replicas for", "value for", TRAINER),
    ("training/averages.py", "(1.0 + age) / (10.0 + age)", "(1.0 + age) / (1.0 + age)",
     "training/test_averages.py"),
    ("training/averages.py", "variable.assign(kept)", "variable.assign(average)",
     "training/test_averages.py"),
    ("training/resuming.py", "if new < old:", "if new > old:", GOING_ON),
    ("training/best.py", "sign * value < sign * before", "sign * value > sign * before", GOING_ON),
    ("training/best.py", "loss > other:", "loss < other:", GOING_ON),
    ("training/checkpoints.py", "if old <= step][-", "if old < step][-", GOING_ON),
    ("layers/normalization.py", "ReduceOp.MEAN, local", "ReduceOp.SUM, local", TRAINER),
    ("layers/normalization.py", "mean * (1.0 - keep)", "mean * keep", "layers/test_layers.py"),
    ("inputs/windows.py", "tf.exp(low + draws[:, 1] * (high - low))\n        tall",
     "ratio[0] + draws[:, 1] * (ratio[1] - ratio[0])\n        tall", "inputs/test_augment.py"),
    ("inputs/windows.py", "// 2\n        any_fits = tf.reduce_any(fits)",
     "// 3\n        any_fits = tf.reduce_any(fits)", "inputs/test_augment.py"),
    ("inputs/windows.py", "image - size + 1, tf.float32", "image - size, tf.float32",
     "inputs/test_augment.py"),
    ("inputs/mixing.py", "fraction * labels + (1.0 - fraction)",
     "(1.0 - fraction) * labels + fraction", "inputs/test_mixing.py"),
    ("inputs/pipeline.py", "samples // order.records,", "(samples + 1) // order.records,",
     "inputs/test_pipeline_turned.py"),
    ("ops/boxes.py", "area(a) + area(b) - common)", "area(a) + area(b))", "ops/test_boxes.py"),
    ("ops/boxes.py", "(bottom - top) * (right - left)", "(bottom - top) * (right - top)",
     "ops/test_boxes.py"),
    ("ops/nms.py", "iou_matrix(a, b) > iou_threshold", "iou_matrix(a, b) >= iou_threshold",
     "ops/test_nms.py"),
    ("ops/nms.py", "tf.square(overlap) / sigma", "overlap / sigma", "ops/test_nms.py"),
    ("ops/matching.py", "best < negative_iou", "best <= negative_iou", "ops/test_matching.py"),
    ("ops/matching.py", "inside >= ignored_share", "inside > ignored_share",
     "ops/test_matching.py"),
    ("ops/matching.py", "int(count * positive_share)", "count", "ops/test_matching.py"),
    ("ops/rpn_anchors.py", "(length // count)", "(length / count)", "ops/test_rpn_anchors.py"),
    ("ops/maps.py", "start + 1, canvas)", "start + 2, canvas)", "ops/test_maps.py"),
    ("losses/segmentation_losses.py", "alpha: float = 0.3", "alpha: float = 0.7",
     "losses/test_losses_segmentation.py"),
    ("losses/segmentation_losses.py",
     "lost[..., 1:] - lost[..., :-1]", "lost[..., :-1] - lost[..., 1:]",
     "losses/test_losses_segmentation.py"),
    ("losses/yolo_losses.py", "weight = head.coord_scale * (2.0 - gt.share)",
     "weight = head.coord_scale * (1.0 - gt.share)", "losses/test_losses_yolo.py"),
    ("losses/yolo_losses.py", "head.noobject_scale * squares(confidence)\n    if head.softmax",
     "head.object_scale * squares(confidence)\n    if head.softmax", "losses/test_losses_yolo.py"),
    ("optimizers/own.py", "(update_norm > 0), norm / safe", "(update_norm > 0), safe / norm",
     "optimizers/test_optimizers.py"),
    ("optimizers/schedules.py", "power: float = 0.9", "power: float = 1.0",
     "optimizers/test_optimizers.py"),
    ("optimizers/schedules.py", "tf.floor(step * parts / total)", "tf.round(step * parts / total)",
     "optimizers/test_optimizers.py"),
    ("metrics/voc_metrics.py", "range(11)]", "range(10)]", "metrics/test_metrics_voc.py"),
    ("metrics/voc_metrics.py", "overlap >= iou", "overlap > iou", "metrics/test_metrics_voc.py"),
    ("metrics/classification_metrics.py", "(~(scores < label_scores))", "(scores > label_scores)",
     "metrics/test_metrics_classification.py"),
    ("metrics/calibration.py", "higher_is_better = False", "higher_is_better = True", GOING_ON),
    ("records/shards.py", "at * len(indices) // count : (at + 1)",
     "at * len(indices) // count : at", "records/test_records_writer.py"),
    ("tasks/networks.py", "weight * value", "value", "test_aux_weight.py"),
    ("losses/named.py", "+ term.weight * value", "+ value", "losses/test_losses_named.py"),
]  # fmt: skip


def main():
    """Prints a line a mutation; exits with 1 where one survives."""
    chosen = [int(number) for number in sys.argv[1:]] or range(len(MUTATIONS))
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        for number in chosen:
            file, before, after, tests = MUTATIONS[number]
            path = copy / "tfvision" / file
            sound = path.read_text()
            assert sound.count(before) == 1, (file, before, sound.count(before))
            path.write_text(sound.replace(before, after))
            start = time.monotonic()
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                       f"tests/{tests}"]  # fmt: skip
            # The copy's own folder comes first, before the one that is installed.
            environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
            done = subprocess.run(command, cwd=copy, env=environment, capture_output=True)
            path.write_text(sound)
            seconds = time.monotonic() - start
            verdict = "killed" if done.returncode == 1 else f"SURVIVED ({done.returncode})"
            print(f"{number:2} {verdict:9} {seconds:4.0f} s  {file}: {before!r} -> {after!r}"
                  .replace("\\n", " "), flush=True)  # fmt: skip
            if done.returncode != 1:
                survived.append(number)
    sys.exit(f"survived: {survived}" if survived else 0)


if __name__ == "__main__":
    main()
