"""An export that is stopped before any of its operations on files, or refused one."""

import functools
import os
import shutil

import file_operations
import pytest
import test_serving_export as exports

from tfvision import errors
from tfvision.serving import exporter, versions


def names(base):
    """Of all that is visible below `base`."""
    found = (os.path.relpath(os.path.join(place, name), base)
             for place, _, files in os.walk(base) for name in files)  # fmt: skip
    return sorted(name for name in found if not name.startswith("."))


@pytest.fixture
def quick(monkeypatch):
    """Exports whose graph is one small file, not compared: the rest is as it is."""

    def write(task, net, class_names, folder):
        os.makedirs(folder)
        with open(os.path.join(folder, "saved_model.pb"), "wb") as file:
            file.write(b"graph")

    monkeypatch.setattr(exporter, "_write", write)
    monkeypatch.setattr(exporter, "_check", lambda *_: [])
    monkeypatch.setattr(exporter, "_write_warmup", lambda *_: False)
    made = exports.make()

    def function(base):
        samples = [exports.encoded(exports.picture(8, 8))]
        task, net, config = made
        options = {"config_json": config.to_dict(), "metrics": {}, "samples": samples}
        return exporter.export(task, net, class_names=exports.NAMES, output=str(base), **options)

    return function


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A whole export, TensorFlow's writer and the check with it, and what kills in it leave."""
    folder = tmp_path_factory.mktemp("stopped")
    base, kept = folder / "base", []

    def copy(*_):
        kept.append(folder / f"at-{len(kept)}")
        if base.is_dir():
            shutil.copytree(base, kept[-1])

    with file_operations.before_each(copy):
        exports.save(base)
    return base, kept


def test_a_kill_before_any_operation_leaves_a_whole_version_or_none(stopped, quick):
    base, kept = stopped
    whole = names(base)
    assert "1/variables/variables.index" in whole or "1/fingerprint.pb" in whole
    assert len(kept) > 8
    for snapshot in kept:
        there = names(snapshot) if snapshot.exists() else []
        assert there in ([], whole), snapshot
        quick(snapshot)
        assert versions.numbers(str(snapshot)) == ([1, 2] if there else [1])
        assert not [name for name in os.listdir(snapshot) if name.startswith(".")]


def test_a_refused_operation_is_one_line_and_leaves_nothing(tmp_path, quick):
    for at in range(100):
        base = tmp_path / f"base-{at}"
        caught = file_operations.refused(functools.partial(quick, base), at)
        if caught is None:
            break
        assert isinstance(caught, errors.DataError)
        assert str(caught).endswith("cannot be written: No space left on device")
        assert not base.exists()
        quick(base)
        assert versions.numbers(str(base)) == [1]
    assert at > 5
