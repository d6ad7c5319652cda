"""Dilated and transposed convolutions on this machine: what the layers do against other ways.

    python benchmarks/atrous.py

Prints the time of a training step (forward and backward) of the alternative over that of the
layer, and of the layer in bfloat16 over float32.
"""

import tensorflow as tf
from op_times import gradient, squares, timed

from tfvision import layers
from tfvision.layers.convolution import by_space_to_batch, padded


def alternatives():
    """name, layer, input shape, kernel's axes as TensorFlow wants them, the alternative."""
    for rate, side, channels in ((2, 33, 256), (6, 33, 256), (12, 33, 256)):
        yield (
            f"3x3 at rate {rate}, space to batch",
            layers.Conv2D(channels, 3, dilation=rate),
            [4, side, side, channels],
            lambda x, k, r=rate: by_space_to_batch(padded(x, (r, r)), k, r),
        )
        yield (
            f"3x3 at rate {rate}, undilated",
            layers.Conv2D(channels, 3, dilation=rate),
            [4, side, side, channels],
            lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"),
        )
        yield (
            f"3x3 a channel at rate {rate}, padded by hand",
            layers.DepthwiseConv2D(3, dilation=rate),
            [4, side, side, 960],
            lambda x, k, r=rate: tf.nn.depthwise_conv2d(
                padded(x, (r, r)),
                tf.transpose(k, [0, 1, 3, 2]),
                [1] * 4,
                "VALID",
                dilations=[r] * 2,
            ),
        )
    yield (
        "transposed 3x3, sliced",
        layers.Conv2DTranspose(48, size=(112, 112)),
        [3, 56, 56, 48],
        lambda x, k: tf.nn.conv2d_transpose(x, k, [3, 113, 113, 48], 2, "VALID")[:, :112, :112],
    )


def main():
    for name, layer, shape, other in alternatives():
        layer.build(shape)
        weights = tf.convert_to_tensor(layer.kernel)
        times = {}
        for dtype in (tf.float32, tf.bfloat16):
            x, kernel = tf.cast(tf.random.normal(shape), dtype), tf.cast(weights, dtype)

            def ours(image, k, layer=layer):
                before, layer.kernel = layer.kernel, k  # so that its gradient is asked for
                try:
                    return layer.call(image)
                finally:
                    layer.kernel = before

            times[dtype] = timed(gradient(ours, squares), x, kernel)
            ratio = timed(gradient(other, squares), x, kernel) / times[dtype]
            print(f"{name}, {dtype.name}: alternative / ours = {ratio:.1f}", flush=True)
        ratio = times[tf.bfloat16] / times[tf.float32]
        print(f"{layer.name}: ours in bfloat16 / float32 = {ratio:.1f}")


if __name__ == "__main__":
    main()
