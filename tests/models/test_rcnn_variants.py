"""What else R-CNN is: ROI Pool, the variant on c4, Fast R-CNN, and frozen first stages."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_rcnn_training import BOXES, CLASS_IDS, batch, total

from tfvision import config, errors, layers, stack
from tfvision.architectures.backbones import mobilenet, resnet
from tfvision.architectures.backbones.backbone import Backbone
from tfvision.architectures.rcnn_network import serving, training
from tfvision.architectures.rcnn_options import C4, FAST, FASTER, MASK
from tfvision.layers import context, rcnn_layers
from tfvision.losses import rcnn_losses as losses
from tfvision.net import Net
from tfvision.training import tuning
from tfvision.weights import native

pytestmark = pytest.mark.addons
STAGES = resnet.backbone(18, width=8)
BOTTLENECKS = resnet.backbone(50, width=4)
PYRAMID = {"channels": 8, "hidden": 16}
ONE_ROW = ((12, 24, 48, 64, 90),)
ROWS = tuple((size,) for size in ONE_ROW[0])
NET = {"num_classes": 2, "image_size": (64, 96)}
FEW = {"train_pre_nms": 100, "train_post_nms": 50, "anchor_samples": 64, "region_samples": 32}
LIMITS = {"pre_nms": 50, "post_nms": 20, "max_detections": 7, "score_threshold": 0.0}
GIVEN = np.array([[[6, 6, 42, 34], [0, 0, 60, 90], [28, 48, 64, 96]]] * 2, np.float32)


def proposed():
    """The scene of test_rcnn_training with three proposals, of the second image's one counts."""
    return {**batch(), "proposals": GIVEN, "num_proposals": np.array([3, 1], np.int32)}


def count(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def losses_of(model, values, *, steps, rate, momentum=0.9):
    """The batch's loss at every step of plain momentum on the same batch."""
    variables = [stack.raw(v) for v in model.trainable_variables]
    slots = [tf.Variable(tf.zeros_like(v), trainable=False) for v in variables]
    values = {name: tf.constant(value) for name, value in values.items()}

    @tf.function
    def step(number):
        with context.randomness(3, number, 0), tf.GradientTape() as tape:
            loss, _ = total(model(values, training=True))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 5.0)
        for variable, slot, gradient in zip(variables, slots, gradients, strict=True):
            slot.assign(momentum * slot + gradient)
            variable.assign_sub(rate * slot)
        return loss

    return [float(step(tf.constant(number, tf.int64))) for number in range(steps)]


# -- ROI Pool


def test_roi_pool_takes_the_largest_pixel_where_roi_align_takes_means():
    level = np.zeros((1, 8, 8, 1), np.float32)
    level[0, 2, 5] = 4.0  # 1 pixel of the upper right bin
    inputs = {"levels": [level], "boxes": np.array([[[0.0, 0.0, 28.0, 28.0]]], np.float32)}
    pooled = rcnn_layers.RoiPool(2)(inputs).numpy()[0, 0, :, :, 0]
    assert pooled.tolist() == [[0, 4], [0, 0]]
    means = rcnn_layers.RoiAlign(2, sampling_ratio=0)(inputs).numpy()[0, 0, :, :, 0]
    # 4 points along a bin of 3.5 pixels, .4375 + .875 i; of row 2 the second sees .3125, the third
    # .8125; of column 5 likewise
    assert means[0, 1] == pytest.approx(4.0 * (1.125 / 4) ** 2)
    assert means[0, 0] == means[1, 0] == 0.0


@pytest.mark.parametrize("lowest", [2, 4])
def test_a_level_has_the_stride_of_its_number(lowest):
    ramp = np.tile(np.arange(16, dtype=np.float32)[None, None, :, None], [1, 16, 1, 1])
    box = np.array([[[4, 4, 7, 7]]], np.float32) * 2**lowest
    found = rcnn_layers.RoiPool(2, lowest=lowest)({"levels": [ramp], "boxes": box})
    assert found.numpy()[0, 0, :, :, 0].tolist() == [[5, 7], [5, 7]]
    found = rcnn_layers.RoiAlign(3, lowest=lowest)({"levels": [ramp], "boxes": box})
    np.testing.assert_allclose(found.numpy()[0, 0, 0, :, 0], [4.5, 5.5, 6.5])


def test_the_heads_take_the_pooling_that_is_asked_for():
    model = serving(MASK, STAGES, pooling="pool", mask_widths=(8,), **NET, **PYRAMID, **LIMITS)
    for name in ("box_features", "mask_features"):
        assert type(model.get_layer(name)) is rcnn_layers.RoiPool
    found = tf.function(model)({k: tf.constant(batch()[k]) for k in ("image", "frame")})
    assert 0.0 < found["masks"].numpy().min() <= found["masks"].numpy().max() < 1.0
    model = serving(FASTER, STAGES, sampling_ratio=0, aligned=True, **NET, **PYRAMID)
    layer = model.get_layer("box_features")
    assert (layer.sampling_ratio, layer.aligned) == (0, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "pol"}, "unknown pooling of regions 'pol'; did you mean 'pool'"),
        ({"sampling_ratio": -1}, "sampling_ratio is -1; it must be a whole number"),
        ({"sampling_ratio": 1.5}, "sampling_ratio is 1.5; it must be a whole number"),
    ],
)
def test_nonsense_about_regions_is_told(change, message):
    with pytest.raises(errors.UsageError, match=message):
        serving(FASTER, STAGES, **NET, **PYRAMID, **change)


# -- the variant on c4


def test_the_last_stage_alone_continues_where_the_others_end():
    image = keras.Input((64, 80, 3))
    narrow = resnet.Options(width=4)
    whole = resnet.stages(image, narrow, depth=18)
    first = keras.Model(image, BOTTLENECKS.stages(image, BOTTLENECKS.options, last=4))
    assert set(first.output) == {"c1", "c2", "c3", "c4"}
    assert not [layer.name for layer in first.layers if layer.name.startswith("layer4")]
    features = keras.Input((4, 5, 16))
    last = keras.Model(features, resnet.stages(features, narrow, depth=18, first=5))
    assert last.output["c5"].shape[1:] == whole["c5"].shape[1:]
    names = {layer.name for layer in last.layers if layer.weights}
    assert names == {n for n in names if n.startswith("layer4.")}
    model = keras.Model(image, [whole["c4"], whole["c5"]])
    for layer in last.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights() if layer.weights else [])
    c4, c5 = model(np.random.default_rng(0).uniform(0, 255, (1, 64, 80, 3)).astype(np.float32))
    np.testing.assert_allclose(last(c4)["c5"], c5, rtol=1e-5, atol=1e-5)
    for wrong in ({"first": 2}, {"first": 4, "last": 3}, {"last": 6}):
        with pytest.raises(errors.UsageError, match="of a ResNet: they begin at 1, 3, 4 or 5"):
            resnet.stages(image, narrow, depth=18, **wrong)
    with pytest.raises(errors.UsageError, match="resnet18 has no option 'last'"):  # it needs all
        resnet.classifier(18, num_classes=2, image_size=(64, 64), last=4)


def test_c4_has_the_numbers_of_detectron2():
    model = serving(C4, resnet.backbone(50), num_classes=90, image_size=(64, 80))
    # ResNet-50's 23,508,032 without fc, of which 53,120 are normalisation's and frozen here; a
    # 3x3 of 1024 channels and 1x1s to 15 logits and 60 deltas of anchors; 2048 to 91 logits and
    # 364 deltas of classes
    body = 23_508_032 - 53_120
    proposals = 1024 * 1024 * 9 + 1024 + 1024 * (15 + 60) + 75
    answers = 2048 * (91 + 364) + 455
    assert count(model) == body + proposals + answers == 33_902_290
    anchors = model.get_layer("anchors").cells
    assert [cell.shape for cell in anchors] == [(15, 4)]
    shapes = {name: tuple(value.shape[1:]) for name, value in model.output.items()}
    assert shapes["proposals"] == (1000, 4)
    assert shapes["class_logits"] == (1000, 91)
    assert model.get_layer("proposals").pre_nms == 6000
    assert model.get_layer("layer4.0.add").output.shape[1:] == (7, 7, 2048)


def test_c4_answers_for_canvases_of_16s_and_shares_its_weights():
    options = {"num_classes": 2, "anchor_sizes": ONE_ROW}
    model = training(C4, BOTTLENECKS, image_size=(None, None), **options, **FEW)
    with layers.sharing(model):
        serve = serving(C4, BOTTLENECKS, image_size=(48, 80), **options, **LIMITS)
    mine = {id(v) for v in model.trainable_variables}
    assert {id(v) for v in serve.trainable_variables} <= mine
    rng = np.random.default_rng(0)
    frame = np.array([[48, 80, 1, 1, 0, 0]], np.float32)
    image = rng.uniform(0, 255, (1, 48, 80, 3)).astype(np.float32)
    found = serve({"image": image, "frame": frame})
    assert found["num_proposals"].numpy().tolist() == [20]
    assert found["boxes"].shape == (1, 7, 4)
    with pytest.raises(errors.UsageError, match="must be multiples of 16, such as 48 x 96"):
        serving(C4, BOTTLENECKS, image_size=(48, 90), **options)


def test_an_imagenet_state_dict_fills_both_ends_of_c4():
    net = serving(C4, BOTTLENECKS, **NET, anchor_sizes=ONE_ROW)
    names = set(native.named(Net(net, net)))
    classifier = resnet.classifier(50, num_classes=3, image_size=(64, 64), width=4)
    wanted = set(native.named(classifier))
    assert {n for n in wanted if not n.startswith("fc/")} <= names


@pytest.mark.slow
def test_c4_learns_a_scene():
    keras.utils.set_random_seed(1)
    options = {"anchor_sizes": ONE_ROW, "bn_frozen": False, "sampling_ratio": 2}
    few = {**FEW, "region_samples": 16}
    model = training(C4, STAGES, **NET, **few, **options)
    found = losses_of(model, batch(), steps=35, rate=0.01)

    assert np.mean(found[-5:]) < 0.6 * found[0]


# -- Fast R-CNN


def test_fast_rcnn_answers_for_the_proposals_that_it_is_given():
    model = serving(FAST, STAGES, **NET, **PYRAMID, max_detections=7, score_threshold=0.0)
    names = {"image", "frame", "proposals", "num_proposals"}
    assert set(model.input) == names
    assert not [layer.name for layer in model.layers if layer.name.startswith("rpn")]
    values = {name: value for name, value in proposed().items() if name in names}
    found = model(values)
    assert found["class_logits"].shape == (2, 3, 3)
    # of each proposal at most one box a class; the second image has one proposal
    assert 1 <= int(found["num_detections"][0]) <= 6
    assert 1 <= int(found["num_detections"][1]) <= 2
    none = model({**values, "num_proposals": np.zeros(2, np.int32)})
    assert none["num_detections"].numpy().tolist() == [0, 0]


def test_fast_rcnn_is_faster_rcnn_behind_the_same_proposals():
    keras.utils.set_random_seed(0)
    sure = {"max_detections": 7, "score_threshold": 0.0}
    whole = serving(FASTER, STAGES, **NET, **PYRAMID, anchor_sizes=ROWS, post_nms=20, **sure)
    with layers.sharing(whole):
        fast = serving(FAST, STAGES, **NET, **PYRAMID, **sure)
    values = {name: tf.constant(batch()[name]) for name in ("image", "frame")}
    found = whole(values)
    given = {name: found[name] for name in ("proposals", "num_proposals")}
    again = fast({**values, **given})
    assert set(again) == set(found) - set(given)
    for name, value in again.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)


@pytest.mark.slow
def test_fast_rcnn_learns_from_its_proposals_and_the_truths_alone():
    keras.utils.set_random_seed(1)
    model = training(FAST, STAGES, **NET, **PYRAMID, bn_frozen=False, region_samples=16)
    with context.randomness(3, tf.constant(0, tf.int64), 0):
        outputs = model({k: tf.constant(v) for k, v in proposed().items()}, training=True)
    terms = losses.terms(outputs)
    assert set(terms) == {"class", "box"}
    # image 0: 3 proposals and 2 truths; image 1: 1 proposal, padding has no part
    assert terms["class"][1].numpy().tolist() == [5.0, 1.0]
    rois, class_ids = outputs["rois"].numpy(), outputs["roi_class_ids"].numpy()
    assert {tuple(box) for box in rois[0, :5]} == {tuple(b) for b in (*GIVEN[0], *BOXES[0, :2])}
    by_box = dict(zip(map(tuple, rois[0, :5]), class_ids[0], strict=False))
    assert by_box[tuple(GIVEN[0, 0])] == CLASS_IDS[0, 0]  # IoU 768 / 1008
    assert by_box[tuple(GIVEN[0, 1])] == 2  # the background: IoU below 0.5 with both
    assert by_box[tuple(GIVEN[0, 2])] == CLASS_IDS[0, 1]  # 1200 / 1728
    found = losses_of(model, proposed(), steps=25, rate=0.01)
    assert np.mean(found[-5:]) < 0.6 * found[0]


def test_fast_rcnn_has_the_parameters_of_faster_rcnn_without_its_proposal_network():
    model = serving(FAST, resnet.backbone(50), num_classes=90, image_size=(64, 64))
    # torchvision's 41,755,286 less a 3x3 of 256 channels and 1x1s to 3 logits and 12 deltas of
    # anchors
    proposals = 256 * 256 * 9 + 256 + 256 * 15 + 15
    assert count(model) == 41_755_286 - proposals == 41_161_351


# -- frozen first stages

STEMS = {
    "resnet": (
        resnet.backbone(18, width=8),
        ("conv1/", "bn1/", "layer1."),
    ),
    "mobilenet_v2": (
        Backbone(mobilenet.stages, mobilenet.Options(width=8)),
        ("features.0.", "features.1.", "features.2.", "features.3."),
    ),
}


@pytest.mark.parametrize("bn_frozen", [False, True])
@pytest.mark.parametrize("backbone", STEMS)
def test_the_stem_and_the_first_stage_are_frozen_and_nothing_else(backbone, bn_frozen):
    network, starts = STEMS[backbone]
    model = training(FASTER, network, bn_frozen=bn_frozen, **NET, **PYRAMID, **FEW)
    names = [native.name_of(v) for v in model.trainable_variables]
    left = tuning.freeze(Net(model, model), config.FROZEN_STEMS[backbone])
    kept = [native.name_of(v) for v in left]
    assert kept == [name for name in names if not name.startswith(starts)]
    assert len(kept) < len(names)
    assert {name.split(".")[0] for name in kept} >= {"backbone", "rpn", "roi_heads"}
    stays = {id(v) for v in model.trainable_variables}
    assert stays == {id(v) for v in left}  # every layer of the frozen part is frozen whole
