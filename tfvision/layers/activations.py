"""Activation functions by name, as pure functions of a tensor.

`prelu` has weights, so it lives in `basic.Activation`; it is listed in `names()`.
"""

from __future__ import annotations

import tensorflow as tf


def leaky_relu(x: tf.Tensor, *, slope: float = 0.01) -> tf.Tensor:
    """max(x, slope * x); YOLO uses 0.1 (Maas et al. 2013)."""
    return tf.nn.leaky_relu(x, slope)


def elu(x: tf.Tensor, *, alpha: float = 1.0) -> tf.Tensor:
    """x where positive, else alpha * (exp(x) - 1) (Clevert et al. 2015, arXiv:1511.07289)."""
    return tf.where(x > 0, x, alpha * (tf.exp(tf.minimum(x, 0)) - 1))


def gelu(x: tf.Tensor) -> tf.Tensor:
    """x * P(X <= x), exact (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""
    return tf.nn.gelu(x, approximate=False)


def gelu_tanh(x: tf.Tensor) -> tf.Tensor:
    """The tanh approximation of GELU (the same paper, section 2)."""
    return tf.nn.gelu(x, approximate=True)


def mish(x: tf.Tensor) -> tf.Tensor:
    """x * tanh(softplus(x)) (Misra 2019, arXiv:1908.08681)."""
    return x * tf.tanh(tf.math.softplus(x))


def linear(x: tf.Tensor) -> tf.Tensor:
    """x itself."""
    return x


ACTIVATIONS = {
    "linear": linear,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "relu": tf.nn.relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "softmax": tf.nn.softmax,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "silu": tf.nn.silu,
    "mish": mish,
}


def names() -> list[str]:
    """Every activation that a model takes by name."""
    return [*ACTIVATIONS, "prelu"]
