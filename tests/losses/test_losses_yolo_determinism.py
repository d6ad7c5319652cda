import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.addons
SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
import tensorflow as tf
tf.config.experimental.enable_op_determinism()
from test_losses_yolo import LOSSES, GRID, batch, differentiated, raws
for name, (function, last) in LOSSES.items():
    values, truth = raws((*GRID, *last)), batch()
    first = differentiated(lambda raw: function(raw, *truth), [values])[1][0]
    for _ in range(3):
        again = differentiated(lambda raw: function(raw, *truth), [values])[1][0]
        assert np.array_equal(first, again), name
    print(name, "ok")
"""


def test_every_op_has_a_deterministic_gradient():
    """In a process of its own: determinism cannot be turned off again."""
    folder = str(pathlib.Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(folder=folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["v1", "ok", "v2", "ok", "v3", "ok"]
