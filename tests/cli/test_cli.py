import json
import pathlib
import shutil
import subprocess
import sys
import time

import class_folders
import numpy as np
import pytest
import warm

from tfvision import architectures, config, overrides
from tfvision.experiments import train
from tfvision.weights import native


def tfvision(*arguments, cwd=None):
    return warm.run("tfvision.cli", *arguments, cwd=cwd)


def started(*arguments):
    """`tfvision` as a shell starts it."""
    command = [sys.executable, "-m", "tfvision.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def own_lines(text):
    """What we said: without the lines that TensorFlow writes as it starts."""
    noise = ("WARNING: All log", "I0000", "E0000", "W0000")
    return [line for line in text.splitlines() if line and not line.startswith(noise)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    class_folders.write(folder / "images", {"train": 4, "val": 4}, class_folders.shades(10))
    for split in ("train", "val"):
        run = started if split == "train" else tfvision
        done = run(
            "convert", "--format=folder", f"--images={folder / 'images'}", f"--split={split}",
            f"--output={folder / 'records'}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder


def test_help_tells_every_verb_and_answers_at_once():
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = started("--help")
        times.append(time.perf_counter() - start)
    assert done.returncode == 0
    assert "import-weights" in done.stdout
    # Not a test of this machine's speed: TensorFlow alone would take several seconds.
    assert min(times) < 1.5


@pytest.mark.addons
@pytest.mark.parametrize(
    "verb",
    ["convert", "synthesize", "train", "evaluate", "export", "predict", "serve", "import-weights",
     "models", "report"],
)  # fmt: skip
def test_help_of_a_verb_does_not_import_tensorflow(verb):
    code = (
        "import sys; sys.argv = ['tfvision', sys.argv[1], '--help'];"
        "from tfvision import cli; cli.main(); print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, verb], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    assert f"tfvision {verb}" in done.stdout


def refused(photos, *arguments):
    done = tfvision(*arguments)
    lines = own_lines(done.stderr)
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("tfvision: ")
    return done.returncode, lines[0]


TRAIN = ("train", "--config=digits_resnet")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("trane",), 2, "did you mean 'train'"),
        (("convert", "--formt=folder"), 2, "Did you mean"),
        (("convert", "--format=foldr", "--images=x", "--output=y"), 2, "did you mean 'folder'"),
        (("convert", "--format=folder", "--images=no-such", "--output=y"), 1, "no-such"),
        ((*TRAIN, "--workdir=w", "--config.data.path=no-such"), 1, "no-such"),
        ((*TRAIN, "--workdir=w", "--config.train.batch_siz=3"), 2, "batch_siz"),
        ((*TRAIN, "--workdir=w", "--config.train.batch_size=many"), 2, "many"),
        ((*TRAIN, "--workdir=w", "--config.model.width=wide"), 2, "model.width must be int"),
        ((*TRAIN, "--workdir=w", "--config.nothing.model.x=1"), 2, "no section 'nothing.model'"),
        (("train", "--config=digits_resnt", "--workdir=w"), 2, "did you mean 'digits_resnet'"),
        (("train", "--config=no-such.py", "--workdir=w"), 2, "no-such.py"),
        (TRAIN, 2, "--workdir is missing"),
        (("evaluate", "--workdir=no-such"), 1, "no-such"),
        (("predict", "--model=no-such", "--output=out", "x.png"), 1, "no-such"),
        (("serve", "--model=no-such"), 1, "no-such"),
        (("export", "--workdir=no-such", "--output=out"), 1, "no-such"),
        (("report", "--workdir=no-such"), 1, "no-such"),
    ],
)
def test_bad_input_gets_one_line_and_the_right_exit_code(arguments, code, words, photos, tmp_path):
    done = tfvision(*arguments, cwd=tmp_path)
    lines = own_lines(done.stderr)
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    assert words in lines[0]
    assert not list(tmp_path.iterdir())


def test_flags_reach_options_that_the_experiment_does_not_name():
    tree = config.config(model={"name": "resnet18", "width": 16})
    overrides.override(tree, "model.width", "8")
    overrides.override(tree, "optimizer.beta_1", "0.8")
    overrides.override(tree, "optimizer.nesterov", "true")
    overrides.override(tree, "inputs.crop.scale", "(0.5, 1)")
    overrides.override(tree, "schedule.learning_rate", "1")
    overrides.override(tree, "model.activation", "gelu")
    assert tree.model.to_dict() == {"name": "resnet18", "width": 8, "activation": "gelu"}
    assert tree.optimizer.to_dict() == {"name": "momentum", "beta_1": 0.8, "nesterov": True}
    assert tree.inputs.crop.scale == (0.5, 1)
    assert repr(tree.schedule.learning_rate) == "1.0"
    overrides.override(tree, "model.eval_options", "{'output_stride': 8}")
    overrides.override(tree, "model.eval_options", "{'dropout': 0.0}")
    assert tree.model.eval_options.to_dict() == {"dropout": 0.0}
    given = ["--config.model.width=8", "--config.optimizer.beta_1", "0.8", "--config.seed=1"]
    wanted = ["--option=model.width=8", "--option", "optimizer.beta_1=0.8", "--config.seed=1"]
    assert overrides.flag_arguments(given) == wanted
    assert train.arguments(["--config=digits_resnet", *given])[1:] == wanted


@pytest.mark.slow
def test_the_whole_way_from_pictures_to_drawn_predictions(photos, tmp_path):
    records, run, base = photos / "records", tmp_path / "run", tmp_path / "model"
    options = [f"--config.data.path={records}", "--config.train.epochs=2.0"]
    options += ["--config.train.batch_size=4", "--config.train.report_input=false"]
    done = tfvision("train", "--config=digits_resnet", *options, f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    wrong = tfvision("train", "--config=digits_resnet", *options, f"--workdir={run}",
                     "--config.data.num_classes=7")  # fmt: skip
    assert wrong.returncode == 1
    assert "num_classes is 7" in wrong.stderr
    assert "has 2 classes" in wrong.stderr
    other = tfvision("train", "--config=digits_resnet", *options, f"--workdir={run}",
                     "--config.model.width=8")  # fmt: skip
    assert other.returncode == 2
    assert "model.width is 8, was 16" in other.stderr
    done = tfvision("evaluate", f"--workdir={run}", f"--output={tmp_path / 'metrics.json'}")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["metrics"]["images"] == 8
    assert np.sum(metrics["confusion"]) == 8
    done = tfvision("report", f"--workdir={run}", f"--output={tmp_path / 'report.html'}")
    assert done.returncode == 0, done.stderr
    assert "Learning curves" in (tmp_path / "report.html").read_text()
    done = tfvision("export", f"--workdir={run}", f"--output={base}")
    assert done.returncode == 0, done.stderr
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no picture")
    done = tfvision(
        "predict", f"--model={base}", f"--output={tmp_path / 'out'}", photos / "images" / "val",
        broken,
    )  # fmt: skip
    assert done.returncode == 1
    assert "broken.jpg" in done.stderr
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert sum("scores" in r for r in results) == 8
    assert "error" in next(r for r in results if r["file"] == str(broken))
    assert (tmp_path / "out" / "sheet.png").stat().st_size > 1000
    for result in results[:8]:
        assert pathlib.Path(tmp_path / "out" / result["picture"]).is_file()


@pytest.mark.slow
def test_a_data_set_is_inspected_and_verified(photos, tmp_path):
    records = photos / "records"
    done = tfvision("inspect", records, f"--output={tmp_path / 'seen'}", "--augment=digits_resnet")
    assert done.returncode == 0, done.stderr
    assert "split train" in done.stdout
    names = {path.name for path in (tmp_path / "seen").iterdir()}
    assert {"statistics.json", "train-plots.png", "val-sheet.png", "train-augmented.png"} <= names
    done = tfvision("verify", records)
    assert done.returncode == 0, done.stderr
    assert "intact" in done.stdout
    copy = tmp_path / "copy"
    shutil.copytree(records, copy)
    shard = next(copy.glob("*-train-*.tfrecord"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    done = tfvision("verify", copy)
    assert done.returncode == 1
    assert "checksum" in done.stdout
    assert len(own_lines(done.stderr)) == 1
    for arguments, code, words in (
        (("verify",), 2, "name one folder"),
        (("verify", tmp_path / "none"), 1, "does not exist"),
        (("inspect", records, "--split=tran"), 1, "did you mean 'train'"),
        (("inspect", records, "--augment=digits"), 2, "digits_resnet"),
    ):
        done = tfvision(*arguments)
        assert done.returncode == code, done.stderr
        assert words in done.stderr


@pytest.mark.slow
def test_imported_weights_are_exported_without_a_run(photos, tmp_path):
    net = architectures.build("resnet18", num_classes=2, image_size=(32, 32), width=4)
    weights = tmp_path / "w.safetensors"
    native.save(native.collect(net), str(weights))
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    base = ["export", "--config=imagenet_resnet50", f"--output={tmp_path / 'model'}"]
    flags = ["--config.model.name=resnet18", "--config.model.width=4"]
    flags += ["--config.inputs.image_size=(32, 32)", f"--labels={tmp_path / 'labels.txt'}"]
    path = f"--config.weights.path={weights}"
    images = photos / "images" / "val"
    done = tfvision(*base, *flags, path, images)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "1" / "assets" / "labels.txt").read_text() == "cat\ndog\n"
    for arguments, code, words in (
        ((*base, *flags, images), 2, "weights.path is missing"),
        ((*base, *flags, path), 2, "no images"),
        ((*base, *flags, path, tmp_path / "no.jpg"), 1, "no.jpg cannot be read"),
        ((*base, *flags, path, "--workdir=x", images), 2, "not both"),
    ):
        done = tfvision(*arguments)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
    assert not (tmp_path / "model" / "2").exists()
