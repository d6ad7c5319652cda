"""The layers of Darknet's cfg files that no other network has. Channels last.

Axis letters: B batch, H height, W width, C channels.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvision.layers.configured import Configured
from tfvision.layers.convolution import output_sizes, padded, pair
from tfvision.layers.sharing import Layer
from tfvision.serialization import register


@register
class GroupedConv2D(Layer):
    """A convolution of groups of channels that do not see each other, with symmetric padding.

    The kernel is [k, k, C / groups, filters]. The inputs are split and the outputs concatenated:
    TensorFlow's own grouped convolution runs on a CPU only when compiled, which a server may not
    do. Where groups = C = filters, use DepthwiseConv2D."""

    def __init__(
        self, filters, kernel_size, *, groups, strides=1, padding=0, use_bias=False, **kwargs
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.groups = int(filters), int(kernel_size), int(groups)
        self.strides, self.padding, self.use_bias = int(strides), int(padding), bool(use_bias)

    def build(self, input_shape):
        shape = (*pair(self.kernel_size), int(input_shape[-1]) // self.groups, self.filters)
        he = keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=he)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        kernels = tf.split(tf.cast(self.kernel, inputs.dtype), self.groups, axis=-1)
        parts = tf.split(padded(inputs, pair(self.padding)), self.groups, axis=-1)
        outputs = tf.concat(
            [
                tf.nn.conv2d(part, kernel, self.strides, "VALID")
                for part, kernel in zip(parts, kernels, strict=True)
            ],
            axis=-1,
        )
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, tf.cast(self.bias, outputs.dtype))
        return outputs

    def compute_output_shape(self, input_shape):
        sizes = output_sizes(input_shape, self.kernel_size, self.strides, self.padding)
        return (input_shape[0], *sizes, self.filters)


@register
class Bias(Layer):
    """inputs + one number per channel."""

    def build(self, input_shape):
        self.bias = self.add_weight(name="bias", shape=(int(input_shape[-1]),), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        return tf.nn.bias_add(inputs, tf.cast(self.bias, inputs.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape


@register
class ChannelGroup(Configured):
    """One of `groups` equal parts of the channels (of a [route] with groups)."""

    def __init__(self, groups, group, **kwargs):
        super().__init__(**kwargs)
        self.groups, self.group = int(groups), int(group)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        return tf.split(inputs, self.groups, axis=-1)[self.group]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // self.groups)
