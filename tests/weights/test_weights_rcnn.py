"""State dicts of torchvision's detectors into ours, held to torchvision's own numbers."""

import pathlib

import keras
import numpy as np
import oracle_files
import pytest
import tensorflow as tf
import torchvision_masks
from oracle_files import fill

from tfvision import weights
from tfvision.architectures import rcnn_network
from tfvision.architectures.backbones import pixels, resnet
from tfvision.architectures.rcnn_options import FASTER, MASK
from tfvision.layers import rcnn_layers
from tfvision.net import Net
from tfvision.ops import boxes as box_ops
from tfvision.ops import images

ORACLES = pathlib.Path(__file__).parents[1] / "oracles"
YXYX = [1, 0, 3, 2]
ENDS = {f"C{i + 2}": f"layer{i + 1}.{n}.out" for i, n in enumerate((2, 3, 5, 2))}
LEVELS = ("P2", "P3", "P4", "P5", "P6")
GIVEN = 64  # golden proposals that the box head is asked about


def _oracle(case):
    meta, golden = oracle_files.read(case)
    state = oracle_files.state(meta)
    for name, checksum in meta["fill_check"].items():
        assert fill.checksum(state[name]) == checksum
    replaced = {n.removeprefix("override/"): a for n, a in golden.items() if "override/" in n}
    assert set(replaced) <= set(state)
    return meta, golden, {**state, **replaced}


def _canvas(meta):
    """torchvision's resize and padding of the case's picture: [1, H, W, 3] 0..255, frame [1, 6].

    It normalises first; a resize keeps averages, so the order does not matter, and its padding
    with zeros is the mean color here."""
    picture = fill.image(meta["image_seed"], *meta["image_hw"]) * np.float32(255)
    resized = tf.image.resize(picture, meta["resized_hw"], antialias=False).numpy()
    canvas = np.empty((*meta["padded_hw"], 3), np.float32)
    canvas[:] = pixels.IMAGENET_MEAN
    canvas[: resized.shape[0], : resized.shape[1]] = resized
    frame = images.make_frame(
        tf.constant(meta["image_hw"]), tf.constant(meta["resized_hw"]), tf.zeros(2)
    )
    return canvas[None], frame[None]


class _Case:
    """One forward pass: the net's outputs, its inner tensors, and its heads on golden boxes."""

    def __init__(self, case):
        self.meta, self.golden, state = _oracle(case)
        settings = self.meta["settings"]
        masks = "mask_logits" in self.golden
        network = rcnn_network.Network(
            MASK if masks else FASTER,
            resnet.backbone(50),
            num_classes=self.meta["num_classes"] - 1,
            image_size=tuple(self.meta["padded_hw"]),
            pre_nms=settings["rpn_pre_nms_top_n_test"],
            post_nms=settings["rpn_post_nms_top_n_test"],
            score_threshold=settings["box_score_thresh"],
        )
        inputs, outputs = network.serve()
        model = keras.Model(inputs, outputs)
        self.count = weights.load(Net(model, model), state, source="torchvision")
        self.trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)

        inner = {**network.features}
        inner |= {name: model.get_layer(layer).output for name, layer in ENDS.items()}
        inner["pixels"] = model.get_layer("pixels").output
        for level, logits, deltas, anchors in zip(LEVELS, *network.rpn.values(), strict=True):
            inner |= {f"logits_{level}": logits, f"deltas_{level}": deltas}
            inner[f"anchors_{level}"] = anchors
        given = keras.Input((GIVEN, 4), name="given")
        inner["given_logits"], inner["given_deltas"] = network.box_head(
            network.features, given, prefix="given."
        )
        more = rcnn_layers.Detections(
            score_threshold=0.05, max_detections=1000, candidates=20000, name="more"
        )
        names = ("proposals", "num_proposals", "class_logits", "box_deltas")
        found = more({**{name: outputs[name] for name in names}, "frame": network.frame})
        inner |= {f"all_{name}": value for name, value in found.items()}
        image, frame = _canvas(self.meta)
        values = {"image": image, "frame": frame}
        values["given"] = self.golden["proposals"][None, :GIVEN, YXYX]
        inputs = {**inputs, "given": given}
        if masks:
            boxes = self.golden["boxes_in_resized_image"][None, :, YXYX]
            inputs["final"] = keras.Input((boxes.shape[1], 4), name="final")
            inner["final_masks"] = network.mask_head(
                network.features, inputs["final"], prefix="final."
            )
            values["final"] = boxes
        probe = tf.function(keras.Model(inputs, {**outputs, **inner}))
        found = probe({name: tf.constant(value) for name, value in values.items()})
        self.found = {name: np.asarray(value) for name, value in found.items()}
        self.frame = frame


@pytest.fixture(scope="module")
def faster():
    return _Case("fasterrcnn_resnet50_fpn")


@pytest.fixture(scope="module")
def mask():
    return _Case("maskrcnn_resnet50_fpn")


def _near(found, golden):
    assert np.abs(found - golden).max() <= 1e-4 * max(1.0, np.abs(golden).max())


def _stats(values):
    values = np.asarray(values, np.float64)
    return np.stack([values.mean((0, 1, 2)), values.std((0, 1, 2))])


def _stages_are_torchvisions(case):
    found, golden = case.found, case.golden
    corner = golden["input_corner"]
    _near(found["pixels"][0, :4, :4].transpose(2, 0, 1), corner)
    for name in ENDS:
        _near(_stats(found[name]), golden[f"body_stats_{name}"])
    for level in LEVELS:
        features = found[level.lower()]
        _near(_stats(features), golden[f"fpn_stats_{level}"])
        _near(features[0, :3, :3, :8].transpose(2, 0, 1), golden[f"fpn_corner_{level}"])
        logits = found[f"logits_{level}"].reshape(*features.shape[:3], 3)
        deltas = found[f"deltas_{level}"].reshape(*features.shape[:3], 3, 4)[..., YXYX]
        deltas = deltas.reshape(*features.shape[:3], 12)
        for kind, values in (("objectness", logits), ("deltas", deltas)):
            _near(_stats(values), golden[f"rpn_{kind}_stats_{level}"])
            sample = golden[f"rpn_{kind}_sample_{level}"]
            _near(values[0, :3, :5].transpose(2, 0, 1), sample)


def _anchors_are_torchvisions(case):
    for number, level in enumerate(LEVELS):
        anchors = case.found[f"anchors_{level}"][:, YXYX]
        np.testing.assert_array_equal(
            anchors[:6], case.golden["anchors_first6_of_each_level"][number]
        )
        np.testing.assert_array_equal(
            anchors[-1], case.golden["anchors_last_of_each_level"][number]
        )


def _proposals_are_torchvisions(case):
    golden, count = case.golden["proposals"], case.found["num_proposals"][0]
    assert count == len(golden)
    found = case.found["proposals"][0, :count, YXYX].T
    distance = np.abs(golden[:, None] - found[None]).max(axis=2).min(axis=1)
    assert (distance <= 0.1).mean() >= 0.98


def _box_head_is_torchvisions(case):
    golden = case.golden["head_class_logits"]
    found = np.roll(case.found["given_logits"][0], 1, axis=1)  # the background to the front
    assert np.abs(found - golden).max() <= 1e-3 * golden.std()
    golden = case.golden["head_box_regression"]
    found = np.roll(case.found["given_deltas"][0], 1, axis=1)[..., YXYX].reshape(golden.shape)
    assert np.abs(found - golden).max() <= 1e-3 * golden.std()


def _pairs(case, prefix):
    """(golden's row, ours) of detections that agree, one to one, and how many there are of each.

    Agree: the class, IoU above 0.99, corners to 0.1 pixels of the picture, scores to 0.001."""
    count = case.found[f"{prefix}num_detections"][0]
    part = {k: case.found[prefix + k][0, :count] for k in ("boxes", "scores", "class_ids")}
    boxes = images.from_frame(tf.constant(part["boxes"]), case.frame[0]).numpy()
    golden = case.golden[f"{prefix}boxes"][:, YXYX]
    same = part["class_ids"][None] + 1 == case.golden[f"{prefix}labels"][:, None]
    same &= box_ops.iou_matrix(golden, boxes).numpy() > 0.99
    same &= np.abs(golden[:, None] - boxes[None]).max(axis=2) <= 0.1
    scores = case.golden[f"{prefix}scores"][:, None] - part["scores"][None]
    same &= np.abs(scores) <= 1e-3
    pairs = []
    for row in range(len(golden)):
        for column in np.flatnonzero(same[row]):
            if column not in [c for _, c in pairs]:
                pairs.append((row, column))
                break
    return pairs, len(golden), count


def _detections_are_torchvisions(case):
    pairs, golden, ours = _pairs(case, "")
    print(f"{len(pairs)} of {golden} detections agree; ours are {ours}")
    assert max(golden, ours) - len(pairs) <= 1
    pairs, golden, ours = _pairs(case, "all_")
    print(f"{len(pairs)} of {golden} with low scores; ours are {ours}")
    assert len(pairs) >= 0.95 * max(golden, ours)


CHECKS = {
    "stages": _stages_are_torchvisions,
    "anchors": _anchors_are_torchvisions,
    "proposals": _proposals_are_torchvisions,
    "box head": _box_head_is_torchvisions,
    "detections": _detections_are_torchvisions,
}


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_faster_rcnn_is_torchvisions(faster, check):
    CHECKS[check](faster)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_mask_rcnn_is_torchvisions(mask, check):
    CHECKS[check](mask)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["faster", "mask"])
def test_every_parameter_is_filled_and_as_many_are_trainable(case, request):
    case = request.getfixturevalue(case)
    assert case.count == case.meta["state_dict_elements"]
    assert case.trainable == case.meta["trainable"]


@pytest.mark.slow
def test_the_mask_head_is_torchvisions_on_its_boxes(mask):
    labels, golden = mask.golden["labels"], mask.golden["mask_logits"]
    found = mask.found["final_masks"][0, np.arange(len(labels)), :, :, labels - 1]
    assert np.abs(found - golden).max() <= 1e-3 * golden.std()


@pytest.mark.slow
def test_masks_cover_what_torchvisions_cover(mask):
    pairs, golden, _ = _pairs(mask, "")
    assert golden - len(pairs) <= 1
    size = tuple(mask.meta["image_hw"])
    boxes = images.from_frame(tf.constant(mask.found["boxes"][0]), mask.frame[0]).numpy()
    for row, column in pairs:
        packed = mask.golden["masks_packed"][row]
        wanted = np.unpackbits(packed)[: size[0] * size[1]].reshape(size).astype(bool)
        part = mask.found["masks"][0, column]
        found = torchvision_masks.from_box_frame(part, boxes[column], size)
        assert (wanted & found).sum() >= 0.99 * (wanted | found).sum(), row
