"""The moving average of weights: its decay while young, and its place in the net."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tfvision.training.averages import Averages

pytestmark = pytest.mark.addons


def averages(value, decay):
    variable = tf.Variable([value, 1.0])
    return variable, Averages(types.SimpleNamespace(variables=lambda: [variable]), decay)


@pytest.mark.parametrize(("step", "decay"), [(0, 0.1), (1, 2 / 11), (8, 0.5), (1000, 0.9)])
def test_a_young_average_moves_faster(step, decay):
    variable, average = averages(4.0, 0.9)
    variable.assign([8.0, 1.0])
    average.update(tf.constant(step, tf.int64))
    np.testing.assert_allclose(average.variables[0], [4 * decay + 8 * (1 - decay), 1], rtol=1e-6)


def test_the_net_holds_the_averages_inside_and_its_own_weights_after_all_that_happens():
    variable, average = averages(4.0, 0.9)
    variable.assign([8.0, 1.0])

    def fail():
        with average.inside():
            assert variable.numpy().tolist() == [4.0, 1.0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert variable.numpy().tolist() == [8.0, 1.0]
    assert average.variables[0].numpy().tolist() == [4.0, 1.0]
    average.restart()
    assert average.variables[0].numpy().tolist() == [8.0, 1.0]


def test_without_a_decay_there_is_none():
    variable, none = averages(4.0, 0.0)
    with none.inside():
        none.update(tf.constant(0, tf.int64))
        assert variable.numpy().tolist() == [4.0, 1.0]
    assert none.variables == []
