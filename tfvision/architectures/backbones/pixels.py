"""How published weights want their pixels: (mean, std) a channel, RGB on the 0..255 scale."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)  # torchvision's
IMAGENET_STD = (58.395, 57.12, 57.375)
CAFFE_MEAN = (123.68, 116.779, 103.939)  # Keras Applications' ResNet and VGG
CAFFE_STD = (1.0, 1.0, 1.0)
HALF_MEAN = (127.5, 127.5, 127.5)  # [-1, 1], as Inception's
HALF_STD = (127.5, 127.5, 127.5)
