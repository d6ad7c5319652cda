"""ResNet (He et al. 2015, arXiv:1512.03385), version 1.5: the stride is in the 3x3 convolution.

Layers carry the module paths of torchvision's state dict ("layer1.0.conv1"), so that its
checkpoints fill them by name. Stages: c1 = the stem's output, c2..c5 with strides 4, 8, 16, 32.

Axis letters: B batch, H, W, C channels.
"""

from __future__ import annotations

import keras

from tfvision import errors, layers

# Units in each of the four stages (Table 1).
UNITS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


def stages(
    image,
    depth: int,
    *,
    width: int = 64,
    stem: str = "imagenet",
    activation: str = "relu",
    activation_options: dict | None = None,
    stochastic_depth: float = 0.0,
    zero_init_last: bool = True,
    bn_momentum: float = 0.9,
    bn_epsilon: float = 1e-5,
    bn_synchronized: bool = False,
    bn_frozen: bool = False,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
) -> dict:
    """image [B, H, W, 3] RGB 0..255 -> {"c1": ..., "c5": ...}.

    width: channels of the first stage. stem: "imagenet" (7x7 stride 2 and pooling, Table 1) or
    "small" (one 3x3 at stride 1, for pictures of a few dozen pixels; section 4.2: strides are
    then 1, 2, 4, 8). stochastic_depth: drop rate of the last unit, growing linearly from 0.
    zero_init_last: the last normalisation of each unit starts at 0 (Goyal et al. 2017)."""
    errors.choose(UNITS, depth, "ResNet depth")
    errors.choose(dict.fromkeys(("imagenet", "small")), stem, "ResNet stem")
    unit = _bottleneck if depth >= 50 else _basic

    def normalize(x, name, last=False):
        return layers.BatchNormalization(
            momentum=bn_momentum,
            epsilon=bn_epsilon,
            synchronized=bn_synchronized,
            frozen=bn_frozen,
            gamma_zero=last and zero_init_last,
            name=name,
        )(x)

    def activate(x, name):
        return layers.Activation(activation, options=activation_options, name=name)(x)

    x = layers.Normalize(mean, std, name="pixels")(image)
    if stem == "imagenet":
        x = layers.Conv2D(width, 7, strides=2, name="conv1")(x)
        x = activate(normalize(x, "bn1"), "relu")
        x = layers.MaxPool2D(3, strides=2, padding=1, name="maxpool")(x)
    else:
        x = layers.Conv2D(width, 3, name="conv1")(x)
        x = activate(normalize(x, "bn1"), "relu")
    outputs = {"c1": x}
    total, done = sum(UNITS[depth]), 0
    for stage, count in enumerate(UNITS[depth]):
        for index in range(count):
            done += 1
            x = unit(
                x,
                width * 2**stage,
                stride=2 if stage and not index else 1,
                name=f"layer{stage + 1}.{index}",
                normalize=normalize,
                activate=activate,
                drop=stochastic_depth * done / total,
            )
        outputs[f"c{stage + 2}"] = x
    return outputs


def _join(x, branch, channels, stride, name, normalize, activate, drop):
    """The residual sum, its shortcut projected where the shape changes (option B)."""
    if stride > 1 or x.shape[-1] != channels:
        x = layers.Conv2D(channels, 1, strides=stride, name=f"{name}.downsample.0")(x)
        x = normalize(x, f"{name}.downsample.1")
    if drop:
        branch = layers.StochasticDepth(drop, name=f"{name}.drop")(branch)
    return activate(layers.Add(name=f"{name}.add")([branch, x]), f"{name}.out")


def _basic(x, channels, *, stride, name, normalize, activate, drop):
    """Two 3x3 convolutions (Figure 5, left)."""
    y = layers.Conv2D(channels, 3, strides=stride, name=f"{name}.conv1")(x)
    y = activate(normalize(y, f"{name}.bn1"), f"{name}.relu1")
    y = layers.Conv2D(channels, 3, name=f"{name}.conv2")(y)
    y = normalize(y, f"{name}.bn2", last=True)
    return _join(x, y, channels, stride, name, normalize, activate, drop)


def _bottleneck(x, channels, *, stride, name, normalize, activate, drop):
    """1x1, 3x3 and 1x1 to four times the channels (Figure 5, right)."""
    y = layers.Conv2D(channels, 1, name=f"{name}.conv1")(x)
    y = activate(normalize(y, f"{name}.bn1"), f"{name}.relu1")
    y = layers.Conv2D(channels, 3, strides=stride, name=f"{name}.conv2")(y)
    y = activate(normalize(y, f"{name}.bn2"), f"{name}.relu2")
    y = layers.Conv2D(channels * 4, 1, name=f"{name}.conv3")(y)
    y = normalize(y, f"{name}.bn3", last=True)
    return _join(x, y, channels * 4, stride, name, normalize, activate, drop)


def classifier(
    depth: int,
    *,
    num_classes: int,
    image_size: tuple[int, int],
    dropout: float = 0.0,
    **options,
) -> keras.Model:
    """A ResNet with global average pooling and one dense layer: image -> class_logits [B, K]."""
    image = keras.Input((*image_size, 3), name="image", dtype="float32")
    x = errors.call(stages, options, f"resnet{depth}", image, depth)["c5"]
    x = layers.GlobalAveragePool(name="avgpool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, name="fc", dtype="float32")(x)
    return keras.Model({"image": image}, {"class_logits": logits}, name=f"resnet{depth}")
