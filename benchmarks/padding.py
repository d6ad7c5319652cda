"""A stride-2 convolution padded by conv2d itself against padding before it, training step.

    python benchmarks/padding.py

Prints the time of the gradient with explicit padding over that with tf.pad and VALID, in
float32 and bfloat16. This is why layers.Conv2D pads by hand.
"""

import tensorflow as tf
from op_times import gradient, timed


def main():
    edge = [[0, 0], [1, 1], [1, 1], [0, 0]]
    for dtype in (tf.float32, tf.bfloat16):
        x = tf.cast(tf.random.normal([32, 64, 80, 32]), dtype)
        kernel = tf.cast(tf.random.normal([3, 3, 32, 64]), dtype)
        explicit = timed(gradient(lambda x, k: tf.nn.conv2d(x, k, 2, edge)), x, kernel)
        padded = timed(
            gradient(lambda x, k: tf.nn.conv2d(tf.pad(x, edge), k, 2, "VALID")), x, kernel
        )
        print(f"{dtype.name}: explicit / padded = {explicit / padded:.1f}")


if __name__ == "__main__":
    main()
