"""Conversion by Apache Beam: every file is the local writer's, and so is every error."""

import os
import subprocess
import sys

import class_folders
import pytest
import warm

from tfvision import errors, sources
from tfvision.records import beam_shards, dataset, shards, writer

pytest.importorskip("apache_beam", reason="the extra beam is not installed (make beam)")


def convert(data, output, runner="", *, format="folder", annotations=None, **options):
    """All that is in the output afterwards, by file name."""
    split = options.setdefault("split", "val")
    source = sources.read(format, str(data), annotations, split="" if ":" in split else split)
    options = {"name": "same", "runner": runner, **options}
    writer.write(source, str(output), writer.Options(**options))
    return content(output)


def content(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


# Of the shares the smaller one has fewer images than shards: one of these is empty.
SETS = {
    "cls_hymenoptera": {"format": "folder", "seed": 3},
    "inst_balloon": {"format": "via", "split": "train:0.8,val:0.2", "shards": 9},
    "seg_camvid": {"format": "masks", "shards": 2},
}


@pytest.mark.parametrize("name", SETS)
def test_every_file_is_the_local_writers(shared_data, tmp_path, name):
    options = SETS[name]
    local = convert(shared_data / name, tmp_path / "local", **options)
    beam = convert(shared_data / name, tmp_path / "beam", "DirectRunner", **options)
    assert dataset.FILE in beam
    assert beam == local


def test_two_processes_of_the_command_write_the_same(shared_data, tmp_path):
    images = shared_data / "cls_hymenoptera"
    same = ["convert", "--format=folder", f"--images={images}", "--split=val", "--name=a"]
    same.append("--shards=3")
    done = warm.run("tfvision.cli", *same, f"--output={tmp_path / 'local'}", "--workers=1")
    assert done.returncode == 0, done.stderr
    flags = ["--runner=DirectRunner", f"--output={tmp_path / 'beam'}"]
    flags += ["--beam_option=direct_num_workers=2"]
    flags += ["--beam_option=direct_running_mode=multi_processing"]
    command = [sys.executable, "-m", "tfvision.cli", *same, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Python sdk harness starting") == 2
    assert content(tmp_path / "beam") == content(tmp_path / "local")


@pytest.fixture
def photos(tmp_path):
    pixels = class_folders.noise(4, 5)
    class_folders.write(tmp_path / "photos", {"": 10}, pixels, ("cat", "dog"))
    return tmp_path / "photos"


def test_of_two_broken_images_both_name_the_same_one(photos, tmp_path):
    options = {"split": "train", "shards": 4}
    for name in ("cat/3.png", "dog/6.png"):
        (photos / name).write_bytes(b"no image")
    said = []
    for runner in ("", "DirectRunner"):
        with pytest.raises(errors.DataError, match=r"not an image.*--skip_unreadable") as error:
            convert(photos, tmp_path / "new" / "out", runner, **options)
        said.append(str(error.value))
        assert not (tmp_path / "new").exists()
    assert said[0] == said[1]


def test_unreadable_images_and_names_that_are_not_utf8_are_the_local_writers(photos, tmp_path):
    (photos / "cat" / "3.png").write_bytes(b"no image")
    (photos / "dog" / "6.png").rename(photos / "dog" / os.fsdecode(b"\xff.png"))
    options = {"split": "train", "shards": 4, "skip_unreadable": True}
    local = convert(photos, tmp_path / "local", **options)
    output = tmp_path / os.fsdecode(b"be\xe4m")
    assert convert(photos, output, "DirectRunner", **options) == local


def test_an_error_of_an_annotation_is_the_local_writers(shared_data, tmp_path):
    broken = shared_data / "broken_annotations" / "coco"
    said = []
    for runner in ("", "DirectRunner"):
        with pytest.raises(errors.DataError, match=r"clipped, box beyond.*--strict") as error:
            convert(
                broken / "images",
                tmp_path / "out",
                runner,
                format="coco",
                annotations=str(broken / "bbox_beyond.json"),
                split="train",
                strict=True,
            )
        said.append(str(error.value))
        assert not (tmp_path / "out").exists()
    assert said[0] == said[1]


def test_beam_goes_on_where_a_local_run_was_interrupted(photos, tmp_path, monkeypatch):
    options = {"split": "train", "shards": 4}
    describe, done = shards._describe, []

    def interrupted(path, records):
        done.append(path)
        if len(done) == 3:
            raise KeyboardInterrupt
        return describe(path, records)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_describe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            convert(photos, tmp_path / "out", **options)
        patch.setattr(shards, "_describe", lambda *a: done.append(a) or describe(*a))
        beam = convert(photos, tmp_path / "out", "DirectRunner", **options)
    assert len(done) == 3 + 2
    assert beam == convert(photos, tmp_path / "local", **options)


@pytest.mark.parametrize(
    ("runner", "options", "message"),
    [
        ("DirektRunner", (), "runner 'DirektRunner': .* Valid values are .*FlinkRunner"),
        ("DirectRunner", ("direct_num_worker=2",), "did you mean 'direct_num_workers'"),
        ("DirectRunner", ("direct_running_mode=x",), "direct_running_mode: invalid choice: 'x'"),
    ],
)
def test_a_wrong_runner_or_option_is_a_usage_error(photos, tmp_path, runner, options, message):
    with pytest.raises(errors.UsageError, match=message):
        convert(photos, tmp_path / "out", runner, split="train", beam_options=options)
    assert not (tmp_path / "out").exists()


def test_workers_elsewhere_need_absolute_paths(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.UsageError, match=r"photos/\w+/\d.png is a relative path"):
        convert("photos", tmp_path / "out", "PortableRunner", split="train")


def _fails(*arguments):
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize(
    ("place", "name", "function", "message"),
    [
        (shards, "fill", _fails, r"^the Beam pipeline failed: Zero.*a bug"),
        # As where a worker's output folder is another machine's.
        (beam_shards, "_write", lambda *arguments: None, "ended without .*00000-of-00001"),
    ],
)
def test_a_pipeline_that_fails_is_told_and_leaves_nothing(
    photos, tmp_path, monkeypatch, place, name, function, message
):
    monkeypatch.setattr(place, name, function)
    with pytest.raises(errors.DataError, match=message):
        convert(photos, tmp_path / "out", "DirectRunner", split="train")
    assert not (tmp_path / "out").exists()
