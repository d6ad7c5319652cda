"""DeepLab: published counts, geometry, the options of each, one step of every network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, layers, stack
from tfvision.architectures import deeplab, segmenters, tiramisu
from tfvision.architectures.backbones import resnet, xception
from tfvision.architectures.deeplab_v3 import V3PlusOptions
from tfvision.layers import activations, context

NARROW = {"width": 4, "num_classes": 3}
HEAD = {"deeplab_v1": {"hidden": 8}, "deeplab_v2": {}, "deeplab_v3": {"channels": 8}}


def build(name, size=(33, 40), **options):
    own = next((o for prefix, o in HEAD.items() if name.startswith(prefix)), {"growth": 2})
    image = keras.Input((*size, 3), name="image")
    options = {**NARROW, **own, **options}
    return keras.Model(image, segmenters.ARCHITECTURES[name](image, **options))


def whole(name, **options):
    image = keras.Input((64, 64, 3), name="image")
    return keras.Model(image, deeplab.DEEPLAB[name](image, **options))


def pictures(size, count=2):
    return np.random.default_rng(0).uniform(0, 255, (count, *size, 3)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("deeplab_v3plus_xception65", {}, 41_055_413),
        ("deeplab_v3plus_resnet101", {}, 59_344_309),
        ("deeplab_v3plus_resnet101", deeplab.SMP_OPTIONS, 45_674_853),
        ("deeplab_v3_resnet50", deeplab.TORCHVISION_OPTIONS, 42_004_074),
        (
            "deeplab_v3_resnet50",
            {**deeplab.TORCHVISION_OPTIONS, "auxiliary": False},
            39_638_869,
        ),
        # VGG16's 14,714,688, fc6 to fc8
        ("deeplab_v1", {}, 14_714_688 + (9 * 512 + 1) * 1024 + 1025 * 1024 + 1025 * 21),
        # ResNet-101's 42,500,160 and four 3x3 convolutions to the classes
        ("deeplab_v2_resnet101", {}, 42_500_160 + 4 * (9 * 2048 + 1) * 21),
    ],
)
def test_as_many_values_are_trainable_as_published_with_21_classes(name, options, count):
    model = whole(name, num_classes=21, **options)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == count


@pytest.mark.addons
@pytest.mark.parametrize("name", segmenters.ARCHITECTURES)
def test_a_step_under_op_determinism_reaches_every_weight(name):
    size, more = (33, 40), {"auxiliary": True} if "v3_" in name else {}
    if "resnet" in name:
        more["zero_init_last"] = False  # else nothing reaches a unit's branch at first
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    with stack.precision("mixed_bfloat16" if "resnet18" in name else "float32"):
        model = build(name, size, **more)
    labels = tf.constant(np.random.default_rng(0).integers(0, 3, (2, *size)))
    weights = [stack.raw(v) for v in model.trainable_variables]

    with context.randomness(1, tf.constant(0, tf.int64), 0), tf.GradientTape() as tape:
        outputs = model(pictures(size), training=True)
        loss = tf.add_n(
            [
                tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
                for logits in outputs.values()
            ]
        )
    gradients = tape.gradient(loss, weights)
    assert ("aux_logits" in outputs) == ("auxiliary" in more)
    for logits in outputs.values():
        assert logits.shape == (2, *size, 3)
        assert logits.dtype == tf.float32
        assert np.isfinite(logits).all()
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, stack.variable_path(variable)
        assert np.isfinite(gradient).all(), stack.variable_path(variable)
        assert np.any(gradient), stack.variable_path(variable)


STRIDED = [n for n in deeplab.DEEPLAB if not n.startswith("deeplab_v1")]


@pytest.mark.addons
@pytest.mark.parametrize("name", STRIDED)
def test_output_stride_changes_geometry_and_no_variable(name):
    size = (64, 96)
    models = {8: build(name, size, output_stride=8)}
    with layers.sharing(models[8]):
        models[16] = build(name, size, output_stride=16)
    shapes = [[(stack.variable_path(v), v.shape) for v in m.variables] for m in models.values()]
    assert shapes[0] == shapes[1]
    rates = {8: (12, 24, 36), 16: (6, 12, 18)}
    if "_v2_" in name:
        rates = {8: (6, 12, 18, 24), 16: (3, 6, 9, 12)}
    for stride, model in models.items():
        found = [layer.dilation for layer in model.layers if is_atrous(layer)]
        assert tuple(found) == rates[stride]
        last = next(layer for layer in model.layers if is_atrous(layer))
        assert last.input.shape[1:3] == (64 // stride, 96 // stride)


def is_atrous(layer):
    """Is it one of the 3x3 of an ASPP?"""
    inside = any(part in layer.name for part in (".convs.", "fc1_c"))
    return inside and getattr(layer, "kernel_size", 1) in (3, (3, 3))


def test_explicit_rates_hold_at_any_output_stride():
    for stride in (8, 16):
        model = build("deeplab_v3_resnet18", output_stride=stride, rates=(2, 5))
        assert [layer.dilation for layer in model.layers if is_atrous(layer)] == [2, 5]


def test_v1_ends_at_stride_8_with_a_large_field_of_view():
    model = build("deeplab_v1", (321, 321))
    layer = model.get_layer
    assert layer("fc6").input.shape[1:3] == (41, 41)  # section 4.1: 321 -> 41
    assert (layer("fc6").kernel_size, layer("fc6").dilation) == ((3, 3), 12)
    assert [layer(f"features.{i}").dilation for i in (21, 24, 26, 28)] == [1, 2, 2, 2]
    assert [layer(f"features.{i}").strides for i in (4, 9, 16, 23, 30)] == [2, 2, 2, 1, 1]
    assert layer("fc8").output.dtype == "float32"


def test_the_first_unit_of_a_dilated_stage_follows_the_authors_or_torchvision():
    def dilations(**options):
        model = build("deeplab_v3_resnet50", **{"output_stride": 8, **options})
        return [model.get_layer(f"layer{s}.{u}.conv2").dilation for s in (3, 4) for u in (0, 1)]

    assert dilations() == [2, 2, 4, 4]
    assert dilations(**deeplab.TORCHVISION_OPTIONS) == [1, 2, 2, 4]


def test_a_multi_grid_multiplies_the_last_stages_rates():
    model = build("deeplab_v3_resnet50", multi_grid=(1, 2, 4))
    found = [model.get_layer(f"layer{s}.{u}.conv2").dilation for s in (3, 4) for u in (0, 1, 2)]
    assert found == [1, 1, 1, 2, 4, 8]  # Figure 5 of v3, at output stride 16
    with pytest.raises(errors.UsageError, match="ResNet-18 has 2 units"):
        build("deeplab_v3_resnet18", multi_grid=(1, 2, 4))


def test_separable_convolutions_are_normalised_between_their_halves_or_not():
    names = {layer.name for layer in build("deeplab_v3plus_resnet18").layers}
    assert {"decoder.aspp.0.convs.1.0.0.bn", "decoder.block3.0.0.relu"} <= names
    smp = {layer.name for layer in build("deeplab_v3plus_resnet18", **deeplab.SMP_OPTIONS).layers}
    assert not {name for name in smp if name.endswith(".0.bn")}
    assert {"decoder.aspp.1.1", "decoder.block2.0.1"} <= smp
    assert "decoder.block3.0.0" not in smp


@pytest.mark.addons
@pytest.mark.parametrize(
    ("output_stride", "rates", "sizes"),
    [(32, (1, 1, 1, 1), (16, 8, 4, 2)), (16, (1, 1, 1, 2), (16, 8, 4, 4)),
     (8, (1, 2, 2, 4), (16, 8, 8, 8))],
)  # fmt: skip
def test_xception_dilates_what_it_does_not_halve(output_stride, rates, sizes):
    image = keras.Input((64, 64, 3))
    outputs = xception.stages(image, xception.Options(output_stride, width=4))
    assert [outputs[f"c{i}"].shape[1] for i in range(2, 6)] == list(sizes)
    model = keras.Model(image, outputs)
    blocks = ("entry_flow.block3", "middle_flow.block1", "exit_flow.block1", "exit_flow.block2")
    found = [
        model.get_layer(f"{block}.unit_1.separable_conv1_depthwise").dilation for block in blocks
    ]
    assert tuple(found) == rates
    assert outputs["c2"].shape[-1] == 32  # 256 of the full width


def test_the_backbone_keeps_its_own_epsilon_and_activation_unless_told():
    def first(**options):
        model = build("deeplab_v3plus_xception65", **options)
        names = ("entry_flow.conv1_1", "decoder.block1.1")
        return [model.get_layer(f"{names[0]}.bn").epsilon, model.get_layer(names[1]).epsilon]

    assert first() == [1e-3, 1e-5]
    assert first(bn_epsilon=1e-4) == [1e-4, 1e-4]
    model = build("deeplab_v3plus_mobilenet_v2")
    assert model.get_layer("features.0.2").function == "relu6"
    assert model.get_layer("decoder.block1.1.relu").function == "relu"


@pytest.mark.slow
@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(
    ("name", "options"),
    [("deeplab_v1_small", {}), ("deeplab_v3plus_resnet18", {}),
     ("fc_densenet_small", {"blocks": (1, 2, 1)})],
)  # fmt: skip
def test_every_activation_works(name, options):
    for activation in activations.names():
        model = build(name, (32, 32), activation=activation, **options)
        assert np.isfinite(model(pictures((32, 32), 1))["class_logits"]).all(), activation


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("deeplab_v3_resnet18", {"output_stride": 32}, "unknown output_stride '32'"),
        ("deeplab_v3plus_resnet18", {"rates": (6, 0)}, r"rates are \(6, 0\)"),
        ("deeplab_v3_resnet18", {"rates": ()}, "atrous rates are whole numbers"),
        ("deeplab_v3plus_resnet18", {"seperable": True}, "did you mean 'separable'"),
        ("deeplab_v3plus_mobilenet_v2", {"version": "1"}, "has no option 'version'"),
        ("deeplab_v2_resnet18", {"output_stride": 4}, "unknown output_stride '4'"),
        ("deeplab_v1", {"version": "caffe"}, "unknown VGG version 'caffe'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(name, options, message):
    with pytest.raises(errors.UsageError, match=message):
        build(name, **options)


def test_the_options_are_those_of_head_and_backbone():
    _, head, backbone = deeplab.ON_BACKBONES["deeplab_v3plus_resnet18"]
    assert head == V3PlusOptions(separable=True)
    assert backbone.options == resnet.Options(dilate_first=True)
    known = set(errors.option_names(head, backbone.options))
    assert {"width", "version", "zero_init_last", "bn_frozen", "output_stride"} <= known
    assert not {"backbone", "depth"} & known
    assert tiramisu.NETWORKS["fc_densenet56"].growth == 12
