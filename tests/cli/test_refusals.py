"""Mistakes on the command line and in config files: one line, the exit code, nothing written."""

import json
import socket

import class_folders
import pytest
from test_cli import own_lines, tfvision

from tfvision import atomic, config, errors, overrides, paths
from tfvision.serving import server

TRAIN = ("train", "--config=digits_resnet", "--workdir=w")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    class_folders.write(folder / "images", {"train": 1, "val": 1}, class_folders.shades(10))
    return class_folders.convert(folder / "images", folder / "records")


def refused(*arguments, cwd):
    before = sorted(path.name for path in cwd.iterdir())
    done = tfvision(*arguments, cwd=cwd)
    lines = own_lines(done.stderr)
    assert done.returncode in (1, 2), done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("tfvision: ")
    assert sorted(path.name for path in cwd.iterdir()) == before
    return done.returncode, lines[0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((*TRAIN, "--config.train.seed=3"), 2, ["has no key 'seed'", "--config.seed"]),
        ((*TRAIN, "--config.train=3"), 2, ["--config.train is a section"]),
        ((*TRAIN, "--config.schedule.learning_rate=-0.01"), 2, ["learning_rate is -0.01"]),
        ((*TRAIN, "--config.train.ema=1.5"), 2, ["config.train.ema is 1.5"]),
        ((*TRAIN, "--strict_resume=maybe"), 2, ["=maybe: Non-boolean argument to boolean flag"]),
        ((*TRAIN, "--config.loss.name=focal"), 2, ["label_smoothing", "takes it out"]),
        (("train", "--config=digits_resnet", f"--workdir={'n' * 300}"), 2, ["--workdir", "255"]),
        (("serve", "--model=m", "--name=a/b"), 2, ["--name is 'a/b'"]),
    ],
)
def test_a_mistake_on_the_command_line_gets_one_line(arguments, code, words, records, tmp_path):
    if arguments[0] == "train":
        arguments = (*arguments, f"--config.data.path={records}")
    found, line = refused(*arguments, cwd=tmp_path)
    assert found == code
    assert all(word in line for word in words), line


def test_what_the_first_batch_tells_gets_one_line(records, tmp_path):
    """TensorFlow's own error, and no AutoGraph warning."""
    crop = "--config.inputs.crop.name=ssd_crop"
    code, line = refused(*TRAIN, f"--config.data.path={records}", crop, cwd=tmp_path)
    assert (code, "'ssd_crop' needs the boxes" in line) == (2, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "has no function get_config"),
        ("get_config = 3\n", "has no function get_config"),
        ("def get_config():\n    return {'task': 'detection'}\n", "get_config returns a dict"),
        ("def get_config():\n    return 3\n", "get_config returns a int"),
        ("def get_config(:\n    return 3\n", "mine.py, line 1: "),
        ("import nothing_like_this\n", "mine.py, line 1: ModuleNotFoundError"),
        ("def get_config():\n    return a\n", "mine.py, line 2: NameError: name 'a'"),
        ("def get_config(size):\n    return size\n", "get_config() missing 1 required"),
        (
            "from tfvision.config import config\ndef get_config():\n    return config(trian={})\n",
            "did you mean 'train'",
        ),
    ],
)
def test_a_config_file_is_refused_by_file_and_line(text, words, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(errors.UsageError) as caught:
        config.experiment(str(file))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_value_takes_an_option_of_the_experiment_away():
    tree = config.experiment("digits_resnet")
    overrides.with_options(tree, ["loss.name=focal", "loss.label_smoothing="])
    assert tree.loss.to_dict() == {"name": "focal"}
    overrides.override(tree, "loss.name", "")
    assert tree.loss.to_dict() == {"name": ""}


@pytest.mark.parametrize("name", ["n" * 255, "n" * 255 + "/m.json"])
def test_the_longest_names_are_written(name, tmp_path):
    paths.check_file(f"{tmp_path}/{name}", "--output")
    atomic.write_text(tmp_path / name, "{}")
    assert (tmp_path / name).read_text() == "{}"


@pytest.mark.parametrize("name", ["", "none/", "n" * 256, "file/m.json", "n" * 256 + "/m.json"])
def test_an_output_that_cannot_be_written_is_told_before_the_work(name, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UsageError, match="--output"):
        paths.check_file(f"{tmp_path}/{name}", "--output")


def test_a_file_that_cannot_be_written_leaves_no_file_aside(tmp_path):
    (tmp_path / "m.json").mkdir()
    with pytest.raises(errors.DataError, match="cannot be written"):
        atomic.write_text(str(tmp_path / "m.json"), json.dumps({}))
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]


@pytest.mark.parametrize("verb", ["evaluate", "export", "report", "predict"])
def test_a_verb_tries_its_output_before_it_opens_the_run(verb, tmp_path):
    (tmp_path / "file").write_text("")
    given = ("--model=no-run",) if verb == "predict" else ("--workdir=no-run",)
    more = ("x.png",) if verb == "predict" else ()
    code, line = refused(verb, *given, "--output=file/below/m", *more, cwd=tmp_path)
    assert code == 2
    assert "--output is file/below/m" in line


def test_a_port_in_use_is_told_before_the_model_is_loaded(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, line = refused("serve", "--model=none", f"--port={port}", cwd=tmp_path)
    assert code == 2
    assert f"port {port}" in line


@pytest.mark.parametrize("port", [-1, 65536, 99_999_999])
def test_a_port_that_cannot_be_is_refused_and_not_cut(port):
    with pytest.raises(errors.UsageError, match=rf"--port is {port}; it is a number from 0"):
        server.bind(port=port)


def test_a_place_that_takes_no_files_is_told_before_the_work():
    with pytest.raises(errors.UsageError, match="/proc cannot be written into"):
        paths.check_file("/proc/m.json", "--output")


def test_inspect_tries_the_experiment_before_it_writes(records, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from tfvision.config import config\n"
        "def get_config():\n"
        "    return config(inputs={'augment': ({'name': 'blur', 'sigmma': 2},)})\n"
    )
    given = ("inspect", records, f"--augment={file}", "--output=seen")
    code, line = refused(*given, cwd=tmp_path)
    assert code == 2
    assert "did you mean 'sigma'" in line
