"""Transposed convolution, cropped to a given size. Channels last.

Axis letters: B batch, H height, W width, C channels.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvision.layers.convolution import pair
from tfvision.layers.sharing import Layer
from tfvision.serialization import register


@register
class Conv2DTranspose(Layer):
    """A 3x3 transposed convolution of stride 2 (Dumoulin & Visin 2016, arXiv:1603.07285).

    size: (rows, columns) of the output; each is 2 * H or 2 * H + 1, the sizes whose halving gave
    H. The whole output is 2 * H + 1; an even one lacks the last row, which is what cropping to
    the center comes to in the authors' FC-DenseNet (Lasagne rounds the offset down). The kernel
    is [3, 3, filters, C]; it and the bias start as in `Conv2D`, with fan-in and fan-out alike if
    the layer keeps the number of channels."""

    def __init__(self, filters, *, size, use_bias=False, initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.size, self.use_bias = int(filters), pair(size), bool(use_bias)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        for side, expected in zip(input_shape[1:3], self.size, strict=True):
            if expected // 2 != side:
                raise ValueError(f"{self.name}: {side} rows or columns cannot become {expected}")
        shape = (3, 3, self.filters, int(input_shape[-1]))
        draw = self.initializer or keras.initializers.VarianceScaling(
            2.0, "fan_in", "untruncated_normal"
        )
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=draw)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        batch, kernel = tf.shape(inputs)[0], tf.cast(self.kernel, inputs.dtype)
        rows, columns = self.size
        if rows % 2 == 0 and columns % 2 == 0:
            # TensorFlow's SAME of an even size crops the same row and column, three times as
            # fast in training as slicing does (benchmarks/atrous.py).
            shape = [batch, rows, columns, self.filters]
            outputs = tf.nn.conv2d_transpose(inputs, kernel, shape, 2, "SAME")
        else:
            whole = [2 * length + 1 for length in inputs.shape[1:3]]
            shape = [batch, *whole, self.filters]
            outputs = tf.nn.conv2d_transpose(inputs, kernel, shape, 2, "VALID")
            outputs = outputs[:, :rows, :columns]
        outputs = tf.ensure_shape(outputs, [None, rows, columns, self.filters])
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, tf.cast(self.bias, outputs.dtype))
        return outputs

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.size, self.filters)
