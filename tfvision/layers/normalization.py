"""Batch normalisation on TensorFlow's fused kernel (Ioffe & Szegedy 2015, arXiv:1502.03167)."""

from __future__ import annotations

import tensorflow as tf

from tfvision import stack
from tfvision.layers.sharing import Layer
from tfvision.serialization import register


@register
class BatchNormalization(Layer):
    """Normalises each channel of [B, H, W, C]; statistics are float32 whatever the input is.

    momentum: share of the old moving statistics kept each step (torch's 0.1 is 0.9 here).
    The moving variance is the unbiased one, as in torch and in TensorFlow's kernel.
    frozen: normalises with the moving statistics in training too, updates nothing and trains
    neither gamma nor beta; so does trainable=False, which can be undone.
    image_statistics: outside training each image is normalised with its own statistics, so its
    answer does not depend on its batch. (The authors of FC-DenseNet evaluate with those of the
    batch; for one image at a time that is the same.)
    synchronized: statistics over all replicas, from all-reduced E[x] and E[x^2], unfused."""

    def __init__(
        self,
        *,
        momentum=0.9,
        epsilon=1e-5,
        synchronized=False,
        frozen=False,
        image_statistics=False,
        gamma_zero=False,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.momentum, self.epsilon = float(momentum), float(epsilon)
        self.synchronized, self.frozen = bool(synchronized), bool(frozen)
        self.image_statistics, self.gamma_zero = bool(image_statistics), bool(gamma_zero)

    def build(self, input_shape):
        shape = (int(input_shape[-1]),)

        def add(name, initializer, trainable):
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                trainable=trainable,
                dtype="float32",
                **stack.NO_AUTOCAST,
            )

        self.gamma = add("gamma", "zeros" if self.gamma_zero else "ones", not self.frozen)
        self.beta = add("beta", "zeros", not self.frozen)
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)
        super().build(input_shape)

    def call(self, inputs, training=None):
        """inputs: [B, H, W, C], float32, bfloat16 or float16; returns the same dtype."""
        if self.image_statistics and not training:
            return self._of_each_image(inputs)
        if not (training and self.trainable) or self.frozen:
            return self._fused(inputs, training=False)[0]
        replicas = tf.distribute.get_replica_context()
        if self.synchronized and replicas and replicas.num_replicas_in_sync > 1:
            outputs, mean, variance = self._across_replicas(inputs, replicas)
        else:
            outputs, mean, variance = self._fused(inputs, training=True)
        keep = self.momentum
        self.moving_mean.assign(self.moving_mean * keep + mean * (1.0 - keep))
        self.moving_variance.assign(self.moving_variance * keep + variance * (1.0 - keep))
        return outputs

    def statistics(self) -> list[tf.Variable]:
        """The moving statistics, where training moves them."""
        moves = self.trainable and not self.frozen
        return [stack.raw(v) for v in (self.moving_mean, self.moving_variance) if moves]

    def _fused(self, inputs, training):
        if training:
            mean = variance = tf.zeros([0])  # the kernel takes the batch's
        else:
            mean = tf.convert_to_tensor(self.moving_mean)
            variance = tf.convert_to_tensor(self.moving_variance)
        # On a CPU the bfloat16 kernels are many times slower than float32's where the
        # channels are not multiples of 16 (benchmarks/batch_norm.py).
        slow = inputs.dtype == tf.bfloat16 and inputs.shape[-1] % 16
        # Not tf.nn's own function, which raises epsilon to 1.001e-5 for the sake of old cuDNN.
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=tf.cast(inputs, tf.float32) if slow else inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=training,
        )
        return tf.cast(outputs, inputs.dtype), mean, variance

    def _of_each_image(self, inputs):
        x = tf.cast(inputs, tf.float32)
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        scale = tf.math.rsqrt(variance + self.epsilon) * tf.convert_to_tensor(self.gamma)
        return tf.cast((x - mean) * scale + tf.convert_to_tensor(self.beta), inputs.dtype)

    def _across_replicas(self, inputs, replicas):
        x = tf.cast(inputs, tf.float32)
        local = tf.stack([tf.reduce_mean(x, [0, 1, 2]), tf.reduce_mean(x * x, [0, 1, 2])])
        mean, square = tf.unstack(replicas.all_reduce(tf.distribute.ReduceOp.MEAN, local))
        variance = tf.maximum(square - mean * mean, 0.0)
        scale = tf.math.rsqrt(variance + self.epsilon) * self.gamma
        count = tf.cast(tf.reduce_prod(tf.shape(x)[:3]) * replicas.num_replicas_in_sync, tf.float32)
        unbiased = variance * count / tf.maximum(count - 1.0, 1.0)
        outputs = tf.cast((x - mean) * scale + self.beta, inputs.dtype)
        return outputs, mean, unbiased

    def compute_output_shape(self, input_shape):
        return input_shape
