"""Gradients by the names of the variables."""

import tensorflow as tf

from tfvision import stack


def assert_learn(model, tape, loss, names):
    """Holds that the gradients of some variables of a model are not all 0."""
    paths = [stack.variable_path(v) for v in model.trainable_variables]
    variables = [stack.raw(v) for v in model.trainable_variables]
    gradients = dict(zip(paths, tape.gradient(loss, variables), strict=True))
    for name in names:
        assert float(tf.reduce_max(tf.abs(gradients[name]))) > 0.0, name
