"""One network asked several times: at other scales, mirrored, and its answers averaged.

Axis letters: B batch, H, W, C channels, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision.layers.configured import Configured
from tfvision.serialization import register


@register
class ScaleFlip(Configured):
    """[B, H, W, C] bilinearly resized to `size` = (H, W), float32, and mirrored where `flip`."""

    def __init__(self, size, *, flip=False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.size, self.flip = tuple(size), bool(flip)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        inputs = tf.reverse(inputs, [2]) if self.flip else inputs
        same = tuple(inputs.shape[1:3]) == self.size
        return inputs if same else tf.image.resize(inputs, self.size)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.size, input_shape[3])


@register
class LogMeanProbability(Configured):
    """The logarithm of the mean of the softmax of several logits [B, ..., K], float32."""

    def call(self, inputs):
        """inputs: a list of tensors of one shape."""
        mean = tf.add_n([tf.nn.softmax(tf.cast(x, tf.float32)) for x in inputs]) / len(inputs)
        return tf.math.log(tf.maximum(mean, 1e-30))

    def compute_output_shape(self, input_shape):
        return input_shape[0]
