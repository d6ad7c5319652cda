"""Activation functions by name, as pure functions of a tensor.

`prelu` has weights, so it lives in `basic.Activation`; it is listed in `names()`.
"""

from __future__ import annotations

import tensorflow as tf


def _unfused(x: tf.Tensor) -> tf.Tensor:
    """x, behind an operation that TensorFlow's graph optimizer does not look through.

    It fuses convolution, frozen normalisation and these activations on a CPU with oneDNN, and has
    no kernel for that: "Fusion is not implemented" (2.15 to 2.21, float32)."""
    return tf.ensure_shape(x, x.shape)


def tanh(x: tf.Tensor) -> tf.Tensor:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return tf.tanh(_unfused(x))


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
    x = _unfused(x)
    return x * tf.tanh(tf.math.softplus(x))


def selu(x: tf.Tensor) -> tf.Tensor:
    """ELU scaled to keep mean 0 and variance 1 (Klambauer et al. 2017, arXiv:1706.02515)."""
    return tf.nn.selu(x)


def hard_swish(x: tf.Tensor) -> tf.Tensor:
    """x * relu6(x + 3) / 6 (Howard et al. 2019, arXiv:1905.02244, section 5.2)."""
    return x * tf.nn.relu6(x + 3.0) / 6.0


def linear(x: tf.Tensor) -> tf.Tensor:
    """x itself."""
    return x


ACTIVATIONS = {
    "linear": linear,
    "sigmoid": tf.sigmoid,
    "tanh": tanh,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "softmax": tf.nn.softmax,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "silu": tf.nn.silu,
    "mish": mish,
    "hard_swish": hard_swish,
}


def names() -> list[str]:
    """Every activation that a model takes by name."""
    return [*ACTIVATIONS, "prelu"]
