"""A trained net -> BASE/<version>, a SavedModel that was reloaded and compared before it counts.

Axis letters: B samples.
"""

from __future__ import annotations

import datetime
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

import tfvision
from tfvision import atomic, errors, paths
from tfvision.inputs import decode
from tfvision.records import aside, image_files
from tfvision.serving import module, versions
from tfvision.task import Net, Task

# rtol, atol by precision. A frozen graph has its normalisation folded into the convolutions:
# the same numbers in another order. bfloat16 rounds to 8 bits at other places then, and after
# a network's depth scores move by about a hundredth.
TOLERANCES = {"float32": (1e-4, 1e-5), "bfloat16": (0.0, 2e-2), "float16": (0.0, 2e-2)}
WARMUP_RECORDS = 8

_BATCHING = """\
# For TensorFlow Serving: --enable_batching --batching_parameters_file=<this file>
max_batch_size { value: 32 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 128 }
num_batch_threads { value: 4 }
"""


def export(
    task: Task,
    net: Net,
    *,
    class_names: Sequence[str],
    config_json: Mapping,
    metrics: Mapping,
    output: str,
    version: int | None = None,
    samples: Sequence[bytes],
    category_ids: Sequence[int] | None = None,
) -> str:
    """Writes BASE/<version> and returns its path; `output` is BASE.

    net: with the weights to export. config_json: the run's config as plain values. metrics: of
    the config's val split. version: by default the highest there is plus one, 1 at first.
    samples: real encoded images; the saved model must answer them as `net` does. category_ids:
    of the data set, in class order, where it has its own; they go into the model card.

    Raises DataError where the version exists, a sample is not an image, there is none, or the
    reloaded model answers differently; nothing is left behind then. Raises UsageError for a net
    that takes more than an image: Fast R-CNN's proposals come with the records."""
    _check_inputs(net)
    samples = [image_files.normalise(s, f"sample {i}").data for i, s in enumerate(samples)]
    if not samples:
        raise errors.DataError("an export is checked on real images, and there is none")
    for name in class_names:
        if "\n" in name:
            raise errors.DataError(
                f"class name {name!r} has a line break; labels.txt cannot hold it"
            )
    with aside.folder(output) as work:
        target = os.path.join(output, str(_version(output, version)))
        folder = os.path.join(work, "export")
        with atomic.reported(target):
            _write(task, net, class_names, folder)
        scaled = config_json.get("inputs", {}).get("scaled_decoding", False)
        rows = _check(task, net, samples, folder, work, scaled)
        card = _card(task, net, class_names, config_json, metrics, rows, len(samples))
        card["category_ids"] = None if category_ids is None else list(category_ids)
        with atomic.reported(target):
            warmed = _write_warmup(folder, samples)
            text = json.dumps(card, indent=2) + "\n"
            atomic.write_text(os.path.join(folder, "model_card.json"), text)
            atomic.sync_all(folder)
            os.rename(folder, target)
            atomic.sync(output)
    print(_report(target, card["check"], warmed))
    return target


def _check_inputs(net: Net) -> None:
    more = sorted({tensor.name for tensor in net.serve.inputs} - {*module.INPUTS})
    if more:
        raise errors.UsageError(
            f"{net.serve.name} looks at {', '.join(more)} beside the image, which a served graph"
            " cannot compute; evaluate it on records that contain them, or export faster_rcnn_*,"
            " which proposes for itself"
        )


def _version(output: str, version: int | None) -> int:
    if version is None:
        return max(versions.numbers(output), default=0) + 1
    if not 1 <= version < 1 << 63:
        raise errors.UsageError(f"version is {version}; it is a whole number from 1")
    if os.path.lexists(os.path.join(output, str(version))) or version in versions.numbers(output):
        raise errors.DataError(
            f"{output} already has version {version}; choose another one, or none for the next"
        )
    return version


def _write(task: Task, net: Net, class_names: Sequence[str], folder: str) -> None:
    root, functions = module.build(task, net, class_names)
    # Nobody trains what is served, and a layer's own gradient may not be written at all.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    os.makedirs(folder)
    with paths.plain(folder) as place:
        tf.saved_model.save(root, place, signatures=functions, options=options)
    for name in ("assets", "assets.extra"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    labels = "".join(f"{name}\n" for name in class_names)
    atomic.write_text(os.path.join(folder, versions.LABELS), labels)
    atomic.write_text(os.path.join(folder, "batching_params.pbtxt"), _BATCHING)


def precision(net: Net) -> str:
    """ "bfloat16" or "float16" where a layer of `net.serve` computes in it, else "float32"."""
    kinds = {getattr(layer, "compute_dtype", "float32") for layer in net.serve.layers}
    return next((kind for kind in ("bfloat16", "float16") if kind in kinds), "float32")


def _check(
    task: Task, net: Net, samples: Sequence[bytes], folder: str, work: str, scaled: bool
) -> list[dict]:
    """Runs check.py on what was written, in a fresh process.

    scaled: with inputs.scaled_decoding an image's bytes and its pixels get different answers."""
    path = os.path.join(work, "samples.npz")
    arrays = {f"sample/{i}": np.frombuffer(s, np.uint8) for i, s in enumerate(samples)}
    expected = answers(task, net, samples)
    of_pixels = answers(task, net, samples, decoded=True) if scaled else expected
    arrays |= {f"answer/{k}": v for k, v in expected.items()}
    arrays |= {f"of_pixels/{k}": v for k, v in of_pixels.items()}
    np.savez(path, tolerance=np.array(TOLERANCES[precision(net)]), **arrays)
    root = os.path.dirname(os.path.dirname(os.path.abspath(tfvision.__file__)))
    places = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.run(
        [sys.executable, "-m", "tfvision.serving.check", folder, path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if process.returncode:
        lines = process.stderr.strip().split("\n")
        mismatches = [line for line in lines if line.startswith("mismatch: ")] or lines[-1:]
        raise errors.DataError(
            "the saved model does not answer as the trained one does, so nothing was exported: "
            + mismatches[0].removeprefix("mismatch: ")
        )
    return [json.loads(line) for line in process.stdout.split("\n") if line.startswith("{")]


def answers(
    task: Task, net: Net, samples: Sequence[bytes], *, decoded: bool = False
) -> dict[str, np.ndarray]:
    """The training-side model's predictions for encoded images, op by op, [B, ...].

    decoded: for their pixels, decoded whole."""
    examples = [{"encoded": tf.constant(sample)} for sample in samples]
    if decoded:
        examples = [{"image": decode.pixels(example)} for example in examples]
    prepared = [task.prepare_eval(example) for example in examples]
    batch = {k: tf.stack([p[k] for p in prepared]) for k in ("image", "frame")}
    predictions = task.predict(module.outputs(net, batch), batch["frame"])
    return {name: value.numpy() for name, value in predictions.items()}


def _write_warmup(folder: str, samples: Sequence[bytes]) -> bool:
    """assets.extra/tf_serving_warmup_requests; False where its protocol buffers are missing.

    The check has answered each of these requests before, one by one."""
    if importlib.util.find_spec("tensorflow_serving") is None:
        return False
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path = os.path.join(folder, "assets.extra", "tf_serving_warmup_requests")
    with tf.io.TFRecordWriter(os.fsencode(path)) as writer:
        for sample in samples[:WARMUP_RECORDS]:
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = module.DEFAULT
            request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([sample]))
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())
    return True


def _card(task, net, class_names, config_json, metrics, rows, count) -> dict:
    rtol, atol = TOLERANCES[precision(net)]
    return {
        "task": task.name,
        "classes": list(class_names),
        "preprocessing": config_json.get("inputs", {}),
        "input_size": list(module.image_size(net)),
        "precision": precision(net),
        "metrics": {"split": config_json.get("data", {}).get("val", ""), **metrics},
        "check": {"samples": count, "rtol": rtol, "atol": atol, "compared": rows},
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "tfvision": tfvision.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
        "config": config_json,
    }


def _report(target: str, check: Mapping, warmed: bool) -> str:
    lines = [
        f"{target}: reloaded in a fresh process and compared with the trained model on"
        f" {check['samples']} images (rtol {check['rtol']:g}, atol {check['atol']:g})"
    ]
    for row in check["compared"]:
        lines.append(
            f"  {row['signature']:<16} {row['output']:<12} {row['shape']!s:<12}"
            f" largest difference {row['largest_difference']:.2g}"
        )
    if not warmed:
        lines.append(
            "  no warm-up requests for TensorFlow Serving: they need"
            " `pip install tfvision[serving-api]`"
        )
    return "\n".join(lines)
