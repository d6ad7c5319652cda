"""float16: the loss's scale, steps that overflow, and a run that goes on."""

import json

import numpy as np
import pytest
import tensorflow as tf
import test_trainer

from tfvision import stack
from tfvision.training import loss_scale

records = test_trainer.records
pytestmark = [pytest.mark.addons, pytest.mark.usefixtures("small_model")]


def test_the_scale_halves_on_an_overflow_and_doubles_after_long_without(monkeypatch):
    monkeypatch.setattr(loss_scale, "INTERVAL", 3)
    scale = loss_scale.LossScale()
    found = []
    for finite in (True, False, True, True, True, True):
        scale.update(np.bool_(finite))
        found.append(float(scale.read()) / loss_scale.INITIAL)
    assert found == [1, 0.5, 0.5, 0.5, 1, 1]
    for _ in range(30):
        scale.update(np.bool_(False))
    assert float(scale.read()) == loss_scale.LOWEST


def run(records, workdir, **changes):
    train = {"precision": "float16", "steps": 6, "steps_per_call": 3, "log_every": 1}
    config = test_trainer.small(records, train={**train, **changes})
    return test_trainer.trainer(config, workdir)


def entries(workdir):
    rows = map(json.loads, (workdir / "log.jsonl").read_text().splitlines())
    return [row for row in rows if row["kind"] == "train"]


def test_a_step_that_overflows_is_left_out_and_a_resumed_run_keeps_the_scale(records, tmp_path):
    made = run(records, tmp_path / "run", steps=1)
    made._scale.variables[0].assign(2.0**40)  # more than float16 holds
    before = [np.array(stack.raw(v)) for v in made.trainable]
    made.fit()
    for variable, value in zip(made.trainable, before, strict=True):
        np.testing.assert_array_equal(np.array(stack.raw(variable)), value)
    assert made.optimizer.iterations.numpy() == 0
    (row,) = entries(tmp_path / "run")
    assert (row["gradient_norm"], float(made._scale.read())) == (0.0, 2.0**39)

    again = run(records, tmp_path / "run", steps=40)
    again.fit()
    norms = [row["gradient_norm"] for row in entries(tmp_path / "run")]
    left_out = norms.count(0.0)
    assert 2 <= left_out < 39
    assert norms[:2] == [0.0, 0.0]
    assert float(again._scale.read()) == 2.0 ** (40 - left_out)
    assert again.optimizer.iterations.numpy() == 40 - left_out
    losses = [row["loss"] for row in entries(tmp_path / "run")]
    assert losses[-1] < losses[0]


def test_float16_learns_what_float32_learns(records, tmp_path):
    losses = []
    for precision in ("float32", "float16"):
        made = run(records, tmp_path / precision, precision=precision)
        made.fit()
        losses.append([row["loss"] for row in entries(tmp_path / precision)])
    np.testing.assert_allclose(*losses, rtol=5e-3)
    assert losses[0] != losses[1]


def test_a_gradient_that_no_scale_mends_is_told(records, tmp_path):
    function, _ = run(records, tmp_path / "run").traced(0)
    function._applied = lambda gradients, step: None
    for scale, told in ((2 * loss_scale.LOWEST, 0.0), (loss_scale.LOWEST, np.inf)):
        function.scale.variables[0].assign(scale)
        row = tf.function(function._scaled)(tf.constant([1.0, np.inf]), (), tf.constant(0))
        assert row.numpy().tolist() == [1.0, told]  # inf: the Trainer stops on it
