"""Focal loss and smooth L1, which detectors use, against torchvision's."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfvision import losses

pytestmark = pytest.mark.addons
ORACLE = np.load(pathlib.Path(__file__).parents[1] / "oracles" / "ops" / "losses.npz")
FOCAL = {0: (0.25, 2.0), 2: (0.75, 0.0), 3: (0.5, 1.5)}  # 1: without alpha, which is not offered


@pytest.mark.parametrize(("case", "options"), FOCAL.items())
def test_focal_is_torchvisions_with_its_gradient(case, options):
    logits = tf.constant(ORACLE["logits"][:, None])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = losses.focal(
            logits=logits, targets=ORACLE["targets"][:, None], alpha=options[0], gamma=options[1]
        )
    np.testing.assert_allclose(value, ORACLE[f"focal_hard_{case}"], rtol=1e-5, atol=1e-6)
    wanted = ORACLE[f"focal_hard_{case}_grad"]
    found = tape.gradient(value, logits)[:, 0].numpy()
    known = np.isfinite(wanted)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[known], wanted[known], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("beta", ["0.1111", "1.0000"])
def test_smooth_l1_is_torchs(beta):
    values = tf.constant(ORACLE["logits"][:60, None] / 3)
    options = {"beta": 1 / 9 if beta == "0.1111" else 1.0, "on": "logits"}
    found = losses.smooth_l1(logits=values, targets=tf.zeros_like(values), **options)
    np.testing.assert_allclose(found, ORACLE[f"smooth_l1_{beta}"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_certain_answer_has_a_finite_gradient(gamma):
    logits = tf.constant([[100.0, -100.0], [0.0, 200.0]])
    for function in (losses.focal, losses.softmax_focal):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(
                logits=logits, targets=tf.constant([[1.0, 0.0], [1.0, 0.0]]), gamma=gamma
            )
        assert np.isfinite(value).all()
        assert np.isfinite(tape.gradient(value, logits)).all()
