"""The time of an op and of its gradient in a graph, for the scripts that compare single ops."""

import statistics
import time

import tensorflow as tf


def timed(function, *arguments, repeats=5):
    """Seconds of a call, the median of `repeats` after one that traces."""
    graph = tf.function(function)
    graph(*arguments)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        tf.nest.map_structure(lambda t: t.numpy(), graph(*arguments))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def gradient(function, total=tf.reduce_sum):
    """The gradient of the `total` of a function's output, as a function of the same inputs."""

    def differentiated(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = total(function(*inputs))
        return tape.gradient(value, inputs)

    return differentiated


def squares(outputs):
    """A total whose gradient needs the forward pass, too."""
    return tf.reduce_sum(tf.square(outputs))
