"""The YOLO networks by name: counts, shapes, heads, options; and that they learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import architectures, errors, layers, stack
from tfvision.architectures import summary, yolo_networks, yolo_versions
from tfvision.darknet import cfg as darknet_cfg
from tfvision.darknet import cfg_file as darknet
from tfvision.darknet import plan as darknet_plan
from tfvision.net import Net

pytestmark = pytest.mark.addons

SMALL = ("yolo_v1_small", "yolo_v2_small", "yolo_v3_small")
NARROW = {  # every network, cheap
    **{name: {} for name in SMALL},
    "yolo_v1": {"width": 4, "hidden": 16},
    "yolo_v2": {"width": 4},
    "yolo_v3": {"width": 4, "units": (1, 1, 2, 1, 1)},
    "yolo_v3_spp": {"width": 4, "units": (1, 1, 1, 1, 1)},
    "yolo_v3_tiny": {"width": 4},
}


def build(name, size=(64, 64), **options):
    image = keras.Input((*size, 3), name="image")
    outputs = yolo_networks.network(image, name, num_classes=3, **{**NARROW[name], **options})
    model = keras.Model({"image": image}, outputs, name=name)
    return Net(model, model)


def images(height=64, width=64):
    x = np.random.default_rng(0).uniform(0, 255, (2, height, width, 3))
    return {"image": x.astype(np.float32)}


@pytest.mark.parametrize(
    ("name", "num_classes", "options", "count"),
    [
        ("yolo_v1", 20, {}, 271_703_550),
        ("yolo_v1", 20, {"head": "local"}, 197_301_875),
        ("yolo_v2", 80, {}, 50_962_889),
        ("yolo_v2", 20, {"anchors": yolo_versions.V2_VOC}, 50_655_389),
        ("yolo_v3", 80, {}, 61_949_149),
        ("yolo_v3", 20, {}, 61_626_049),
        ("yolo_v3_tiny", 80, {}, 8_852_366),
        ("yolo_v3_spp", 80, {}, 62_998_749),
    ],
)
def test_as_many_values_are_trainable_as_in_the_published_network(
    name, num_classes, options, count
):
    plan = darknet_plan.plan(
        yolo_networks.sections(name, num_classes=num_classes, **options), (448, 448)
    )
    statistics = sum(
        2 * layer.channels for layer in plan if layer.section.values.get("batch_normalize")
    )
    assert darknet_plan.values(plan) - statistics == count


@pytest.mark.parametrize("name", [*NARROW, "local"])
def test_a_net_has_as_many_values_as_its_plan(name):
    name, local = ("yolo_v1", {"head": "local"}) if name == "local" else (name, {})
    options = {**NARROW[name], **local}
    net = build(name, **options)
    sections = yolo_networks.sections(name, num_classes=3, image_size=(64, 64), **options)
    count = darknet_plan.values(darknet_plan.plan(sections, (64, 64)))
    assert sum(int(np.prod(v.shape)) for v in net.variables()) == count


@pytest.mark.parametrize("name", NARROW)
def test_a_step_reaches_every_weight_and_outputs_are_as_the_heads_say(name):
    net, x = build(name, (128, 128)), images(128, 128)
    heads = yolo_networks.heads(name, num_classes=3, **NARROW[name])
    assert list(net.serve.output) == [f"yolo_{i}" for i in range(len(heads))]
    with tf.GradientTape() as tape:
        outputs = net.train(x, training=True)
        loss = tf.add_n([tf.reduce_mean(tf.square(raw - 1.0)) for raw in outputs.values()])
    for head, raw in zip(heads, outputs.values(), strict=True):
        side = 128 // head.stride
        last = (3 + 5 * head.boxes,) if head.kind == "v1" else (head.boxes, 8)
        assert raw.shape == (2, side, side, *last)
        assert raw.dtype == tf.float32
    variables = net.train.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert np.isfinite(gradient).all(), stack.variable_path(variable)
        assert np.abs(gradient).max() > 0, stack.variable_path(variable)


@pytest.mark.parametrize("name", [n for n in NARROW if "v1" not in n])
def test_one_net_takes_images_of_any_multiple_of_32(name):
    net = build(name, (None, None))
    fixed = build(name, (64, 96))
    for ours, theirs in zip(fixed.variables(), net.variables(), strict=True):
        ours.assign(stack.raw(theirs))
    got = net.serve(images(64, 96), training=False)
    for key, value in fixed.serve(images(64, 96), training=False).items():
        np.testing.assert_allclose(got[key], value, atol=1e-5)
    for head, raw in zip(
        yolo_networks.heads(name, num_classes=3),
        net.serve(images(32, 160), training=False).values(),
        strict=True,
    ):
        assert raw.shape[1:3] == (32 // head.stride, 160 // head.stride)


@pytest.mark.parametrize("size", [(64, 128), (96, 96), (None, None)])
def test_version_1_takes_squares_of_multiples_of_64(size):
    with pytest.raises(errors.UsageError, match="square images of a known multiple of 64"):
        build("yolo_v1_small", size)


def test_heads_are_those_of_the_papers():
    v1 = yolo_networks.heads("yolo_v1", num_classes=20)[0]
    assert (v1.kind, v1.stride, v1.boxes, v1.num_classes, v1.sqrt) == ("v1", 64, 2, 20, True)
    assert (v1.coord_scale, v1.noobject_scale) == (5.0, 0.5)
    assert yolo_networks.heads("yolo_v1", num_classes=20, head="local")[0].boxes == 3
    v2 = yolo_networks.heads("yolo_v2", num_classes=20)[0]
    assert (v2.kind, v2.stride, v2.boxes, v2.softmax) == ("v2", 32, 5, True)
    assert v2.anchors[0] == pytest.approx((0.677385 * 32, 0.57273 * 32))
    coarse, middle, fine = yolo_networks.heads("yolo_v3", num_classes=80, activation="mish")
    assert [head.stride for head in (coarse, middle, fine)] == [32, 16, 8]
    assert (coarse.mask, fine.mask) == ((6, 7, 8), (0, 1, 2))
    assert fine.anchors == ((13, 10), (30, 16), (23, 33))
    assert coarse.all_anchors == yolo_versions.V3_COCO


def test_anchors_are_an_option_and_shared_among_the_levels():
    anchors = [(10 + i, 20 + i) for i in range(6)]
    coarse, _, fine = yolo_networks.heads("yolo_v3_small", num_classes=3, anchors=anchors)
    assert (coarse.anchors, fine.anchors) == (tuple(anchors[4:]), tuple(anchors[:2]))
    net = build("yolo_v3_small", anchors=anchors)
    assert net.serve.output["yolo_0"].shape[1:] == (2, 2, 2, 8)
    assert len(yolo_networks.heads("yolo_v2_small", num_classes=3, anchors=anchors)[0].anchors) == 6
    with pytest.raises(errors.UsageError, match="7 anchors cannot be shared by 2 levels"):
        yolo_networks.heads("yolo_v3_tiny", num_classes=3, anchors=[(1, 1)] * 7)


def test_the_sections_of_tiny_are_those_of_its_cfg_file(shared_data):
    path = shared_data.parent / "weights" / "yolov3_tiny_darknet" / "yolov3-tiny.cfg"
    file, ours = darknet.load(path), yolo_networks.sections("yolo_v3_tiny", num_classes=80)
    assert len(file) == len(ours)
    assert darknet.heads(path) == yolo_networks.heads("yolo_v3_tiny", num_classes=80)
    for theirs, mine in zip(darknet_plan.plan(file), darknet_plan.plan(ours), strict=True):
        assert theirs._replace(section=None) == mine._replace(section=None)
        assert theirs.section.kind == mine.section.kind
        assert theirs.section.values.get("activation") == mine.section.values.get("activation")


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_gives_float32_outputs_near_those_of_float32(name):
    net = build(name)
    with stack.precision("mixed_bfloat16"):
        half = build(name)
    for ours, theirs in zip(half.variables(), net.variables(), strict=True):
        ours.assign(stack.raw(theirs))
    expected = net.serve(images(), training=False)
    for key, raw in half.serve(images(), training=False).items():
        assert raw.dtype == tf.float32
        scale = np.abs(expected[key]).max()
        assert np.abs(np.asarray(raw) - expected[key]).max() <= 0.05 * scale, key


@pytest.mark.parametrize("name", SMALL)
def test_activations_and_normalisation_are_options(name):
    net = build(name, activation="mish", bn_momentum=0.9, bn_epsilon=1e-3, bn_frozen=True)
    found = net.train.layers
    assert {layer.function for layer in found if hasattr(layer, "function")} == {"mish"}
    norms = {(n.momentum, n.epsilon, n.frozen) for n in found if n.name.endswith(".bn")}
    assert norms == {(0.9, 1e-3, True)}
    default = build(name).train.get_layer("L000.activation")
    assert (default.function, default.options) == ("leaky_relu", {"slope": 0.1})


def test_an_unknown_option_is_told_with_its_neighbour():
    with pytest.raises(
        errors.UsageError, match="no option 'widht'; did you mean 'width'"
    ) as caught:
        build("yolo_v3_small", widht=3)
    assert "bn_momentum" in str(caught.value)
    with pytest.raises(errors.UsageError, match="yolo_v3 has no option 'hidden'"):
        yolo_networks.heads("yolo_v3", num_classes=3, hidden=3)
    with pytest.raises(errors.UsageError, match="unknown YOLOv1 head 'conv'"):
        build("yolo_v1_small", head="conv")


def test_a_fresh_network_starts_at_its_anchors():
    outputs = build("yolo_v3_small").serve(images(), training=False)
    for raw in outputs.values():
        assert np.abs(np.asarray(raw)[..., :4]).max() < 1  # exp(1): less than three times as large


@pytest.mark.parametrize("values", [8_858_734, 8_720_134])
def test_classes_follow_from_the_number_of_values(values):
    assert (
        yolo_networks.num_classes("yolo_v3_tiny", values) == {8_858_734: 80, 8_720_134: 20}[values]
    )
    with pytest.raises(errors.DataError, match="for no number of classes"):
        yolo_networks.num_classes("yolo_v3_tiny", values + 1)


def test_a_net_is_called_by_its_name_and_its_layers_by_place():
    net = architectures.build("yolo_v3_tiny", num_classes=3, image_size=(64, 64), width=4)
    assert net.train.name == "yolo_v3_tiny"
    names = [layer.name for layer in net.train.layers]
    assert {"pixels", "L000.conv", "L000.bn", "L000.activation", "L015.head", "L016.yolo"} <= set(
        names
    )
    image = keras.Input((64, 64, 3))
    assert set(yolo_networks.YOLO["yolo_v3_tiny"](image, num_classes=3)) == {"yolo_0", "yolo_1"}


def test_sections_of_python_have_darknets_defaults():
    section = darknet_cfg.section("maxpool", stride=2)
    assert section.values == {"stride": 2, "size": 0, "padding": -1}
    assert darknet_plan.pool(section) == (2, 2, 1)


@pytest.mark.parametrize(
    ("name", "size", "flops"),
    [  # billions, of the project's page: two a multiply-add
        ("yolo_v3_tiny", 416, 5.56),
        pytest.param("yolo_v2", 608, 62.94, marks=pytest.mark.slow),
        pytest.param("yolo_v3", 416, 65.86, marks=pytest.mark.slow),
        pytest.param("yolo_v3_spp", 608, 141.45, marks=pytest.mark.slow),
    ],
)
def test_an_image_costs_what_was_published(name, size, flops):
    model = architectures.build(name, num_classes=80, image_size=(size, size)).serve
    whole = summary.total(summary.by_layer(model))
    assert 2 * whole.multiply_adds / 1e9 == pytest.approx(flops, abs=0.006)


def test_places_between_neighbours_shrink_with_upsampling_and_kernels_of_places_count_once():
    image = keras.Input((8, 8, 4))
    x = layers.Reorg(2, name="reorg")(image)  # 4 x 4, neighbours 2 pixels apart
    x = layers.Upsample(2, name="upsample")(x)  # 8 x 8, 1 pixel
    x = layers.LocallyConnected2D(2, 3, padding=1, name="local")(x)
    rows = {row.name: row for row in summary.by_layer(keras.Model(image, x))}
    assert rows["local"].receptive_field == (3, 3)
    assert rows["local"].multiply_adds == 64 * 9 * 16 * 2
