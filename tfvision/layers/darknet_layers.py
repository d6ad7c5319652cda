"""The layers of YOLO and Darknet that other networks do not have. Channels last.

Axis letters: B batch, H height, W width, C channels, A anchors (boxes a cell), K classes.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvision.layers.configured import Configured
from tfvision.layers.convolution import output_sizes, padded, pair
from tfvision.layers.sharing import Layer
from tfvision.serialization import register

# The first boxes of a fresh network are then its anchors, about: what YOLOv2's first 12,800
# images are for in Darknet.
HEAD_STD = 0.01  # of a head's weights


@register
class LocallyConnected2D(Layer):
    """A convolution with a kernel and a bias of its own at every place (Darknet's [local]).

    The kernel is [H', W', k, k, C, filters] and the bias [H', W', filters] of the output's size,
    so the input's must be known."""

    def __init__(self, filters, kernel_size, *, strides=1, padding=0, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = int(filters), int(kernel_size)
        self.strides, self.padding = int(strides), int(padding)

    def build(self, input_shape):
        sizes = self.compute_output_shape(input_shape)[1:3]
        window = (self.kernel_size, self.kernel_size, int(input_shape[-1]))
        std = (2.0 / (window[0] * window[1] * window[2])) ** 0.5  # He et al. 2015, fan-in
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*sizes, *window, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=std),
        )
        self.bias = self.add_weight(name="bias", shape=(*sizes, self.filters), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        inputs = padded(inputs, pair(self.padding))
        window, stride = [1, self.kernel_size, self.kernel_size, 1], self.strides
        patches = tf.image.extract_patches(
            inputs, window, [1, stride, stride, 1], [1, 1, 1, 1], "VALID"
        )
        rows, columns = self.kernel.shape[:2]
        kernel = tf.reshape(
            tf.cast(self.kernel, inputs.dtype), [rows * columns, patches.shape[-1], self.filters]
        )
        # one small matrix product a place: [HW, B, kkC] x [HW, kkC, filters]
        patches = tf.reshape(patches, [-1, rows * columns, patches.shape[-1]])
        outputs = tf.transpose(tf.matmul(tf.transpose(patches, [1, 0, 2]), kernel), [1, 0, 2])
        outputs = tf.reshape(outputs, [-1, rows, columns, self.filters])
        return outputs + tf.cast(self.bias, outputs.dtype)

    def compute_output_shape(self, input_shape):
        sizes = output_sizes(input_shape, self.kernel_size, self.strides, self.padding)
        return (input_shape[0], *sizes, self.filters)


@register
class PaddedMaxPool2D(Configured):
    """Max pooling whose padding is less at the top and left: padding // 2 of it, the rest after.

    So a 2x2 window of stride 1 with padding 1 keeps the size (Darknet's [maxpool])."""

    def __init__(self, size, *, strides, padding, **kwargs):
        super().__init__(**kwargs)
        self.size, self.strides, self.padding = int(size), int(strides), int(padding)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        # TensorFlow's SAME is this at stride 1, and for 2x2 at any stride; it saves a pass.
        if self.padding == self.size - 1 and (self.strides == 1 or self.size == 2):
            return tf.nn.max_pool2d(inputs, self.size, self.strides, "SAME")
        before, after = self.padding // 2, self.padding - self.padding // 2
        edges = [[0, 0], [before, after], [before, after], [0, 0]]
        inputs = tf.pad(inputs, edges, constant_values=inputs.dtype.min)
        return tf.nn.max_pool2d(inputs, self.size, self.strides, "VALID")

    def compute_output_shape(self, input_shape):
        sizes = (
            None if n is None else (n + self.padding - self.size) // self.strides + 1
            for n in input_shape[1:3]
        )
        return (input_shape[0], *sizes, input_shape[3])


@register
class Upsample(Configured):
    """Each pixel `times` by `times` times: the nearest neighbour's."""

    def __init__(self, times, **kwargs):
        super().__init__(**kwargs)
        self.times = int(times)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        # Copies, not a resize: that has a gradient which XLA cannot compile.
        rows, columns = (inputs.shape[axis] or tf.shape(inputs)[axis] for axis in (1, 2))
        channels, times = inputs.shape[3], self.times
        wide = tf.concat([inputs] * times, axis=3)
        wide = tf.reshape(wide, [-1, rows, columns * times, channels])
        outputs = tf.concat([wide] * times, axis=2)
        return tf.reshape(outputs, [-1, rows * times, columns * times, channels])

    def compute_output_shape(self, input_shape):
        rows, columns = (n and n * self.times for n in input_shape[1:3])
        return (input_shape[0], rows, columns, input_shape[3])


@register
class Reorg(Configured):
    """[B, H, W, C] -> [B, H / s, W / s, C * s * s], as Darknet's code has always done it.

    It addresses the flat C, H, W input as if it were [C / s^2, H s, W s], takes that apart into
    blocks of s x s, and reads the flat result as [C s^2, H / s, W / s]: not a space-to-depth, but
    what YOLOv2's weights were trained with. C is a multiple of s^2, H and W of s."""

    def __init__(self, stride, **kwargs):
        super().__init__(**kwargs)
        self.stride = int(stride)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        by, channels, shape = self.stride, inputs.shape[-1], tf.shape(inputs)
        batch, rows, columns = shape[0], shape[1], shape[2]
        x = tf.transpose(inputs, [0, 3, 1, 2])
        x = tf.reshape(x, [batch, channels // by**2, rows, by, columns, by])
        x = tf.transpose(x, [0, 3, 5, 1, 2, 4])
        x = tf.reshape(x, [batch, channels * by**2, rows // by, columns // by])
        return tf.transpose(x, [0, 2, 3, 1])

    def compute_output_shape(self, input_shape):
        by = self.stride
        rows, columns = (n and n // by for n in input_shape[1:3])
        return (input_shape[0], rows, columns, input_shape[3] * by**2)


@register
class AnchorCells(Configured):
    """[B, H, W, A * (5 + K)] -> [B, H, W, A, 5 + K]: the raw outputs of YOLOv2's and v3's heads."""

    def __init__(self, anchors, **kwargs):
        super().__init__(**kwargs)
        self.anchors = int(anchors)

    def call(self, inputs):
        """inputs: [B, H, W, A * (5 + K)]."""
        shape = tf.shape(inputs)
        sizes = [self.anchors, inputs.shape[-1] // self.anchors]
        return tf.reshape(inputs, tf.concat([shape[:3], sizes], axis=0))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.anchors, input_shape[-1] // self.anchors)


@register
class DetectionCells(Configured):
    """[B, S * S * (K + 5 A)] -> [B, S, S, K + 5 A]: the raw outputs of YOLOv1's head.

    Darknet's vector has the classes of all cells first, then all confidences, then all boxes."""

    def __init__(self, side, boxes, **kwargs):
        super().__init__(**kwargs)
        self.side, self.boxes = int(side), int(boxes)

    def call(self, inputs):
        """inputs: [B, S * S * (K + 5 A)]."""
        cells = self.side**2
        classes = inputs.shape[-1] // cells - 5 * self.boxes
        sizes = (classes, self.boxes, 4 * self.boxes)
        parts = tf.split(inputs, [cells * size for size in sizes], axis=-1)
        parts = [
            tf.reshape(part, [-1, self.side, self.side, size])
            for part, size in zip(parts, sizes, strict=True)
        ]
        return tf.concat(parts, axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.side, self.side, input_shape[-1] // self.side**2)
