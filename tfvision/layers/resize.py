"""Bilinear resizing of features and logits. Channels last.

Axis letters: B batch, H height, W width, C channels.
"""

from __future__ import annotations

import tensorflow as tf

from tfvision.layers.configured import Configured
from tfvision.layers.convolution import pair
from tfvision.serialization import register


@register
class Resize(Configured):
    """Bilinear resizing of [B, H, W, C] to `size` (rows, columns), without antialiasing.

    align_corners: the centers of the corner pixels stay where they are (the authors of DeepLab;
    torch's align_corners=True); without, the corners of the corner pixels do (torch's False,
    TensorFlow's half-pixel centers). Interpolates in float32 and returns the input's dtype."""

    def __init__(self, size, *, align_corners=False, **kwargs):
        super().__init__(**kwargs)
        self.size, self.align_corners = pair(size), bool(align_corners)

    def call(self, inputs):
        """inputs: [B, H, W, C]."""
        if tuple(inputs.shape[1:3]) == self.size:
            return inputs
        if tuple(inputs.shape[1:3]) == (1, 1):
            return tf.tile(inputs, [1, *self.size, 1])
        outputs = tf.compat.v1.image.resize_bilinear(
            inputs,
            self.size,
            align_corners=self.align_corners,
            half_pixel_centers=not self.align_corners,
        )
        return tf.cast(outputs, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.size, input_shape[3])
