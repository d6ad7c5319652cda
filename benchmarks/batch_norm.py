"""Batch normalisation in bfloat16 where the channels are not multiples of 16.

    python benchmarks/batch_norm.py

Prints the time of a forward and backward pass of TensorFlow's bfloat16 kernel over that of
layers.BatchNormalization, which computes in float32 there; 16 and 32 channels for comparison.
"""

import tensorflow as tf
from op_times import gradient, squares, timed

from tfvision import layers, stack


def native(image, channels):
    outputs = tf.raw_ops.FusedBatchNormV3(
        x=image,
        scale=tf.ones(channels),
        offset=tf.zeros(channels),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=1e-5,
        is_training=True,
    )
    return outputs[0]


def main():
    for channels, side in ((8, 256), (16, 256), (24, 128), (32, 128)):
        x = tf.cast(tf.random.normal([8, side, side, channels]), tf.bfloat16)
        with stack.precision("mixed_bfloat16"):
            layer = layers.BatchNormalization()
        layer.build(x.shape)

        theirs = timed(gradient(lambda image, n=channels: native(image, n), squares), x)
        ours = timed(gradient(lambda image, n=layer: n(image, training=True), squares), x)
        print(f"{channels} channels: bfloat16 / ours = {theirs / ours:.1f}", flush=True)


if __name__ == "__main__":
    main()
