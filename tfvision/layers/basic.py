"""The layers that every model is made of, beside convolutions and pooling. Channels last.

Axis letters: B batch, H height, W width, C channels.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfvision import errors
from tfvision.layers import context
from tfvision.layers.activations import ACTIVATIONS
from tfvision.layers.configured import Configured
from tfvision.layers.sharing import Layer
from tfvision.serialization import register


@register
class Normalize(Configured):
    """Pixels 0..255 (uint8 or float) -> (pixels - mean) / std, in float32, then compute dtype.

    mean, std: one value a channel, on the 0..255 scale. Always the first layer of a model, so
    the values that a model was trained with travel with it."""

    def __init__(self, mean, std, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.mean, self.std = [float(v) for v in mean], [float(v) for v in std]

    def call(self, inputs):
        """inputs: [B, H, W, 3]. Returns the compute dtype."""
        pixels = tf.cast(inputs, tf.float32)
        pixels = (pixels - tf.constant(self.mean)) / tf.constant(self.std)
        return tf.cast(pixels, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


@register
class Dense(Layer):
    """inputs @ kernel + bias. Logit layers ask for dtype="float32"."""

    def __init__(self, units, *, std=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.std = int(units), std

    def build(self, input_shape):
        fan_in = int(input_shape[-1])
        # torch's default for a linear layer, unless a paper's standard deviation is given
        limit = fan_in**-0.5
        kernel = (
            keras.initializers.RandomUniform(-limit, limit)
            if self.std is None
            else keras.initializers.RandomNormal(stddev=self.std)
        )
        self.kernel = self.add_weight(name="kernel", shape=(fan_in, self.units), initializer=kernel)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """inputs: [B, C]."""
        outputs = tf.matmul(inputs, tf.cast(self.kernel, inputs.dtype))
        return outputs + tf.cast(self.bias, outputs.dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)


@register
class Activation(Layer):
    """An activation by name (see `activations.ACTIVATIONS`), with its options.

    `prelu` learns one slope a channel (He et al. 2015, arXiv:1502.01852), starting at 0.25."""

    def __init__(self, function, *, options=None, **kwargs):
        super().__init__(**kwargs)
        self.function, self.options = function, dict(options or {})
        if function != "prelu":
            errors.choose(ACTIVATIONS, function, "activation")

    def build(self, input_shape):
        if self.function == "prelu":
            self.alpha = self.add_weight(
                name="alpha",
                shape=(int(input_shape[-1]),),
                initializer=keras.initializers.Constant(self.options.get("slope", 0.25)),
            )
        super().build(input_shape)

    def call(self, inputs):
        """inputs: any shape."""
        if self.function == "prelu":
            alpha = tf.cast(self.alpha, inputs.dtype)
            return tf.nn.relu(inputs) - alpha * tf.nn.relu(-inputs)
        what = f"activation '{self.function}'"
        return errors.call(ACTIVATIONS[self.function], self.options, what, inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


@register
class Add(Configured):
    """The sum of a residual branch and its shortcut (two tensors of one shape)."""

    def call(self, inputs):
        """inputs: a list of two tensors."""
        return inputs[0] + inputs[1]

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@register
class Concatenate(Configured):
    """The channels of several tensors [B, H, W, ...] side by side."""

    def call(self, inputs):
        """inputs: a list of tensors that differ in channels alone."""
        return tf.concat(inputs, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], sum(shape[-1] for shape in input_shape))


@register
class Flatten(Configured):
    """[B, H, W, C] -> [B, C * H * W] in the order C, H, W: torch's, so that its weights fit."""

    def call(self, inputs):
        """inputs: [B, H, W, C] of known H, W and C."""
        _, height, width, channels = inputs.shape
        channels_first = tf.transpose(inputs, [0, 3, 1, 2])
        return tf.reshape(channels_first, [-1, channels * height * width])

    def compute_output_shape(self, input_shape):
        _, height, width, channels = input_shape
        return (input_shape[0], channels * height * width)


@register
class Dropout(Configured):
    """Dropout with stateless draws (Srivastava et al. 2014); see `layers.context`."""

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = float(rate)

    def call(self, inputs, training=None):
        """inputs: any shape."""
        if not training or self.rate == 0.0:
            return inputs
        keep = context.uniform(tf.shape(inputs), self.name) >= self.rate
        return tf.where(keep, inputs / (1.0 - self.rate), tf.zeros_like(inputs))

    def compute_output_shape(self, input_shape):
        return input_shape


@register
class StochasticDepth(Configured):
    """Leaves a residual branch out for whole images (Huang et al. 2016, arXiv:1603.09382).

    rate: the probability of leaving it out; what is kept is scaled by 1 / (1 - rate)."""

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = float(rate)

    def call(self, inputs, training=None):
        """inputs: [B, H, W, C]."""
        if not training or self.rate == 0.0:
            return inputs
        shape = tf.concat([tf.shape(inputs)[:1], [1, 1, 1]], axis=0)
        keep = context.uniform(shape, self.name) >= self.rate
        return inputs * tf.cast(keep, inputs.dtype) / (1.0 - self.rate)

    def compute_output_shape(self, input_shape):
        return input_shape
