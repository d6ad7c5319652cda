"""A conversion that was killed goes on where it was, and ends with the same bytes."""

import contextlib
import os
import subprocess
import sys

import class_folders
import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources
from tfvision.records import aside, dataset, shards, writer


@pytest.fixture
def photos(tmp_path):
    pixels = class_folders.noise(4, 5)
    class_folders.write(tmp_path / "photos", {"": 20}, pixels, ("cat", "dog"))
    return tmp_path / "photos"


def convert(photos, output, **options):
    source = sources.folder.read(str(photos), split="train")
    options = {"name": "zoo", "shards": 4, **options}
    return writer.write(source, str(output), writer.Options(**options))["train"]


@contextlib.contextmanager
def written(monkeypatch):
    """Yields a list of the shards that are written, not kept."""
    names, normal = [], shards._write

    def write(path, *rest):
        names.append(os.path.basename(path))
        return normal(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_write", write)
        yield names


def content(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


_KILLED = """
import os, signal, sys
from tfvision import sources
from tfvision.records import shards, writer
if __name__ == "__main__":
    describe, done = shards._describe, []
    def killed(*arguments):
        done.append(1)
        if len(done) == 3:  # the third shard's bytes are there, its sidecar is not
            os.kill(os.getpid(), signal.SIGKILL)
        return describe(*arguments)
    shards._describe = killed
    source = sources.folder.read(sys.argv[1], split="train")
    options = writer.Options(name="zoo", shards=4, workers=int(sys.argv[3]))
    writer.write(source, sys.argv[2], options)
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_conversion_goes_on_and_ends_with_the_same_bytes(
    photos, tmp_path, monkeypatch, workers
):
    convert(photos, tmp_path / "whole")
    output = tmp_path / "out"
    command = [sys.executable, "-c", _KILLED, str(photos), str(output), str(workers)]
    assert subprocess.run(command).returncode == -9
    assert not (output / dataset.FILE).exists()
    assert [name for name in os.listdir(output) if not name.startswith(".")] == []
    with written(monkeypatch) as names:
        report = convert(photos, output)
    assert names == ["zoo-train-00002-of-00004.tfrecord", "zoo-train-00003-of-00004.tfrecord"]
    assert report.images == 40
    assert content(output) == content(tmp_path / "whole")


def interrupted(photos, output, monkeypatch, after):
    normal, done = shards._describe, []

    def describe(*arguments):
        done.append(1)
        if len(done) > after:
            raise KeyboardInterrupt
        return normal(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_describe", describe)
        with pytest.raises(KeyboardInterrupt):
            convert(photos, output)


def test_what_changed_since_is_written_again(photos, tmp_path, monkeypatch):
    interrupted(photos, tmp_path / "out", monkeypatch, 3)
    changed = photos / "cat" / "7.png"
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(changed)
    convert(photos, tmp_path / "whole")
    convert(photos, tmp_path / "out")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_other_options_start_over(photos, tmp_path, monkeypatch):
    for options in ({"seed": 1}, {"shards": 3}, {"bake_orientation": True}, {"full_masks": True}):
        interrupted(photos, tmp_path / "out", monkeypatch, 3)
        with written(monkeypatch) as names:
            report = convert(photos, tmp_path / "out", **options)
        assert len(names) == len(report.shards)
        dataset.read(tmp_path / "out")


def test_an_error_keeps_nothing(photos, tmp_path):
    (photos / "dog" / "bad.png").write_bytes(b"no image")
    with pytest.raises(errors.DataError, match=r"bad\.png"):
        convert(photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_export_leaves_nothing(tmp_path):
    def fail(keep):
        with aside.folder(str(tmp_path / "out"), keep=keep) as folder:
            (tmp_path / "out" / os.path.basename(folder) / "x").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail(False)
    assert not (tmp_path / "out").exists()
    with pytest.raises(KeyboardInterrupt):
        fail(True)
    assert (tmp_path / "out").exists()
    with aside.folder(str(tmp_path / "out")) as folder:
        assert os.listdir(folder) == [".tfvision"]  # whose it is
    assert os.listdir(tmp_path / "out") == []
