"""The training graph of Faster R-CNN: what is sampled, its targets, and that it learns."""

import keras
import learning
import numpy as np
import pytest
import tensorflow as tf

from tfvision import layers, stack
from tfvision.architectures.backbones import resnet
from tfvision.architectures.rcnn_network import serving, training
from tfvision.architectures.rcnn_options import FASTER, MASK
from tfvision.layers import context, rcnn_samples
from tfvision.losses import rcnn_losses as losses
from tfvision.ops import boxes as box_ops

pytestmark = pytest.mark.addons
STAGES = resnet.backbone(18, width=8)
SIZES = ((12,), (24,), (48,), (64,), (90,))
NET = {"num_classes": 2, "channels": 16, "hidden": 64, "anchor_sizes": SIZES}
FEW = {"train_pre_nms": 100, "train_post_nms": 50, "anchor_samples": 64, "region_samples": 32}
BOXES = np.array([[[8, 8, 40, 32], [30, 50, 60, 90], [0, 0, 0, 0]], [[0, 0, 0, 0]] * 3], np.float32)
CLASS_IDS = np.array([[0, 1, -1], [-1, -1, -1]], np.int32)


def batch():
    """A red and a blue box on grey, and an image without objects."""
    image = np.full((2, 64, 96, 3), 120, np.float32)
    image[0, 8:40, 8:32] = [255, 0, 0]
    image[0, 30:60, 50:90] = [0, 0, 255]
    frame = np.tile(np.array([[64, 96, 1, 1, 0, 0]], np.float32), [2, 1])
    return {"image": image, "frame": frame, "boxes": BOXES, "class_ids": CLASS_IDS}


def run(model, step=0):
    with context.randomness(3, tf.constant(step, tf.int64), 0):
        return model({name: tf.constant(value) for name, value in batch().items()}, training=True)


def total(outputs):
    """A batch's loss, and its terms."""
    parts = {
        name: tf.reduce_sum(value) / tf.maximum(tf.reduce_sum(count), 1.0)
        for name, (value, count) in losses.terms(outputs).items()
    }
    return tf.add_n(list(parts.values())), parts


def test_what_is_sampled_is_right_and_a_function_of_the_step():
    model = training(FASTER, STAGES, image_size=(64, 96), **NET, **FEW)
    found = {name: value.numpy() for name, value in run(model).items()}
    assert found["rpn_logits"].shape == found["rpn_valid"].shape == (2, 64)
    assert found["rpn_valid"].all()
    assert 1 <= found["rpn_positive"][0].sum() <= 32
    assert not found["rpn_positive"][1].any()
    anchors, targets = found["rpn_anchors"][0], found["rpn_targets"][0]
    for index in np.flatnonzero(found["rpn_positive"][0]):  # what its target makes of the anchor
        back = box_ops.decode(targets[index], anchors[index]).numpy()
        assert np.abs(BOXES[0, :2] - back).max(axis=1).min() < 1e-3
    class_ids, rois = found["roi_class_ids"], found["rois"]
    assert rois.shape == (2, 32, 4)
    assert set(class_ids[0]) >= {0, 1, 2}  # the truths are proposals, so both are found
    assert set(class_ids[1]) == {2}  # the background alone
    for index, roi, truth, target in zip(
        class_ids[0], rois[0], found["roi_gt_boxes"][0], found["roi_targets"][0], strict=True
    ):
        overlap = box_ops.iou_matrix(roi[None], BOXES[0, :2]).numpy()[0]
        if index == 2:
            assert overlap.max() < 0.5
            assert not target.any()
        else:
            assert overlap[index] == overlap.max() >= 0.5
            assert CLASS_IDS[0, truth] == index
            back = box_ops.decode(target, roi, weights=(10.0, 10.0, 5.0, 5.0))
            np.testing.assert_allclose(back, BOXES[0, truth], atol=1e-3)
    again = {name: value.numpy() for name, value in run(model).items()}
    np.testing.assert_array_equal(found["rois"], again["rois"])
    other = run(model, step=1)
    assert (other["rois"].numpy() != found["rois"]).any()


def test_the_terms_are_the_sums_over_what_is_sampled():
    model = training(FASTER, STAGES, image_size=(64, 96), **NET, **FEW)
    outputs = run(model)
    found = {name: value.numpy() for name, value in outputs.items()}
    terms = losses.terms(outputs)
    assert [count.numpy().tolist() for _, count in terms.values()] == [[64, 64]] * 2 + [
        [(found["roi_class_ids"][b] >= 0).sum() for b in range(2)]
    ] * 2
    logits, positive = found["rpn_logits"].astype(np.float64), found["rpn_positive"]
    wanted = np.log1p(np.exp(np.where(positive, -logits, logits))).sum(axis=1)
    np.testing.assert_allclose(terms["rpn_class"][0], wanted, rtol=1e-4)
    box = np.zeros(2)
    for b, r in np.argwhere((found["roi_class_ids"] >= 0) & (found["roi_class_ids"] < 2)):
        deltas = found["box_deltas"][b, r, found["roi_class_ids"][b, r]]
        d = np.abs(deltas - found["roi_targets"][b, r]).astype(np.float64)
        box[b] += np.where(d < 1 / 9, d * d * 4.5, d - 1 / 18).sum()
    np.testing.assert_allclose(terms["box"][0], box, rtol=1e-4)
    assert terms["rpn_box"][0][1] == terms["box"][0][1] == 0.0  # the image without objects


def test_a_network_is_built_and_differentiated_under_op_determinism():
    tf.config.experimental.enable_op_determinism()
    try:
        model = training(MASK, STAGES, image_size=(64, 96), mask_widths=(8,), **NET, **FEW)
        weights = [stack.raw(v) for v in model.trainable_variables]
        values = {name: tf.constant(value) for name, value in masked_batch().items()}

        @tf.function
        def step():
            with context.randomness(3, tf.constant(0, tf.int64), 0), tf.GradientTape() as tape:
                loss, _ = total(model(values, training=True))
            return tape.gradient(loss, weights)

        for first, second in zip(step(), step(), strict=True):
            np.testing.assert_array_equal(first.numpy(), second.numpy())
    finally:
        from tensorflow.python.framework import config  # TensorFlow offers no other way back

        config.disable_op_determinism()


@pytest.mark.slow
def test_xla_compiles_a_step_and_a_reply():
    keras.utils.set_random_seed(0)
    options = {"image_size": (64, 96), "mask_widths": (8,), **NET}
    model = training(MASK, STAGES, **options, **FEW)
    with layers.sharing(model):
        serve = serving(MASK, STAGES, pre_nms=60, post_nms=30, **options)
    weights = [stack.raw(v) for v in model.trainable_variables]
    values = {name: tf.constant(value) for name, value in masked_batch().items()}

    def step():
        with context.randomness(3, tf.constant(0, tf.int64), 0), tf.GradientTape() as tape:
            loss, _ = total(model(values, training=True))
        return loss, tape.gradient(loss, weights, unconnected_gradients="zero")

    def answer():
        return serve({name: values[name] for name in ("image", "frame")}, training=False)

    loss, gradients = tf.function(step, jit_compile=True)()
    # Another order of the same sums can tip what is sampled.
    np.testing.assert_allclose(loss, tf.function(step)()[0], rtol=0.05)
    assert np.isfinite(tf.linalg.global_norm(gradients))
    found, wanted = tf.function(answer, jit_compile=True)(), answer()
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], atol=1e-2)


def test_padding_of_regions_costs_nothing():
    inputs = {
        "proposals": tf.zeros([1, 4, 4]),
        "num_proposals": tf.constant([0]),
        "boxes": tf.constant([[[0.0, 0.0, 10.0, 10.0]]]),
        "class_ids": tf.constant([[1]]),
    }
    found = rcnn_samples.RegionSamples(2, count=8, name="regions")(inputs)
    assert found["roi_class_ids"].numpy().tolist() == [[1] + [-1] * 7]
    assert not np.isnan(found["roi_targets"].numpy()).any()
    assert found["roi_targets"].numpy().tolist() == [[[0.0] * 4] * 8]


@pytest.mark.slow
def test_it_learns_two_boxes_and_finds_them_when_serving_with_shared_weights():
    keras.utils.set_random_seed(1)
    model = training(FASTER, STAGES, image_size=(None, None), bn_frozen=False, **NET, **FEW)
    with layers.sharing(model):
        serve = serving(
            FASTER, STAGES, image_size=(64, 96), bn_frozen=False, pre_nms=100, post_nms=50, **NET
        )
    variables = [stack.raw(v) for v in model.trainable_variables]
    slots = [tf.Variable(tf.zeros_like(v), trainable=False) for v in variables]

    @tf.function
    def step(number):
        with context.randomness(3, number, 0), tf.GradientTape() as tape:
            outputs = model(batch(), training=True)
            loss, _ = total(outputs)
        gradients = tape.gradient(loss, variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
        for variable, slot, gradient in zip(variables, slots, gradients, strict=True):
            slot.assign(0.9 * slot + gradient)
            variable.assign_sub(tf.where(number < 200, 0.005, 0.001) * slot)
        return loss

    first = None
    for number in range(300):
        loss = step(tf.constant(number, tf.int64))
        first = float(loss) if first is None else first
    assert float(loss) < 0.1 * first
    found = serve({name: batch()[name] for name in ("image", "frame")})
    overlaps = box_ops.iou_matrix(BOXES[0, :2], found["boxes"][0]).numpy()
    for number in (0, 1):
        mine = (found["class_ids"][0].numpy() == number) & (found["scores"][0].numpy() > 0.5)
        assert (overlaps[number] * mine).max() > 0.8
    assert int(found["num_detections"][1]) == 0  # the image without objects


def masked_batch():
    """The same pictures with masks in the frames of their boxes: whole boxes."""
    masks = np.zeros((2, 3, 14, 14), np.uint8)
    masks[0, :2] = 1
    return {**batch(), "masks": masks}


def test_the_mask_terms_are_those_of_the_positive_regions():
    model = training(MASK, STAGES, image_size=(64, 96), mask_widths=(8, 8), **NET, **FEW)
    values = {name: tf.constant(value) for name, value in masked_batch().items()}
    with context.randomness(3, tf.constant(0, tf.int64), 0), tf.GradientTape() as tape:
        outputs = model(values, training=True)
        terms = losses.terms(outputs)
        loss = tf.reduce_sum(terms["mask"][0])
    assert outputs["mask_logits"].shape == (2, 8, 28, 28, 3)
    class_ids = outputs["roi_class_ids"].numpy()
    count = ((class_ids == 0) | (class_ids == 1)).sum(axis=1)
    assert terms["mask"][1].numpy().tolist() == count.tolist()
    assert count[0] >= 2
    assert count[1] == 0
    wanted = 0.0
    for r in range(count[0]):  # positives come first
        roi, number = outputs["rois"][0, r].numpy(), outputs["roi_gt_boxes"][0, r].numpy()
        target = outputs["mask_targets"][0, r].numpy()
        inside = box_ops.intersection(roi, BOXES[0, number]) / box_ops.area(roi)
        assert abs(target.mean() - inside) < 0.05
        logits = outputs["mask_logits"][0, r, :, :, class_ids[0, r]].numpy().astype(np.float64)
        wanted += (np.log1p(np.exp(logits)) - target * logits).mean()
    np.testing.assert_allclose(terms["mask"][0], [wanted, 0.0], rtol=1e-4)
    names = ("roi_heads.mask_predictor.conv5_mask/kernel", "conv1/kernel")
    learning.assert_learn(model, tape, loss, names)


def test_a_region_gets_its_part_of_its_truths_mask():
    """The truth's box is 20 high and 40 wide; its upper half is the object."""
    masks = np.zeros((1, 3, 8, 8), np.uint8)
    masks[0, 1, :4] = 1
    truth = [[[0, 0, 1, 1], [10, 20, 30, 60], [0, 0, 0, 0]]]
    regions = [[[10, 20, 30, 60], [10, 40, 20, 60], [20, 20, 30, 60], [0, 20, 20, 60]]]
    found = rcnn_samples.MaskTargets(4, name="targets")(
        {
            "boxes": tf.constant(truth, tf.float32),
            "masks": tf.constant(masks),
            "rois": tf.constant(regions, tf.float32),
            "roi_gt_boxes": tf.constant([[1, 1, 1, 1]]),
        }
    )
    targets = found["mask_targets"].numpy()[0]
    # Two points a side of each of the 4 x 4; between two cells the mask is interpolated.
    for target, rows in zip(
        targets,
        (
            [1, 1, 0, 0],  # the whole box
            [1, 1, 1, 0.875],  # a quarter of it, all object
            [0.125, 0, 0, 0],  # the lower half
            [0, 0.5, 1, 1],  # half above it: ROI Align sees the border one cell further
        ),
        strict=True,
    ):
        np.testing.assert_allclose(target, np.repeat(np.array(rows)[:, None], 4, axis=1))
    assert found["mask_valid"].numpy().all()


def test_a_truth_without_a_mask_has_no_mask_loss():
    values = masked_batch()
    values["masks"][0, 0] = 0
    model = training(MASK, STAGES, image_size=(64, 96), mask_widths=(8,), **NET, **FEW)
    with context.randomness(3, tf.constant(0, tf.int64), 0):
        outputs = model({name: tf.constant(value) for name, value in values.items()})
    owners = outputs["roi_gt_boxes"].numpy()[0, :8]
    assert set(owners) >= {0, 1}
    np.testing.assert_array_equal(outputs["mask_valid"][0], owners == 1)
    assert losses.terms(outputs)["mask"][1].numpy().tolist() == [(owners == 1).sum(), 0.0]


def test_mask_rcnn_serves_with_the_weights_of_training():
    model = training(MASK, STAGES, image_size=(None, None), mask_widths=(8,), **NET, **FEW)
    with layers.sharing(model):
        serve = serving(MASK, STAGES, image_size=(64, 96), mask_widths=(8,), **NET)
    mine = {id(v) for v in model.trainable_variables}
    assert {id(v) for v in serve.trainable_variables} <= mine
    variable = model.get_layer("roi_heads.mask_predictor.mask_fcn_logits").bias
    variable.assign([50.0, 50.0, 50.0])
    found = serve({name: batch()[name] for name in ("image", "frame")})
    assert found["masks"].numpy().min() > 0.99
