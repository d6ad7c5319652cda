"""train.precision "auto": which one is measured and taken, and that the run knows nothing of it."""

import shutil
from unittest import mock

import pytest
import test_trainer

from tfvision import config as configs
from tfvision import errors, kinds, stack, tasks, training
from tfvision.training import auto_precision

records = test_trainer.records
pytestmark = [pytest.mark.addons, pytest.mark.usefixtures("small_model")]


def settled(records, workdir, **train):
    config = test_trainer.small(records, train={"precision": "auto", "steps": 4, **train})
    strategy = training.strategies.make(config)
    training.settle_precision(tasks.build(config), config, str(workdir), strategy)
    return config


@pytest.mark.parametrize(
    ("float32", "bfloat16", "taken"),
    [(100, 120, "bfloat16"), (100, 104, "float32"), (100, 50, "float32")],
)
def test_bfloat16_is_taken_where_it_is_clearly_faster(float32, bfloat16, taken):
    assert auto_precision.choice({"float32": float32, "bfloat16": bfloat16}) == taken


def test_the_slowest_worker_counts():
    one, other = {"float32": 9.0, "bfloat16": 12.0}, {"float32": 10.0, "bfloat16": 7.0}
    assert auto_precision._slowest([one, other]) == {"float32": 9.0, "bfloat16": 7.0}
    assert auto_precision._slowest([one, {}]) == {}


def test_a_processor_without_bfloat16_measures_nothing(records, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stack, "cpu_bfloat16", set)
    monkeypatch.setattr(training.Trainer, "step_rate", lambda self: pytest.fail("measured"))
    assert settled(records, tmp_path / "run").train.precision == "float32"
    assert "no choice; float32 is taken" in capsys.readouterr().out


def test_measuring_leaves_the_run_as_it_is_and_a_run_keeps_its_precision(
    records, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(stack, "cpu_bfloat16", lambda: {"avx512_bf16"})
    monkeypatch.setattr(auto_precision, "_WORTH", 0.0)
    config = settled(records, tmp_path / "run")
    assert "images/s in float32, " in capsys.readouterr().out
    assert config.train.precision == "bfloat16"
    assert not (tmp_path / "run").exists()
    test_trainer.trainer(config, tmp_path / "run").fit()
    written = configs.read(str(tmp_path / "run" / "config.json"))
    assert written.train.precision == "bfloat16"

    plain = test_trainer.small(records, train={"precision": "bfloat16", "steps": 4})
    test_trainer.trainer(plain, tmp_path / "plain").fit()
    test_trainer.assert_same_weights(tmp_path / "run", tmp_path / "plain")

    monkeypatch.setattr(auto_precision, "_WORTH", 1e9)
    assert settled(records, tmp_path / "run", steps=6).train.precision == "bfloat16"
    shutil.rmtree(tmp_path / "run" / "checkpoints")  # killed before the first one
    assert settled(records, tmp_path / "run").train.precision == "bfloat16"


def test_detectors_take_float32(records, tmp_path):
    task = mock.Mock(kinds={kinds.BOXES})
    config = test_trainer.small(records, train={"precision": "auto"})
    training.settle_precision(task, config, str(tmp_path / "run"), training.strategies.make(config))
    assert config.train.precision == "float32"


def test_a_config_that_cannot_train_is_told_as_without_auto(records, tmp_path, monkeypatch):
    monkeypatch.setattr(stack, "cpu_bfloat16", lambda: {"avx512_bf16"})
    with pytest.raises(errors.UsageError, match=r"config\.train\.best is 'top2'"):
        settled(records, tmp_path / "run", best="top2")
