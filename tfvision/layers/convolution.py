"""Convolutions that pad both sides alike, as the papers and torch count it. Channels last.

Output size: floor((W + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1, which
TensorFlow's SAME is not for even sizes at stride 2.

Axis letters: B batch, H height, W width, C channels.
"""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

from tfvision.layers.sharing import Layer
from tfvision.serialization import register


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """One number for both axes, or (rows, columns)."""
    rows, columns = (value, value) if isinstance(value, int) else value
    return int(rows), int(columns)


def output_sizes(shape, kernel, stride, padding, dilation=1) -> tuple[int | None, int | None]:
    """(H, W) of what comes out for an input [B, H, W, C]; None stays None."""
    sizes = []
    for size, k, p in zip(shape[1:3], pair(kernel), pair(padding), strict=True):
        reach = dilation * (k - 1) + 1
        sizes.append(None if size is None else (size + 2 * p - reach) // stride + 1)
    return tuple(sizes)


def padded(inputs: tf.Tensor, padding: tuple[int, int], value: float = 0) -> tf.Tensor:
    """[B, H, W, C] with `padding` (rows, columns) of `value` on both sides."""
    if not any(padding):
        return inputs
    edges = [[0, 0], [padding[0]] * 2, [padding[1]] * 2, [0, 0]]
    return tf.pad(inputs, edges, constant_values=value)


@functools.cache
def dilates(dtype: str) -> bool:
    """Can TensorFlow differentiate a dilated convolution here?

    oneDNN can on a CPU, as fast as an undilated one (benchmarks/atrous.py). Where it is switched
    off, not built in or does not know the dtype, TensorFlow's own kernel refuses."""
    with tf.init_scope():
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=[1, 5, 5, 1],
                filter=tf.zeros([3, 3, 1, 1], dtype),
                out_backprop=tf.zeros([1, 5, 5, 1], dtype),
                strides=[1] * 4,
                padding="SAME",
                dilations=[1, 2, 2, 1],
            )
        except tf.errors.InvalidArgumentError:
            return False
    return True


def by_space_to_batch(inputs: tf.Tensor, kernel: tf.Tensor, dilation: int) -> tf.Tensor:
    """A dilated VALID convolution, as an undilated one of every dilation-th pixel."""
    missing = -tf.shape(inputs)[1:3] % dilation  # pixels to a whole number of blocks
    ends = tf.stack([tf.zeros_like(missing), missing], axis=1)
    outputs = tf.space_to_batch(inputs, [dilation] * 2, ends)
    outputs = tf.nn.conv2d(outputs, kernel, 1, "VALID")
    outputs = tf.batch_to_space(outputs, [dilation] * 2, ends)
    sizes = output_sizes(inputs.shape, kernel.shape[:2], 1, 0, dilation)
    return tf.ensure_shape(outputs, [None, *sizes, kernel.shape[3]])


# oneDNN's gradient of a strided 1x1 convolution writes beyond its memory below so many channels:
# seen at 4 and 8 in float32 on both stacks, not from 12 on.
_LEAST_STRIDED = 16


@register
class Conv2D(Layer):
    """A convolution with symmetric padding.

    kernel_size, padding: a number, or (rows, columns) such as (1, 7). padding=None keeps the
    size at stride 1. Kernels are drawn from He et al. 2015 (arXiv:1502.01852) with fan-out, as
    torchvision's, unless a standard deviation is given, or an `initializer` of Keras that this
    layer has for itself."""

    def __init__(
        self,
        filters,
        kernel_size,
        *,
        strides=1,
        padding=None,
        dilation=1,
        use_bias=False,
        std=None,
        initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = int(filters), pair(kernel_size)
        self.std, self.initializer = std, keras.initializers.get(initializer)
        self.strides, self.dilation, self.use_bias = int(strides), int(dilation), bool(use_bias)
        same = tuple(self.dilation * (size - 1) // 2 for size in self.kernel_size)
        self.padding = same if padding is None else pair(padding)

    def build(self, input_shape):
        shape = (*self.kernel_size, int(input_shape[-1]), self.filters)
        if self.initializer is not None:
            draw = self.initializer
        elif self.std is None:
            draw = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
        else:
            draw = keras.initializers.RandomNormal(stddev=self.std)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=draw)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        reach = tuple(self.dilation * (size - 1) for size in self.kernel_size)
        keeps_size = reach == tuple(2 * edge for edge in self.padding)
        strides = self.strides
        if strides > 1 and not any((*reach, *self.padding)) and inputs.shape[3] < _LEAST_STRIDED:
            inputs, strides = inputs[:, ::strides, ::strides], 1
        if strides == 1 and keeps_size:
            padding = "SAME"
        else:
            # Not conv2d's own explicit padding: its gradient leaves the fast kernels on a CPU
            # (80 times slower in bfloat16; benchmarks/padding.py).
            inputs, padding = padded(inputs, self.padding), "VALID"
        kernel = tf.cast(self.kernel, inputs.dtype)
        if self.dilation > 1 and strides == 1 and not dilates(inputs.dtype.name):
            if padding == "SAME":
                inputs = padded(inputs, self.padding)
            outputs = by_space_to_batch(inputs, kernel, self.dilation)
        else:
            outputs = tf.nn.conv2d(inputs, kernel, strides, padding, dilations=self.dilation)
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, tf.cast(self.bias, outputs.dtype))
        return outputs

    def compute_output_shape(self, input_shape):
        kernel, padding = self.kernel_size, self.padding
        sizes = output_sizes(input_shape, kernel, self.strides, padding, self.dilation)
        return (input_shape[0], *sizes, self.filters)


@register
class DepthwiseConv2D(Layer):
    """One kernel a channel (torch's groups = channels), with symmetric padding, without bias.

    The kernel is [k, k, 1, C], torch's [C, 1, k, k] turned. padding=None keeps the size at
    stride 1. A stride needs dilation 1. Kernels are drawn from He et al. 2015 with fan-in."""

    def __init__(self, kernel_size, *, strides=1, padding=None, dilation=1, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size, self.strides = int(kernel_size), int(strides)
        self.dilation = int(dilation)
        same = self.dilation * (self.kernel_size - 1) // 2
        self.padding = same if padding is None else int(padding)
        if self.strides > 1 and self.dilation > 1:
            raise ValueError("a depthwise convolution has a stride or a dilation, not both")

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, 1, int(input_shape[-1]))
        he = keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=he)
        super().build(input_shape)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        kernel = tf.transpose(tf.cast(self.kernel, inputs.dtype), [0, 1, 3, 2])
        if self.strides == 1 and self.dilation * (self.kernel_size - 1) == 2 * self.padding:
            padding = "SAME"  # up to twice as fast as padding by hand (benchmarks/atrous.py)
        else:
            inputs, padding = padded(inputs, pair(self.padding)), "VALID"
        if self.strides > 1:
            return _strided(inputs, kernel, self.strides)
        dilations = [self.dilation] * 2
        return tf.nn.depthwise_conv2d(inputs, kernel, [1] * 4, padding, dilations=dilations)

    def compute_output_shape(self, input_shape):
        sizes = output_sizes(
            input_shape, self.kernel_size, self.strides, self.padding, self.dilation
        )
        return (input_shape[0], *sizes, input_shape[3])


def _strided(inputs, kernel, stride):
    """A depthwise convolution whose gradient is computed in float32.

    On a CPU the bfloat16 kernels of that gradient are 3 to 6 times slower than float32's at
    stride 2 (benchmarks/depthwise.py)."""
    strides = [1, stride, stride, 1]

    @tf.custom_gradient
    def function(x, k):
        def gradient(upstream):
            wide = [tf.cast(tensor, tf.float32) for tensor in (x, k, upstream)]
            to_x = tf.nn.depthwise_conv2d_backprop_input(
                tf.shape(x), wide[1], wide[2], strides, "VALID"
            )
            to_k = tf.nn.depthwise_conv2d_backprop_filter(
                wide[0], tf.shape(k), wide[2], strides, "VALID"
            )
            return tf.cast(to_x, x.dtype), tf.cast(to_k, k.dtype)

        return tf.nn.depthwise_conv2d(x, k, strides, "VALID"), gradient

    return function(inputs, kernel)
