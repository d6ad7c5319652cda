"""Older names of torchvision's detectors, and its order of classes and deltas."""

import numpy as np
import pytest

from tfvision import errors, weights
from tfvision.architectures.backbones import resnet
from tfvision.architectures.rcnn_network import serving
from tfvision.architectures.rcnn_options import MASK
from tfvision.net import Net
from tfvision.weights import native, torchvision_rcnn

pytestmark = pytest.mark.addons


def test_published_files_have_older_names():
    old = (
        "backbone.body.layer1.0.conv1.weight",
        "backbone.fpn.inner_blocks.2.weight",
        "backbone.fpn.layer_blocks.0.bias",
        "rpn.head.conv.weight",
        "roi_heads.mask_head.mask_fcn1.weight",
        "roi_heads.mask_head.mask_fcn4.bias",
        "roi_heads.mask_predictor.conv5_mask.weight",
    )
    new = (
        "layer1.0.conv1.weight",
        "backbone.fpn.inner_blocks.2.0.weight",
        "backbone.fpn.layer_blocks.0.0.bias",
        "rpn.head.conv.0.0.weight",
        "roi_heads.mask_head.0.0.weight",
        "roi_heads.mask_head.3.0.bias",
        "roi_heads.mask_predictor.conv5_mask.weight",
    )
    state = dict.fromkeys(old, np.zeros(3))
    assert torchvision_rcnn.is_rcnn(state)
    assert tuple(torchvision_rcnn.ours(state)) == new
    assert tuple(torchvision_rcnn.ours(dict.fromkeys(new, np.zeros(3)))) == new
    assert not torchvision_rcnn.is_rcnn({"backbone.conv1.weight": np.zeros(3)})


def test_the_background_goes_last_and_deltas_start_with_y():
    state = {
        "roi_heads.box_predictor.cls_score.bias": np.array([0, 1, 2]),
        "roi_heads.box_predictor.bbox_pred.bias": np.arange(12),  # dx dy dw dh of three classes
        "rpn.head.bbox_pred.bias": np.arange(8),  # of two anchors
        "rpn.head.cls_logits.bias": np.arange(2),
    }
    found = {name: array.tolist() for name, array in torchvision_rcnn.ours(state).items()}
    assert list(found.values()) == [
        [1, 2, 0],
        [5, 4, 7, 6, 9, 8, 11, 10, 1, 0, 3, 2],
        [1, 0, 3, 2, 5, 4, 7, 6],
        [0, 1],
    ]


def test_of_cocos_ninety_numbers_eighty_have_objects():
    rows = np.arange(91)
    state = {
        "roi_heads.box_predictor.cls_score.bias": rows,
        "roi_heads.box_predictor.bbox_pred.bias": np.repeat(rows, 4) * 10
        + np.tile([0, 1, 2, 3], 91),
        "roi_heads.mask_predictor.mask_fcn_logits.bias": rows,
    }
    logits, deltas, masks = torchvision_rcnn.ours(state, 80).values()
    # person, ..., fire hydrant (11), stop sign (13), ..., toothbrush (90), the background
    assert logits[[0, 10, 11, 79, 80]].tolist() == [1, 11, 13, 90, 0]
    assert len(set(logits.tolist())) == 81
    assert not set(logits.tolist()) & {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    np.testing.assert_array_equal(masks, logits)
    assert deltas[44:48].tolist() == [131, 130, 133, 132]  # dy dx dh dw of the stop sign
    for whole in (90, None):
        logits = torchvision_rcnn.ours(state, whole)["roi_heads.box_predictor.cls_score.bias"]
        assert logits.tolist() == [*range(1, 91), 0]


def _tiny():
    model = serving(
        MASK,
        resnet.backbone(18, width=4),
        num_classes=2,
        image_size=(32, 64),
        channels=8,
        hidden=16,
        mask_widths=(6, 6),
    )
    return Net(model, model)


def _state(net, rng):
    """A state dict as torch writes one, by older names, of what `net` should hold afterwards."""
    leaves = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
    leaves |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    state = {}
    for name, value in native.collect(net).items():
        layer, leaf = name.split("/")
        if value.ndim == 4:
            value = value.transpose(3, 2, 0, 1)
        value = rng.random(value.T.shape if value.ndim == 2 else value.shape, np.float32)
        inner = layer.startswith(("roi_heads", "rpn", "backbone"))
        layer = layer if inner else f"backbone.body.{layer}"
        if ".fpn." in layer:
            layer = layer.removesuffix(".0")
        layer = layer.replace("rpn.head.conv.0.0", "rpn.head.conv")
        layer = layer.replace("mask_head.0.0", "mask_head.mask_fcn1")
        layer = layer.replace("mask_head.1.0", "mask_head.mask_fcn2")
        state[f"{layer}.{leaves[leaf]}"] = value
    return state


def test_a_file_with_older_names_fills_every_variable_or_tells_what_is_missing():
    net = _tiny()
    state = _state(net, np.random.default_rng(0))
    count = weights.load(net, state, source="torchvision")
    values = native.collect(net)
    assert count == sum(value.size for value in values.values())
    kernel = values["roi_heads.mask_predictor.conv5_mask/kernel"]  # rows, columns, out, in
    theirs = state["roi_heads.mask_predictor.conv5_mask.weight"]  # in, out, rows, columns
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 1, 0))
    del state["rpn.head.conv.weight"]
    with pytest.raises(errors.DataError, match=r"not in the file: rpn\.head\.conv\.0\.0/kernel"):
        weights.load(net, state, source="torchvision")
