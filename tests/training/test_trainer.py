import contextlib
import json
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import class_folders
import keras
import numpy as np
import pytest
import tensorflow as tf
import warm

from tfvision import config as configs
from tfvision import errors, sources, stack, tasks, training
from tfvision.records import writer
from tfvision.weights import native

TESTS = pathlib.Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("small_model")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """48 + 10 noisy pictures of two colors, 12 x 12."""
    folder = tmp_path_factory.mktemp("colors")
    class_folders.write(folder / "images", {"train": 24, "val": 5}, class_folders.shades(12, 25))
    return class_folders.convert(folder / "images", folder / "records", shards=2)


def small(records, **changes):
    train = {"batch_size": 8, "steps": 12, "log_every": 100, "precision": "float32"}
    train |= {"steps_per_call": 4, "report_input": False} | changes.pop("train", {})
    model = {"name": "resnet6", "width": 4, "stem": "small"} | changes.pop("model", {})
    base = {
        "data": {"path": str(records)},
        "model": model,
        "inputs": {"image_size": (12, 12), "resize": "stretch"},
        "optimizer": {"name": "lamb"},
        "schedule": {"learning_rate": 0.02},
        "train": train,
    }
    return configs.config(**{**base, **changes})


def trainer(config, workdir, **options):
    return training.Trainer(tasks.build(config), config, str(workdir), **options)


def weights_of(workdir):
    """Every saved value of the last checkpoint."""
    last = sorted((pathlib.Path(workdir) / "checkpoints").glob("step-*"))[-1]
    reader = tf.train.load_checkpoint(str(last / "variables"))
    names = sorted(reader.get_variable_to_shape_map())
    return last.name, {n: reader.get_tensor(n) for n in names if "OBJECT_GRAPH" not in n}


def assert_same_weights(one, other):
    (last, a), (other_last, b) = weights_of(one), weights_of(other)
    assert last == other_last
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.addons
def test_a_run_learns_logs_and_keeps_its_checkpoints(records, tmp_path, capfd):
    run = trainer(small(records, train={"steps": 40, "log_every": 1}), tmp_path / "run")
    results = run.fit()
    assert results["top1"] == 1.0
    entries = [
        json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().split("\n")[:-1]
    ]
    steps = [entry["step"] for entry in entries if entry["kind"] == "train"]
    assert steps == list(range(1, 41))
    assert {"loss", "class", "gradient_norm", "learning_rate"} <= set(entries[0])
    names = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert len([n for n in names if n.startswith("step")]) == 2
    assert len([n for n in names if n.startswith("best")]) == 1
    assert list((tmp_path / "run" / "tensorboard" / "train").iterdir())
    assert "learning rate 0.02" in capfd.readouterr().out
    again = trainer(small(records, train={"steps": 40, "log_every": 1}), tmp_path / "run")
    assert again.fit() == results  # finished: only evaluated


def test_what_is_odd_about_a_split_is_said_and_one_that_teaches_nothing_refused(
    records, tmp_path, capfd
):
    for name, changes in (("odd", {"notes": ["it is odd"]}), ("empty", {"teaches": False})):
        shutil.copytree(records, tmp_path / name)
        content = json.loads((records / "dataset.json").read_text())
        content["splits"]["train"] |= changes
        (tmp_path / name / "dataset.json").write_text(json.dumps(content))
    trainer(small(tmp_path / "odd", train={"steps": 1}), tmp_path / "run").fit()
    assert "note: split 'train': it is odd" in capfd.readouterr().out
    with pytest.raises(errors.DataError, match=r"empty: split 'train': .* convert it again"):
        trainer(small(tmp_path / "empty", train={"steps": 1}), tmp_path / "none").fit()
    assert not (tmp_path / "none").exists()


def test_a_run_in_two_parts_ends_as_the_whole_one(records, tmp_path):
    options = {"ema": 0.9, "clip_norm": 1.0, "checkpoint_every": 5}
    model = {"dropout": 0.3, "stochastic_depth": 0.2}
    augment = {"augment": ({"name": "horizontal_flip"},), "image_size": (12, 12)}
    config = small(records, train=options, model=model, inputs=augment | {"resize": "stretch"})
    trainer(config, tmp_path / "whole").fit()

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            # calls end at 4, 5, 6 and 10, the fourth of the second epoch
            self.model.stop_training = int(self.model.optimizer.iterations) >= 7

    trainer(config, tmp_path / "parts", callbacks=[Stop()]).fit()
    first, _ = weights_of(tmp_path / "parts")
    assert first == "step-00000010"
    trainer(config, tmp_path / "parts").fit()
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_steps_per_call_do_not_change_the_path(records, tmp_path):
    for calls in (1, 4):
        config = small(records, train={"steps_per_call": calls, "steps": 7})
        trainer(config, tmp_path / str(calls)).fit()
    assert_same_weights(tmp_path / "1", tmp_path / "4")


def test_accumulated_gradients_are_those_of_the_whole_batch(records, tmp_path):
    """Without batch statistics, which see the parts only. A norm below the clip changes nothing."""
    found = []
    for parts, clip in ((1, 0.0), (4, 1000.0)):
        settings = {"accumulate": parts, "steps": 1, "clip_norm": clip}
        config = small(records, train=settings, optimizer={"name": "sgd"})
        run = trainer(config, tmp_path / str(parts))
        for layer in run.net.train.layers:
            if "bn" in layer.name or "downsample.1" in layer.name:
                layer.trainable = False
        run.fit()
        found.append([np.array(v) for v in run.net.variables()])
    for one, four in zip(*found, strict=True):
        np.testing.assert_allclose(one, four, atol=1e-5)


def test_two_replicas_take_the_step_of_one(records, tmp_path):
    devices = tf.config.list_physical_devices("CPU")
    with contextlib.suppress(RuntimeError):  # TensorFlow is started with the devices it has
        tf.config.set_logical_device_configuration(
            devices[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
    names = [d.name for d in tf.config.list_logical_devices("CPU")]
    if len(names) < 2:
        found = run_two_replicas_in_a_fresh_process(records, tmp_path)
    else:
        found = two_replicas(records, tmp_path, names)
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


def two_replicas(records, tmp_path, names):
    """The weights of one replica and of two, with statistics over both."""
    both = tf.distribute.MirroredStrategy(names[:2])  # a second one would take its operations' keys
    apart = statistics(records, tmp_path, both)
    for a, b in apart:
        np.testing.assert_array_equal(a, b)
    assert any(np.abs(a).max() > 0.01 for a, _ in apart)
    found = []
    for strategy in (None, both):
        config = small(
            records,
            train={"steps": 2, "clip_norm": 0.5, "deterministic": False, "ema": 0.9},
            weights={"rates": (("^fc/", 0.5),)},
            model={"bn_synchronized": True},
            optimizer={"name": "momentum"},
            regularization={"l2": 0.01},
        )
        run = trainer(config, tmp_path / f"{strategy is None}", strategy=strategy)
        run.fit()
        found.append([np.array(stack.raw(v)) for v in run.net.variables()])
    return found


def statistics(records, tmp_path, strategy):
    """Of moving statistics of each replica's own images, and of their averages, both copies."""
    config = small(records, train={"steps": 3, "ema": 0.9, "deterministic": False})
    run = trainer(config, tmp_path / "apart", strategy=strategy)
    run.fit()
    moving = [v for v in run.net.variables() if "moving_" in stack.variable_path(v)]
    kept = [*map(stack.raw, moving), *run._averages.of([stack.raw(v) for v in moving])]
    assert len(kept) == 2 * len(moving) > 0
    return [[np.array(copy) for copy in strategy.experimental_local_results(v)] for v in kept]


def run_two_replicas_in_a_fresh_process(records, tmp_path):
    code = (
        "import sys, pathlib; sys.path[:0] = sys.argv[3:5];"
        "import tensorflow as tf, numpy as np;"
        "d = tf.config.list_physical_devices('CPU');"
        "tf.config.set_logical_device_configuration(d[0],"
        " [tf.config.LogicalDeviceConfiguration()] * 2);"
        "import resnet6; resnet6.register();"
        "import test_trainer as t; p = pathlib.Path(sys.argv[2]);"
        "n = [x.name for x in tf.config.list_logical_devices('CPU')];"
        "a, b = t.two_replicas(sys.argv[1], p, n);"
        "np.savez(p / 'a.npz', *a); np.savez(p / 'b.npz', *b)"
    )
    here = pathlib.Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code, str(records), str(tmp_path), str(here), str(here.parent)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [list(np.load(tmp_path / f"{name}.npz").values()) for name in "ab"]


def test_a_loss_that_is_not_finite_stops_and_names_term_and_images(records, tmp_path):
    config = small(records, schedule={"name": "constant", "learning_rate": 1e30})
    config.optimizer = {"name": "sgd"}
    with pytest.raises(errors.NonFiniteError) as caught:
        trainer(config, tmp_path / "run").fit()
    message = str(caught.value)
    assert "loss term 'class'" in message or "the gradient" in message
    step = int(re.search(r"in step (\d+)", message).group(1))
    named = re.search(r"that batch: ([^.]*\.png(?:, [^,]*\.png)*)", message).group(1).split(", ")
    assert len(named) == 8
    assert all(name.startswith(("dark/", "light/", "train/")) for name in named), named
    assert step <= 12
    assert not list((tmp_path / "run").rglob("step-*"))


def test_the_limit_is_told_once_and_changes_nothing(records, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tfvision.training.speed.SECONDS", 0.0)
    finals = []
    for told in (False, True):
        train = {"log_every": 4, "steps": 12, "report_input": told}
        run = trainer(small(records, train=train), tmp_path / str(told))
        run.fit()
        finals.append([np.array(stack.raw(v)) for v in run.net.variables()])
        said = capsys.readouterr().out.count("the input alone gives")
        assert said == int(told)
    for a, b in zip(*finals, strict=True):
        np.testing.assert_array_equal(a, b)


_THREADS = """
import sys
import tensorflow as tf
from tfvision import config, tasks, training
settings = config.config(
    data={"path": sys.argv[1]},
    model={"name": "resnet18", "width": 4, "stem": "small"},
    inputs={"image_size": (12, 12), "resize": "stretch"},
    train={"intra_op_threads": 3, "batch_size": 8},
)
training.prepare(settings)
training.Trainer(tasks.build(settings), settings, sys.argv[2])
print("threads", tf.config.threading.get_intra_op_parallelism_threads())
tf.constant(1) + 1
settings.train.intra_op_threads = 2
training.Trainer(tasks.build(settings), settings, sys.argv[2]).fit()
"""


def draws():
    """Of Python's, NumPy's, TensorFlow's and Keras's generators."""
    initial = keras.initializers.RandomUniform()((1,))
    return [random.random(), np.random.random(), float(tf.random.uniform([])), float(initial[0])]  # noqa: NPY002


@pytest.mark.addons
def test_making_a_trainer_leaves_the_process_as_it_was(records, tmp_path):
    from tensorflow.python.framework import config as tf_config  # there is no other way back

    config, starts = small(records, train={"steps": 1}), []
    deterministic = tf_config.is_op_determinism_enabled()
    tf_config.disable_op_determinism()
    for seed in (3, 4):
        keras.utils.set_random_seed(seed)
        expected = draws()
        keras.utils.set_random_seed(seed)
        run = trainer(config, tmp_path / "run")
        assert draws() == expected
        assert not tf_config.is_op_determinism_enabled()
        starts.append([np.array(stack.raw(v)) for v in run.net.variables()])
    for a, b in zip(*starts, strict=True):
        np.testing.assert_array_equal(a, b)
    run.fit()
    assert tf_config.is_op_determinism_enabled()
    if not deterministic:
        tf_config.disable_op_determinism()


@pytest.mark.addons
def test_the_initial_weights_are_those_of_a_process_seeded_with_the_configs(records, tmp_path):
    config = small(records, seed=5)
    net = trainer(config, tmp_path / "run").net
    keras.utils.set_random_seed(5)
    expected = tasks.build(config).build()
    for a, b in zip(net.variables(), expected.variables(), strict=True):
        np.testing.assert_array_equal(stack.raw(a).numpy(), stack.raw(b).numpy())


def test_the_threads_of_an_op_are_set_before_the_first_op_or_refused(records, tmp_path):
    command = [sys.executable, "-c", _THREADS, str(records), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "threads 3" in done.stdout, done.stderr
    assert done.returncode
    assert "UsageError: config.train.intra_op_threads is 2, but this process" in done.stderr
    with pytest.raises(errors.UsageError, match="intra_op_threads is -1"):
        trainer(small(records, train={"intra_op_threads": -1}), tmp_path / "run")


def test_another_config_in_the_same_workdir_is_refused(records, tmp_path):
    trainer(small(records, train={"steps": 12}), tmp_path / "run").fit()
    with pytest.raises(errors.UsageError, match=r"model\.width is 8, was 4"):
        trainer(small(records, model={"width": 8}), tmp_path / "run").fit()
    trainer(small(records, train={"log_every": 5, "steps": 12}), tmp_path / "run").fit()


def test_a_checkpoint_of_another_model_is_told_apart(records, tmp_path):
    trainer(small(records, train={"steps": 1}), tmp_path / "run").fit()
    other = trainer(small(records, model={"width": 8}), tmp_path / "run")
    with pytest.raises(errors.DataError, match="is of another model: it has"):
        other.restore()


def test_a_folder_of_other_files_is_not_taken_as_a_workdir(records, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(errors.UsageError, match="not empty"):
        trainer(small(records), tmp_path).fit()
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_num_classes_that_disagrees_names_both_numbers(records):
    config = small(records)
    config.data.num_classes = 3
    with pytest.raises(errors.DataError, match=r"num_classes is 3, but .* has 2 classes"):
        tasks.build(config)


def test_l2_is_half_the_squared_norm_without_biases_and_norms():
    from tfvision.training.step import regularization

    make = keras.Variable if stack.KERAS_3 else tf.Variable
    variables = [make([3.0, -4.0], name="kernel"), make([9.0], name="bias")]
    terms = regularization(variables, l1=0.1, l2=0.5, exclude=("bias",))
    assert float(terms["l1"]) == pytest.approx(0.7)
    assert float(terms["l2"]) == pytest.approx(0.5 * 25 / 2)


EXPERIMENT = """
import sys

from tfvision.config import config

sys.path.insert(0, {tests!r})
import resnet6

resnet6.register()

def get_config():
    return config(
        data={{"path": {records!r}}},
        model={{"name": "resnet6", "width": 4, "stem": "small", "dropout": 0.3}},
        inputs={{"image_size": (12, 12), "resize": "stretch",
                "augment": ({{"name": "horizontal_flip"}},
                            {{"name": "color_jitter", "brightness": 0.3}})}},
        optimizer={{"name": "lamb", "weight_decay": 0.01}},
        schedule={{"learning_rate": 0.01}},
        train={{"batch_size": 8, "steps": 60, "log_every": 1, "ema": 0.99, "eval_every": 17,
               "checkpoint_every": 3, "steps_per_call": 1, "report_input": False,
               "precision": "float32"}},
    )
"""


def start(file, workdir):
    return warm.Process("tfvision.cli", "train", f"--config={file}", f"--workdir={workdir}")


def wait_for_step(process, workdir, step):
    """Until the log has reached `step`; False where the run ended before."""
    log = pathlib.Path(workdir) / "log.jsonl"
    while process.poll() is None:
        lines = log.read_text().splitlines() if log.exists() else []
        if any(f'"step": {step},' in line for line in lines):
            return True
        time.sleep(0.002)
    return False


@pytest.mark.slow
def test_killed_twice_it_ends_as_if_it_never_was(records, tmp_path):
    file = tmp_path / "experiment.py"
    file.write_text(EXPERIMENT.format(records=str(records), tests=str(TESTS)))
    whole = start(file, tmp_path / "whole")
    output = "".join(whole.communicate())
    assert whole.returncode == 0, output[-3000:]
    for step in sorted(np.random.default_rng(time.time_ns()).integers(2, 55, 2).tolist()):
        process = start(file, tmp_path / "killed")
        wait_for_step(process, tmp_path / "killed", step)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = start(file, tmp_path / "killed")
    output = "".join(last.communicate())
    assert last.returncode == 0, output[-3000:]
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")
    logs = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("whole", "killed")
    ]
    for one, other in zip(*logs, strict=True):
        assert (one["kind"], one["step"], one["loss"]) == (
            other["kind"],
            other["step"],
            other["loss"],
        )


@pytest.mark.slow
def test_sigterm_saves_and_says_how_to_go_on(records, tmp_path):
    file = tmp_path / "experiment.py"
    file.write_text(EXPERIMENT.format(records=str(records), tests=str(TESTS)))
    process = start(file, tmp_path / "run")
    assert wait_for_step(process, tmp_path / "run", 4)
    process.send_signal(signal.SIGTERM)
    output = "".join(process.communicate())
    assert process.returncode == 143
    assert "stopped by SIGTERM after step" in output
    step = int(re.search(r"after step (\d+)", output).group(1))
    assert (tmp_path / "run" / "checkpoints" / f"step-{step:08d}").is_dir()


def test_what_would_fail_after_an_epoch_fails_before_the_first_step(records, tmp_path):
    config = small(records, train={"best": "top2"})
    with pytest.raises(errors.UsageError, match=r"best is 'top2'; did you mean 'top1'"):
        trainer(config, tmp_path / "run").fit()
    config = small(records)
    config.data.val = "vla"
    with pytest.raises(errors.DataError, match=r"no split 'vla'; did you mean 'val'"):
        trainer(config, tmp_path / "run").fit()
    assert not (tmp_path / "run").exists()


def test_other_records_in_the_same_place_are_not_the_same_run(records, tmp_path):
    import shutil

    place = tmp_path / "records"
    shutil.copytree(records, place)
    trainer(small(place, train={"steps": 1}), tmp_path / "run").fit()
    images = str(records.parent / "images")
    source = sources.FORMATS["folder"](images, None, split="train")
    writer.write(source, str(place), writer.Options(split="train", shards=1, seed=1))
    with pytest.raises(errors.UsageError, match=r"data\.fingerprint is"):
        trainer(small(place, train={"steps": 1}), tmp_path / "run").fit()


@pytest.mark.parametrize("name", ["momentum", "lamb", "adam"])
def test_a_slow_weight_takes_its_share_of_the_step_and_a_frozen_one_none(records, tmp_path, name):
    moved = {}
    for kind, settings in (
        ("plain", {}),
        ("tuned", {"freeze": ("^layer1",), "rates": (("^fc/", 0.25),)}),
    ):
        config = small(records, weights=settings, train={"steps": 1}, optimizer={"name": name})
        run = trainer(config, tmp_path / kind)
        before = native.collect(run.net)
        run.fit()
        moved[kind] = {k: v - before[k] for k, v in native.collect(run.net).items()}
    assert np.abs(moved["plain"]["layer1.0.bn2/gamma"]).max() > 0
    assert np.abs(moved["tuned"]["layer1.0.bn2/gamma"]).max() == 0
    # One layer's frozen normalisation changes the gradients a little, so the head's step is
    # compared in a run without it.
    config = small(
        records, weights={"rates": (("^fc/", 0.25),)}, train={"steps": 1}, optimizer={"name": name}
    )
    run = trainer(config, tmp_path / "slow")
    before = native.collect(run.net)
    run.fit()
    slow = {k: v - before[k] for k, v in native.collect(run.net).items()}
    for key in ("fc/kernel", "fc/bias"):
        np.testing.assert_allclose(slow[key], 0.25 * moved["plain"][key], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(slow["conv1/kernel"], moved["plain"]["conv1/kernel"], atol=1e-7)
