"""The gradient of a stride-2 depthwise convolution in bfloat16, against float32's.

    python benchmarks/depthwise.py

Prints the time of TensorFlow's own bfloat16 gradient over that of layers.DepthwiseConv2D, which
computes this gradient in float32; then the layer's forward pass in bfloat16 over float32.
"""

import tensorflow as tf
from op_times import gradient, timed

from tfvision import layers, stack

STRIDES = [1, 2, 2, 1]


def main():
    x = tf.random.normal([16, 56, 56, 144])
    with stack.precision("mixed_bfloat16"):
        layer = layers.DepthwiseConv2D(3, strides=2)
    layer.build(x.shape)
    edge = [[0, 0], [1, 1], [1, 1], [0, 0]]
    kernel = tf.reshape(tf.convert_to_tensor(layer.kernel), [3, 3, 144, 1])
    short, short_kernel = tf.cast(x, tf.bfloat16), tf.cast(kernel, tf.bfloat16)

    def native(image, weights):
        return tf.nn.depthwise_conv2d(tf.pad(image, edge), weights, STRIDES, "VALID")

    def ours(image, _):
        return layer(image)

    def training(image):
        with tf.GradientTape() as tape:
            tape.watch(image)
            total = tf.reduce_sum(layer(image))
        return tape.gradient(total, (image, layer.trainable_weights[0]))

    theirs = timed(gradient(native), short, short_kernel)
    print(f"gradient: bfloat16 / ours = {theirs / timed(training, short):.1f}")
    forward = timed(ours, short, short_kernel) / timed(native, x, kernel)
    print(f"forward: bfloat16 / float32 = {forward:.2f}")


if __name__ == "__main__":
    main()
