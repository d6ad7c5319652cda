import functools
import gc
import json
import os
import pathlib
import subprocess

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# TensorFlow leaves oneDNN off on processors without AVX-512, and then has no gradient of dilation.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import pytest


def pytest_collection_modifyitems(items):
    """Files with slow tests first, so that no process is left alone with them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    """What is imported stays, so no garbage collection need look at it; and tracing makes many
    objects, hardly one of them garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real images that TFVISION_TEST_DATA points to; skips where it is not set."""
    root = os.environ.get("TFVISION_TEST_DATA")
    if root:
        data = pathlib.Path(root) / "data"
        assert data.is_dir(), f"TFVISION_TEST_DATA has no data folder: {data}"
        return data
    if os.environ.get("TFVISION_TEST_DATA_REQUIRED"):
        pytest.fail("TFVISION_TEST_DATA is not set, and no test may be skipped here")
    pytest.skip("TFVISION_TEST_DATA is not set: the real images are not here")


@pytest.fixture(scope="module")
def small_model():
    """Makes the model "resnet6" known."""
    import resnet6

    with pytest.MonkeyPatch.context() as patch:
        resnet6.register(patch.setitem)
        yield


@pytest.fixture
def shallow(monkeypatch):
    """ResNet-18 and 50, MobileNetV2 and Inception V3 have fewer units; see `shallow.py`."""
    import shallow

    shallow.shorten(monkeypatch)


@pytest.fixture
def check_by(monkeypatch):
    """A function: check(folder, samples) -> rows is to check exports, in this process."""
    return functools.partial(_check_by, monkeypatch)


def _check_by(patch, check):
    from tfvision.serving import exporter

    start = subprocess.run

    def run(command, **options):
        if "tfvision.serving.check" not in command:
            return start(command, **options)
        rows = check(*command[-2:])
        return subprocess.CompletedProcess(command, 0, "\n".join(map(json.dumps, rows)), "")

    patch.setattr(exporter.subprocess, "run", run)


@pytest.fixture
def checked_here(check_by):
    """Exports are checked in this process: another takes as long again to start TensorFlow."""
    from tfvision.serving import check

    check_by(check.run)


@pytest.fixture(scope="module")
def all_checked_here():
    """`checked_here`, for what a file exports once for all its tests."""
    from tfvision.serving import check

    with pytest.MonkeyPatch.context() as patch:
        _check_by(patch, check.run)
        yield


@pytest.fixture(scope="session")
def unpack():
    """A function: a source -> (its samples by file name, its findings)."""
    from tfvision import schema

    def function(source):
        items = list(source.items)
        findings = [i for i in items if isinstance(i, schema.Finding)]
        samples = [i for i in items if isinstance(i, schema.Sample)]
        return sorted(samples, key=lambda s: s.filename), findings

    return function
