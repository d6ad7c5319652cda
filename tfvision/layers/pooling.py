"""Pooling that pads and counts as torch does. Channels last.

Axis letters: B batch, H height, W width, C channels.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision.layers.configured import Configured
from tfvision.layers.convolution import output_sizes, padded, pair
from tfvision.serialization import register


@register
class MaxPool2D(Configured):
    """Max pooling with symmetric padding of minus infinity (torch's)."""

    def __init__(self, size, *, strides, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.size, self.strides, self.padding = int(size), int(strides), int(padding)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        inputs = padded(inputs, pair(self.padding), inputs.dtype.min)
        return tf.nn.max_pool2d(inputs, self.size, self.strides, "VALID")

    def compute_output_shape(self, input_shape):
        sizes = output_sizes(input_shape, self.size, self.strides, self.padding)
        return (input_shape[0], *sizes, input_shape[3])


@register
class AveragePool2D(Configured):
    """Average pooling with symmetric padding.

    counts_padding: zeros of the padding are part of the average (torch's default); without, an
    average at the border is that of the pixels there, as TensorFlow's SAME has it; padding must
    then be what keeps the size."""

    def __init__(self, size, *, strides, padding=0, counts_padding=True, **kwargs):
        super().__init__(**kwargs)
        self.size, self.strides, self.padding = int(size), int(strides), int(padding)
        self.counts_padding = bool(counts_padding)
        if not counts_padding and (self.strides > 1 or 2 * self.padding != self.size - 1):
            raise ValueError("counts_padding=False needs stride 1 and padding (size - 1) / 2")

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        if not self.counts_padding:
            return tf.nn.avg_pool2d(inputs, self.size, self.strides, "SAME")
        inputs = padded(inputs, pair(self.padding))
        return tf.nn.avg_pool2d(inputs, self.size, self.strides, "VALID")

    def compute_output_shape(self, input_shape):
        sizes = output_sizes(input_shape, self.size, self.strides, self.padding)
        return (input_shape[0], *sizes, input_shape[3])


@register
class AdaptiveAveragePool2D(Configured):
    """[B, H, W, C] -> [B, size, size, C]: the averages of size x size windows (torch's).

    Window i covers the rows floor(i * H / size) up to ceil((i + 1) * H / size); windows
    overlap where H is not a multiple of size, and repeat where it is smaller."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = int(size)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        if tuple(inputs.shape[1:3]) == (self.size, self.size):
            return inputs
        rows, columns = (self._shares(tf.shape(inputs)[axis], inputs.dtype) for axis in (1, 2))
        # two small matrix products, the same in every dtype and on every device
        narrow = tf.einsum("bhwc,xw->bhxc", inputs, columns)
        return tf.einsum("bhxc,yh->byxc", narrow, rows)

    def _shares(self, length, dtype):
        """[size, length]: what each element adds to each window."""
        index = tf.range(self.size)[:, None]
        starts, ends = index * length // self.size, -(-(index + 1) * length // self.size)
        places = tf.range(length)[None]
        inside = tf.logical_and(places >= starts, places < ends)
        return tf.cast(inside, dtype) / tf.cast(ends - starts, dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, input_shape[3])


@register
class GlobalAveragePool(Configured):
    """[B, H, W, C] -> [B, C], or with `keepdims` [B, 1, 1, C], averaged in float32."""

    def __init__(self, *, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.keepdims = bool(keepdims)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        wide = tf.cast(inputs, tf.float32)
        return tf.cast(tf.reduce_mean(wide, [1, 2], keepdims=self.keepdims), inputs.dtype)

    def compute_output_shape(self, input_shape):
        batch, _, _, channels = input_shape
        return (batch, 1, 1, channels) if self.keepdims else (batch, channels)
