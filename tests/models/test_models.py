"""Every architecture builds, gives finite logits at any size and learns; its options do as told.

A new classifier costs a line in SMALL, or none.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import architectures, errors, stack
from tfvision.architectures import classifiers
from tfvision.architectures.backbones import inception, mobilenet, resnet, vgg
from tfvision.layers import activations

SIZE = (97, 131)  # odd on purpose
NARROW = {"num_classes": 3, "image_size": SIZE, "width": 8}
SMALL = {"vgg16": {"hidden": 8}, "vgg19": {"hidden": 8}, "vgg16_bn": {"hidden": 8}}
FAMILIES = ("resnet18", "resnet50", "vgg16_bn", "inception_v3", "mobilenet_v2")
STAGES = ("c1", "c2", "c3", "c4", "c5")


def build(name, **options):
    return architectures.build(name, **{**NARROW, **SMALL.get(name, {}), **options})


def images(size=SIZE, count=2):
    return np.random.default_rng(0).uniform(0, 255, (count, *size, 3)).astype(np.float32)


def step(net, x):
    """(loss, gradients) of one training step, and the outputs of `net.train`."""
    labels = tf.constant([0, 2])
    with tf.GradientTape() as tape:
        outputs = net.train({"image": x}, training=True)
        loss = tf.add_n(
            [
                tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
                for logits in outputs.values()
            ]
        )
    return loss, tape.gradient(loss, net.train.trainable_variables), outputs


@pytest.mark.addons
@pytest.mark.parametrize("name", classifiers.CLASSIFIERS)
def test_a_step_reaches_every_weight_and_the_logits_are_finite(name):
    net, x = build(name), images()
    before = net.serve({"image": x}, training=False)
    assert set(before) == {"class_logits"}
    assert before["class_logits"].shape == (2, 3)
    assert before["class_logits"].dtype == tf.float32
    assert np.isfinite(before["class_logits"]).all()
    _, gradients, outputs = step(net, x)
    extra = {"aux_logits"} if name == "inception_v3" else set()
    assert set(outputs) == {"class_logits"} | extra
    for variable, gradient in zip(net.train.trainable_variables, gradients, strict=True):
        assert gradient is not None, stack.variable_path(variable)
        assert np.isfinite(gradient).all(), stack.variable_path(variable)
        variable.assign(stack.raw(variable) - 0.01 * gradient)
    after = net.serve({"image": x}, training=False)["class_logits"]
    assert np.abs(after - before["class_logits"]).max() > 0


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", FAMILIES)
def test_every_activation_works_in_every_family(name):
    size = (75, 75)
    x = images(size, 1)
    for activation in activations.names():
        net = build(name, image_size=size, width=4, activation=activation)
        logits = net.serve({"image": x}, training=False)["class_logits"]
        assert np.isfinite(logits).all(), activation
        slopes = [v for v in net.variables() if stack.variable_path(v).endswith("/alpha")]
        assert bool(slopes) == (activation == "prelu")


@pytest.mark.parametrize("name", FAMILIES)
def test_bfloat16_gives_float32_logits_near_those_of_float32(name):
    x = images()
    full = build(name)
    with stack.precision("mixed_bfloat16"):
        short = build(name)
    for ours, theirs in zip(short.variables(), full.variables(), strict=True):
        ours.assign(theirs)
    expected = full.serve({"image": x}, training=False)["class_logits"]
    found = short.serve({"image": x}, training=False)["class_logits"]
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, atol=0.05 * max(1.0, np.abs(expected).max()))
    loss, gradients, _ = step(short, x)
    assert np.isfinite(loss)
    assert all(np.isfinite(tf.cast(g, tf.float32)).all() for g in gradients)


def stage_sizes(name, size, **options):
    """(height, width) of c1..c5."""
    image = keras.Input((*size, 3))
    module, depth = {
        "resnet18": (resnet, {"depth": 18}),
        "resnet50": (resnet, {"depth": 50}),
        "vgg16": (vgg, {"depth": 16}),
        "inception_v3": (inception, {}),
        "mobilenet_v2": (mobilenet, {}),
    }[name]
    outputs = module.stages(image, module.Options(width=8, **options), **depth)
    assert tuple(sorted(outputs)) == STAGES
    return [tuple(outputs[stage].shape[1:3]) for stage in STAGES]


@pytest.mark.addons
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
@pytest.mark.parametrize(
    ("output_stride", "last"), [(32, (8, 4, 2)), (16, (8, 4, 4)), (8, (8, 8, 8))]
)
def test_output_stride_ends_the_halving(name, output_stride, last):
    found = stage_sizes(name, (64, 128), output_stride=output_stride)
    assert found == [(32, 64), (16, 32), *((rows, 2 * rows) for rows in last)]


def test_stages_of_vgg_halve_and_those_of_inception_lose_their_borders():
    assert stage_sizes("vgg16", (97, 131)) == [(48, 65), (24, 32), (12, 16), (6, 8), (3, 4)]
    sides = [147, 71, 35, 17, 8]
    assert stage_sizes("inception_v3", (299, 299)) == [(side, side) for side in sides]


def test_output_strides_share_their_weights_and_agree_where_the_grids_meet():
    # Away from the borders the dilated network sees the same pixels, only at more places.
    x = images((225, 225), 1)
    strided = build("resnet50", image_size=(225, 225))
    dilated = build("resnet50", image_size=(225, 225), output_stride=16, dilate_first=False)
    for ours, theirs in zip(dilated.variables(), strided.variables(), strict=True):
        ours.assign(theirs)

    def features(net):
        output = net.serve.get_layer("layer4.2.out").output
        return np.asarray(keras.Model(net.serve.input, output)({"image": x}, training=False))

    coarse, fine = features(strided), features(dilated)
    assert fine.shape[1] in (2 * coarse.shape[1] - 1, 2 * coarse.shape[1])
    np.testing.assert_allclose(fine[:, 2:-2:2, 2:-2:2], coarse[:, 1:-1, 1:-1], atol=1e-3)


def test_versions_of_resnet_put_the_stride_where_they_say():
    def strides(version):
        net = build("resnet50", version=version)
        layer = net.train.get_layer
        return tuple(layer(f"layer2.0.conv{i}").strides for i in (1, 2))

    assert strides("1.5") == strides(1.5) == (1, 2)
    assert strides("1") == strides("keras") == (2, 1)
    keras_net = build("resnet50", version="keras").train
    assert keras_net.get_layer("conv1").use_bias
    assert keras_net.get_layer("bn1").epsilon == 1.001e-5
    assert keras_net.get_layer("pixels").mean == [123.68, 116.779, 103.939]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vgg16", {"image_size": (31, 64)}, "needs images of 32 x 32"),
        ("inception_v3", {"image_size": (74, 299)}, "needs images of 75 x 75"),
        ("resnet50", {"version": "2"}, "unknown ResNet version '2'"),
        ("resnet50", {"output_stride": 4}, "unknown output_stride '4'"),
        ("mobilenet_v2", {"output_stride": 4}, "unknown output_stride '4'"),
        ("mobilenet_v2", {"depth": 3}, "has no option 'depth'"),
        ("vgg16", {"batchnorm": True}, "did you mean 'batch_norm'"),
        ("inception_v3", {"activations": "gelu"}, "did you mean 'activation'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(name, options, message):
    with pytest.raises(errors.UsageError, match=message):
        build(name, **options)


@pytest.mark.parametrize("multiplier", [0.35, 1.4])
def test_mobilenets_width_is_32_times_the_multiplier_of_keras(multiplier):
    theirs = keras.applications.MobileNetV2((32, 32, 3), alpha=multiplier, weights=None)
    ours = architectures.build(
        "mobilenet_v2", num_classes=1000, image_size=(32, 32), width=32 * multiplier
    )
    assert ours.train.count_params() == theirs.count_params()
