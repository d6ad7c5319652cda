"""Cfg files: what is read, what is refused and where, and the networks that come of it."""

import keras
import numpy as np
import pytest

from tfvision import architectures, errors
from tfvision.architectures import yolo_networks
from tfvision.darknet import cfg as darknet_cfg
from tfvision.darknet import cfg_file as darknet
from tfvision.darknet import plan as darknet_plan

pytestmark = pytest.mark.addons

NET = "[net]\nwidth=64\nheight=32\n"  # the first section of a file: lines 1 to 3
CONV = "[convolutional]\nfilters=8\nactivation=linear\n"


def plan(text, size=(32, 64)):
    return darknet_plan.plan(darknet_cfg.parse(NET + text)[1:], size)


def build(tmp_path, text, *, num_classes=3, size=(32, 64), **options):
    path = tmp_path / "net.cfg"
    path.write_text(NET + text, encoding="utf-8")
    return architectures.build(
        "darknet", num_classes=num_classes, image_size=size, cfg=path, **options
    )


def run(net, size=(32, 64)):
    image = np.random.default_rng(0).uniform(0, 255, (1, *size, 3)).astype(np.float32)
    return {k: np.asarray(v) for k, v in net.serve({"image": image}, training=False).items()}


def test_white_space_comments_and_short_names_are_darknets():
    net, conv, pool = darknet_cfg.parse(
        "# a file\n[network]\n\n; old\nwidth = 3 2\n  hue=.1 \n[conv]\nfilters = 8 # eight\n"
        "pad=1\nfilters=9\nactivation= leaky\n[max]\nsize=2\n"
    )
    assert (net.kind, net["width"], net["height"], net.line) == ("net", 32, 0, 2)
    assert (conv.kind, conv["filters"], conv["size"], conv.line) == ("convolutional", 8, 1, 7)
    assert (pool.kind, pool["size"], pool["stride"]) == ("maxpool", 2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[convolutionl]", r"line 4: unknown section 'convolutionl'; did you mean 'convolutional'"),
        ("[lstm]", r"line 4: unknown section 'lstm'"),
        ("[conv]\nfiltres=8", r"line 5: unknown key of \[convolutional\] 'filtres'; did you mean"),
        ("[conv]\n\nactivation=relie", r"line 6: unknown activation 'relie'"),
        ("[conv]\nfilters=eight", r"line 5: filters=eight is not a number"),
        ("[route]\nlayers=-1,x", r"line 5: layers=-1,x is not a number"),
        ("[conv]\nxnor=1", r"line 5: xnor=1 of \[convolutional\] is not supported \(only xnor=0\)"),
        ("[yolo]\nnew_coords=1", r"line 5: new_coords=1 of \[yolo\] is not supported"),
        ("[conv]\nfilters", r"line 5: 'filters' is neither \[section\] nor key=value"),
    ],
)
def test_what_is_not_known_is_refused_with_its_line(text, message):
    with pytest.raises(errors.DataError, match=message):
        darknet_cfg.parse(NET + text)


@pytest.mark.parametrize("text", ["", "[conv]\nfilters=1", "filters=1"])
def test_a_file_starts_with_net(text):
    with pytest.raises(errors.DataError, match="line 1: "):
        darknet_cfg.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no layer"),
        ("[route]\nlayers=-1", r"line 4: \[route\] takes the layers \[-1\], of 0"),
        (CONV + "[route]\nlayers=3", r"line 7: \[route\] takes the layers \[3\], of 1"),
        ("[conv]\nfilters=8\ngroups=2", r"line 4: .* 3 channels into 8 filters in 2 groups"),
        (CONV * 2 + "[max]\nstride=2\n[route]\nlayers=-1,0", "joins layers of 16 x 32 and 32 x 64"),
        (CONV + "[conv]\n[shortcut]\nfrom=-2", r"line 8: .*32 x 64 x 1 and 32 x 64 x 8"),
        (CONV + "[route]\nlayers=-1\ngroups=2\ngroup_id=2", "group 2 of 2 of 8 channels"),
        ("[reorg]\nstride=2", r"line 4: \[reorg\] of stride 2 takes 32 x 64 cells of 3 channels"),
        ("[local]\nsize=5\npad=1", "with pad=1 has size=3, not 5"),
        ("[softmax]\n" + CONV, r"line 4: \[softmax\] is not the last layer"),
        (CONV + "[yolo]\nnum=2\nanchors=1,2", "num=2 but 2 numbers of anchors"),
        (CONV + "[yolo]\nnum=1\nanchors=1,2\nmask=1", r"mask \(1,\) of 1 anchors"),
        (
            CONV + "[yolo]\nnum=1\nanchors=1,2\nclasses=4",
            r"line 7: \[yolo\] needs 9 outputs of the layer before it, .*; that one has 8",
        ),
        (CONV + "[region]\nnum=2\nanchors=1,2,3,4\nclasses=1", r"\[region\] needs 12 outputs"),
        ("[connected]\noutput=8\n[detection]\nside=1\nclasses=3", r"\[connected\] before a head"),
        ("[conv]\nfilters=8\n[yolo]\nnum=1\nanchors=1,2\nclasses=3", "has activation=linear"),
    ],
)
def test_sections_that_do_not_fit_are_refused_with_their_line(text, message):
    with pytest.raises(errors.DataError, match=message):
        plan(text)


def test_a_file_is_named_in_messages(tmp_path):
    with pytest.raises(errors.DataError, match=r"net\.cfg, line 4: unknown section"):
        build(tmp_path, "[x]")
    with pytest.raises(errors.DataError, match=r"net\.cfg, line 4: \[reorg\]"):
        build(tmp_path, "[reorg]\nstride=2")
    with pytest.raises(errors.DataError, match="cannot be read"):
        darknet.heads(tmp_path / "none.cfg")
    path = tmp_path / "small.cfg"
    path.write_text("[net]\nwidth=32\nheight=32\n" + CONV, encoding="utf-8-sig")
    assert darknet.size(path) == (32, 32)  # a byte-order mark is not text
    path.write_text("[net]\nwidth=32\n" + CONV)
    with pytest.raises(errors.DataError, match="has no width and height"):
        darknet.size(path)
    path.write_text("[net]\nchannels=1\n" + CONV)
    with pytest.raises(errors.DataError, match=r"small\.cfg, line 1: .*channels=1, not 3"):
        darknet.load(path)


HEADS = """[conv]
filters=16
stride=4
size=3
pad=1
activation=leaky
[conv]
filters=16
activation=linear
[region]
anchors=0.5,1, 2,4
num=2
classes=3
softmax=1
rescore=1
thresh=.6
object_scale=5
[route]
layers=-3
[upsample]
stride=2
[conv]
filters=8
activation=linear
[yolo]
anchors=10,13, 16,30
mask=1
num=2
classes=3
ignore_thresh=.7
scale_x_y=1.05
"""


def test_heads_are_what_the_file_says(tmp_path):
    net = build(tmp_path, HEADS)
    region, yolo = darknet.heads(tmp_path / "net.cfg")
    assert (region.kind, region.stride, region.boxes, region.num_classes) == ("v2", 4, 2, 3)
    assert region.anchors == region.all_anchors == ((4.0, 2.0), (16.0, 8.0))  # height, width
    assert (region.softmax, region.rescore) == (True, True)
    assert (region.ignore_threshold, region.object_scale, region.coord_scale) == (0.6, 5.0, 1.0)
    assert (yolo.kind, yolo.stride, yolo.boxes, yolo.mask) == ("v3", 2, 1, (1,))
    assert (yolo.anchors, yolo.all_anchors) == (((30.0, 16.0),), ((13.0, 10.0), (30.0, 16.0)))
    assert (yolo.ignore_threshold, yolo.scale_x_y, yolo.softmax) == (0.7, 1.05, False)
    outputs = run(net)
    assert outputs["yolo_0"].shape == (1, 8, 16, 2, 8)
    assert outputs["yolo_1"].shape == (1, 16, 32, 1, 8)
    assert darknet.classes(tmp_path / "net.cfg") == 3


def test_other_classes_than_the_files_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(errors.UsageError, match=r"classes=3, not 5; .* boxes \* \(5 \+ classes\)"):
        build(tmp_path, HEADS, num_classes=5)


def test_an_unknown_option_is_refused(tmp_path):
    with pytest.raises(errors.UsageError, match="darknet has no option 'activaton'; did you mean"):
        build(tmp_path, HEADS, activaton="relu")


def test_a_network_without_a_head_gives_logits(tmp_path):
    ends = {
        "pooled": "[avgpool]\n[softmax]\ngroups=1\n[cost]\ntype=sse\n",
        "dense": "[dropout]\n[connected]\noutput=8\nactivation=linear\n[softmax]\n",
        "pooled first": "[avgpool]\n[conv]\nfilters=8\nactivation=linear\n[softmax]\n",
    }
    for name, end in ends.items():
        keras.utils.set_random_seed(0)
        net = build(tmp_path, CONV + end, num_classes=8)
        assert darknet.classes(tmp_path / "net.cfg") == 8, name
        logits = run(net)["class_logits"]
        assert logits.shape == (1, 8), name
        assert logits.min() < 0, name  # no softmax


def test_every_activation_of_darknet_is_there(tmp_path):
    for activation in darknet_cfg.ACTIVATIONS:
        text = f"[conv]\nfilters=4\nactivation={activation}\n[shortcut]\nfrom=-1\n[avg]\n"
        assert np.isfinite(run(build(tmp_path, text))["class_logits"]).all(), activation


def test_leaky_is_a_tenth_and_can_be_replaced(tmp_path):
    text = "[conv]\nfilters=1\nactivation=leaky\n[avg]\n"
    results = {}
    for name, options in {
        "leaky": {},
        "elsewhere": {"activation": "leaky_relu"},
        "steeper": {"activation": "leaky_relu", "activation_options": {"slope": 0.5}},
        "relu": {"activation": "relu"},
    }.items():
        net = build(tmp_path, text, **options)
        kernel, bias = net.train.variables
        kernel.assign(np.zeros(kernel.shape))
        bias.assign([-2.0])
        results[name] = float(run(net)["class_logits"][0, 0])
    expected = {"leaky": -0.2, "elsewhere": -0.2, "steeper": -1.0, "relu": 0.0}
    assert results == pytest.approx(expected)


def test_route_takes_a_group_of_each_of_its_layers(tmp_path):
    text = CONV + "[route]\nlayers=-1,0\ngroups=2\ngroup_id=1\n[avg]\n"
    net = build(tmp_path, text, num_classes=8)
    logits = run(net)["class_logits"][0]
    np.testing.assert_array_equal(logits[:4], logits[4:])
    assert len(set(logits)) == 4


def test_padding_is_half_the_kernel_only_where_pad_says_so():
    (conv, padded, own) = plan(
        "[conv]\nsize=5\n[conv]\nsize=5\npad=1\npadding=7\n[conv]\nsize=3\npadding=2\nstride=2\n"
    )
    assert (conv.rows, conv.columns) == (28, 60)
    assert (padded.rows, padded.columns) == (28, 60)
    assert (own.rows, own.columns, own.stride) == (15, 31, 2)


def test_the_image_of_a_dense_layer_must_be_known():
    text = "[connected]\noutput=8\nactivation=linear\n"
    with pytest.raises(errors.UsageError, match="needs images of a known size"):
        plan(text, (None, None))
    assert darknet_plan.values(plan(text, (2, 2))) == 8 * (1 + 12)


@pytest.mark.parametrize("name", ["yolo_v1", "yolo_v2", "yolo_v3_tiny", "yolo_v3_spp"])
def test_a_network_of_ours_has_a_cfg_file(tmp_path, name):
    sections = yolo_networks.sections(name, num_classes=3)
    path = tmp_path / "net.cfg"
    path.write_text(darknet_cfg.text(sections, (448, 448)), encoding="utf-8")
    assert darknet.size(path) == (448, 448)
    assert darknet.heads(path) == yolo_networks.heads(name, num_classes=3)
    for read, made in zip(darknet.load(path), sections, strict=True):
        assert (read.kind, read.values) == (made.kind, made.values)
