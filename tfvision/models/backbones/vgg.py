"""VGG (Simonyan & Zisserman 2014, arXiv:1409.1556), configurations D (16) and E (19).

Layers carry the module paths of torchvision's state dict ("features.0", "classifier.6"), so
that its checkpoints fill them by name. Stages: c1..c5 = the outputs of the five pools, with
strides 2, 4, 8, 16, 32. Takes images of 32 x 32 and larger.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import keras

from tfvision import errors, layers
from tfvision.models.backbones.pixels import CAFFE_MEAN, CAFFE_STD, IMAGENET_MEAN, IMAGENET_STD

CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # in each block (Table 1)
_CHANNELS = (1, 2, 4, 8, 8)  # of each block, in those of the first
_SMALLEST = 32  # five halvings leave one pixel
_POOLED = 7  # rows and columns that the first dense layer looks at
# Where the weights come from -> the pixels that they want
VERSIONS = {"torchvision": (IMAGENET_MEAN, IMAGENET_STD), "keras": (CAFFE_MEAN, CAFFE_STD)}


def stages(
    image,
    depth: int,
    *,
    batch_norm: bool = False,
    version: str = "torchvision",
    width: int = 64,
    activation: str = "relu",
    activation_options: dict | None = None,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    mean=None,
    std=None,
) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}.

    batch_norm: a normalisation after each convolution (not in the paper). version: a key of
    VERSIONS; the networks are the same but for the pixels' mean and std, which `mean` and `std`
    replace. width: channels of the first convolution; every other count scales with it."""
    errors.choose(CONVOLUTIONS, depth, "VGG depth")
    pixels = errors.choose(VERSIONS, version, "VGG version")
    if min(image.shape[1:3]) < _SMALLEST:
        raise errors.UsageError(
            f"vgg{depth} needs images of {_SMALLEST} x {_SMALLEST} or larger;"
            f" image_size is {image.shape[1]} x {image.shape[2]}"
        )
    mean, std = pixels[0] if mean is None else mean, pixels[1] if std is None else std
    x = layers.Normalize(mean, std, name="pixels")(image)
    outputs, index = {}, 0
    for block, count in enumerate(CONVOLUTIONS[depth]):
        for _ in range(count):
            filters = width * _CHANNELS[block]
            x = layers.Conv2D(filters, 3, use_bias=True, name=f"features.{index}")(x)
            if batch_norm:
                index += 1
                x = layers.BatchNormalization(
                    momentum=bn_momentum,
                    epsilon=bn_epsilon,
                    synchronized=bn_synchronized,
                    frozen=bn_frozen,
                    name=f"features.{index}",
                )(x)
            name = f"features.{index + 1}"
            x = layers.Activation(activation, options=activation_options, name=name)(x)
            index += 2
        x = layers.MaxPool2D(2, strides=2, name=f"features.{index}")(x)
        index += 1
        outputs[f"c{block + 1}"] = x
    return outputs


def classifier(
    depth: int,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    hidden: int = 4096,
    dropout: float = 0.5,
    activation: str = "relu",
    activation_options: dict | None = None,
    **options,
) -> keras.Model:
    """A VGG with its three dense layers: image -> class_logits [B, K].

    hidden: units of the first two. Features of any size are averaged to 7 x 7 before them, as
    in torchvision; at 224 x 224 they are 7 x 7 and stay as they are."""
    name = f"vgg{depth}_bn" if options.get("batch_norm") else f"vgg{depth}"
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    shared = {"activation": activation, "activation_options": activation_options}
    x = errors.call(stages, {**options, **shared}, name, image, depth)["c5"]
    x = layers.AdaptiveAveragePool2D(_POOLED, name="avgpool")(x)
    x = layers.Flatten(name="flatten")(x)
    for index in (0, 3):
        x = layers.Dense(hidden, std=0.01, name=f"classifier.{index}")(x)
        what = f"classifier.{index + 1}"
        x = layers.Activation(activation, options=activation_options, name=what)(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"classifier.{index + 2}")(x)
    # standard deviation 0.01: section 3.1
    logits = layers.Dense(num_classes, std=0.01, name="classifier.6", dtype="float32")(x)
    return keras.Model({"image": image}, {"class_logits": logits}, name=name)
