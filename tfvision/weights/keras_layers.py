"""Which layer of Keras Applications is which layer of ours: ResNet, VGG, Inception V3.

Keras 3's .weights.h5 calls the i-th convolution "conv2d_<i>", counting in the order of
`model.layers`: by distance from the output, then by creation. So each layer carries its block
and its distance from the block's end.
"""

from __future__ import annotations

from typing import NamedTuple

from tfvision import errors

CONV, NORM, DENSE = "conv2d", "batch_normalization", "dense"
# Our models -> the functions of keras.applications
APPLICATIONS = {
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "inception_v3": "InceptionV3",
}
_UNITS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
_CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


class Layer(NamedTuple):
    """kind: Keras's class in snake case. theirs: its name; Inception's convolutions have none.

    block, distance: see the module; a larger distance comes first."""

    kind: str
    theirs: str
    ours: str
    block: int
    distance: int = 0


def table(model: str) -> list[Layer]:
    """The layers with weights of one of our models, in Keras's order of creation."""
    errors.choose(APPLICATIONS, model, "model of Keras Applications")
    if model in _UNITS:
        return _resnet(_UNITS[model])
    return _vgg(_CONVOLUTIONS[model]) if model in _CONVOLUTIONS else _inception()


def by_class(layers: list[Layer]) -> dict[Layer, str]:
    """The name of each layer in Keras 3's .weights.h5: class and count."""
    names, counts = {}, dict.fromkeys((CONV, NORM, DENSE), 0)
    for layer in sorted(layers, key=lambda item: (item.block, -item.distance)):
        count = counts[layer.kind]
        names[layer] = f"layers/{layer.kind}_{count}" if count else f"layers/{layer.kind}"
        counts[layer.kind] += 1
    return names


def _resnet(units) -> list[Layer]:
    layers = [Layer(CONV, "conv1_conv", "conv1", 0), Layer(NORM, "conv1_bn", "bn1", 0)]
    block = 0
    for stage, count in enumerate(units):
        for unit in range(count):
            block += 1
            theirs, ours = f"conv{stage + 2}_block{unit + 1}", f"layer{stage + 1}.{unit}"
            pairs = [(f"{i}_conv", f"conv{i}", f"{i}_bn", f"bn{i}", 4 - i) for i in (1, 2, 3)]
            if unit == 0:
                pairs.insert(0, ("0_conv", "downsample.0", "0_bn", "downsample.1", 1))
            for conv, our_conv, norm, our_norm, distance in pairs:
                layers += [
                    Layer(CONV, f"{theirs}_{conv}", f"{ours}.{our_conv}", block, distance),
                    Layer(NORM, f"{theirs}_{norm}", f"{ours}.{our_norm}", block, distance),
                ]
    return [*layers, Layer(DENSE, "predictions", "fc", block + 1)]


def _vgg(convolutions) -> list[Layer]:
    layers, index = [], 0
    for block, count in enumerate(convolutions):
        for number in range(1, count + 1):
            theirs = f"block{block + 1}_conv{number}"
            layers.append(Layer(CONV, theirs, f"features.{index}", len(layers)))
            index += 2
        index += 1
    dense = {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}
    for theirs, ours in dense.items():
        layers.append(Layer(DENSE, theirs, ours, len(layers)))
    return layers


def _chain(branch: str, count: int) -> list[tuple[str, int]]:
    """A branch's convolutions with their distances: each is three layers of Keras's."""
    return [(f"{branch}_{i + 1}", 3 * (count - i)) for i in range(count)]


_ONE, _POOL = [("branch1x1", 3)], [("branch_pool", 3)]
_MIXED_5 = [*_ONE, *_chain("branch5x5", 2), *_chain("branch3x3dbl", 3), *_POOL]
_MIXED_6 = [*_ONE, *_chain("branch7x7", 3), *_chain("branch7x7dbl", 5), *_POOL]
_MIXED_7 = [  # the ends 2a, 2b and 3a, 3b are joined before all is joined
    *_ONE,
    *(("branch3x3_1", 7), ("branch3x3_2a", 4), ("branch3x3_2b", 4)),
    *(("branch3x3dbl_1", 10), ("branch3x3dbl_2", 7)),
    *(("branch3x3dbl_3a", 4), ("branch3x3dbl_3b", 4)),
    *_POOL,
]
_INCEPTION = {
    **{f"Mixed_5{letter}": _MIXED_5 for letter in "bcd"},
    "Mixed_6a": [("branch3x3", 3), *_chain("branch3x3dbl", 3)],
    **{f"Mixed_6{letter}": _MIXED_6 for letter in "bcde"},
    "Mixed_7a": [*_chain("branch3x3", 2), *_chain("branch7x7x3", 4)],
    **{f"Mixed_7{letter}": _MIXED_7 for letter in "bc"},
}


def _inception() -> list[Layer]:
    stem = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
    names = [(name, block, 0) for block, name in enumerate(stem)]
    for block, (mixed, branches) in enumerate(_INCEPTION.items(), len(stem)):
        names += [(f"{mixed}.{branch}", block, distance) for branch, distance in branches]
    layers = []
    for name, block, distance in names:
        layers.append(Layer(CONV, "", f"{name}.conv", block, distance))
        layers.append(Layer(NORM, "", f"{name}.bn", block, distance))
    return [*layers, Layer(DENSE, "predictions", "fc", len(stem) + len(_INCEPTION))]
