"""Faster and Mask R-CNN: shapes, conventions and messages on tiny nets."""

import keras
import learning
import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, stack
from tfvision.architectures.backbones import resnet
from tfvision.architectures.rcnn_network import Network, serving
from tfvision.architectures.rcnn_options import FASTER, MASK
from tfvision.layers import rcnn_layers

pytestmark = pytest.mark.addons
STAGES = resnet.backbone(18, width=4)
SMALL = {"num_classes": 3, "image_size": (64, 96), "channels": 8, "hidden": 16}
LIMITS = {"post_nms": 20, "max_detections": 7, "score_threshold": 0.0}


def picture(seed=0, count=2):
    rng = np.random.default_rng(seed)
    image = rng.uniform(0, 255, (count, 64, 96, 3)).astype(np.float32)
    frame = np.tile(np.array([[120.0, 90.0, 0.5, 0.5, 0.0, 0.0]], np.float32), [count, 1])
    return {"image": image, "frame": frame}  # 60 x 45 pixels of the canvas are the picture's


def test_outputs_have_the_documented_shapes_and_stay_inside_the_picture():
    model = serving(MASK, STAGES, mask_widths=(8,), **SMALL, **LIMITS)
    shapes = {name: tuple(value.shape[1:]) for name, value in model.output.items()}
    assert shapes == {
        "proposals": (20, 4),
        "num_proposals": (),
        "class_logits": (20, 4),
        "box_deltas": (20, 4, 4),
        "boxes": (7, 4),
        "scores": (7,),
        "class_ids": (7,),
        "num_detections": (),
        "masks": (7, 28, 28),
    }
    found = {name: np.asarray(value) for name, value in model(picture()).items()}
    for boxes in (found["proposals"], found["boxes"]):
        assert boxes.min() >= 0.0
        assert boxes[..., 2].max() <= 60.0
        assert boxes[..., 3].max() <= 45.0
    assert (found["num_proposals"] == 20).all()
    assert (found["num_detections"] == 7).all()
    assert set(found["class_ids"].ravel()) <= {0, 1, 2}  # never the background
    assert (np.diff(found["scores"], axis=1) <= 0).all()
    assert 0.0 < found["masks"].min() <= found["masks"].max() < 1.0


def test_an_image_is_answered_alike_alone_and_in_a_batch():
    model = tf.function(serving(FASTER, STAGES, **SMALL, **LIMITS))
    both = picture()
    found = model({name: tf.constant(value) for name, value in both.items()})
    alone = model({name: tf.constant(value[1:]) for name, value in both.items()})
    for name in ("proposals", "boxes", "scores"):
        np.testing.assert_allclose(found[name][1:], alone[name], rtol=1e-4, atol=1e-3)


def test_boxes_stay_float32_under_mixed_precision():
    with stack.precision("mixed_bfloat16"):
        model = serving(MASK, STAGES, mask_widths=(8,), **SMALL, **LIMITS)
    found = model(picture())
    kinds = {name: value.dtype for name, value in found.items()}
    whole = {"num_proposals", "num_detections", "class_ids"}
    assert {name for name, kind in kinds.items() if kind == tf.int32} == whole
    assert all(kind == tf.float32 for name, kind in kinds.items() if name not in whole)
    assert model.get_layer("box_features").compute_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": (64, 100)}, "64 x 100; both must be multiples of 32, such as 64 x 128"),
        ({"anchor_sizes": ((32,), (64,))}, "levels p2, p3, p4, p5, p6 need one row each"),
        ({"depth": 19}, "no option 'depth'"),
    ],
)
def test_what_cannot_be_built_is_told(change, message):
    with pytest.raises(errors.UsageError, match=message):
        serving(FASTER, STAGES, **{**SMALL, **change})


def test_a_resnet_of_an_unknown_depth_is_refused():
    with pytest.raises(errors.UsageError, match="unknown ResNet depth '19'"):
        serving(FASTER, resnet.backbone(19), **SMALL)


def test_proposals_are_suppressed_inside_a_level_alone_and_padded():
    a, b = [0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.0]  # IoU 0.9
    flat = [20.0, 20.0, 20.0, 30.0]
    anchors = [tf.constant([a, b, flat]), tf.constant([b, [0.0, 0.0, 90.0, 90.0]])]
    inputs = {
        "logits": [tf.constant([[1.0, 2.0, 9.0]]), tf.constant([[0.5, -1.0]])],
        "deltas": [tf.zeros([1, 3, 4]), tf.zeros([1, 2, 4])],
        "anchors": anchors,
        "frame": tf.constant([[40.0, 30.0, 1.0, 1.0, 0.0, 0.0]]),
    }
    found = rcnn_layers.Proposals(post_nms=5)(inputs)
    assert found["num_proposals"].numpy().tolist() == [3]
    kept = [b, b, [0.0, 0.0, 40.0, 30.0]]
    assert found["proposals"].numpy().tolist() == [[*kept, [0.0] * 4, [0.0] * 4]]
    first = rcnn_layers.Proposals(pre_nms=2, post_nms=2)(inputs)  # the flat one takes a place
    assert first["proposals"].numpy().tolist() == [kept[:2]]


def test_boxes_are_cut_to_a_picture_in_the_canvas_s_middle():
    frame = tf.constant([[10.0, 20.0, 2.0, 2.0, 5.0, 0.0]])  # rows 5 to 25, columns 0 to 40
    found = rcnn_layers.clip(tf.constant([[[0.0, -3.0, 90.0, 90.0]]]), frame)
    assert found.numpy().tolist() == [[[5.0, 0.0, 25.0, 40.0]]]


def test_padding_of_proposals_never_becomes_a_detection():
    logits = tf.constant([[[9.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 9.0]]])
    box = [0.0, 0.0, 10.0, 10.0]
    found = rcnn_layers.Detections(max_detections=4)(
        {
            "proposals": tf.constant([[box, [20.0, 20.0, 30.0, 30.0], box]]),
            "num_proposals": tf.constant([1]),
            "class_logits": logits,
            "box_deltas": tf.zeros([1, 3, 3, 4]),
            "frame": tf.constant([[40.0, 40.0, 1.0, 1.0, 0.0, 0.0]]),
        }
    )
    assert found["num_detections"].numpy().tolist() == [1]
    assert found["boxes"][0, 0].numpy().tolist() == box
    assert found["class_ids"].numpy().tolist() == [[0, -1, -1, -1]]


def test_the_features_of_regions_and_both_heads_have_gradients():
    network = Network(FASTER, STAGES, **SMALL)
    boxes = keras.Input((3, 4), name="boxes")
    logits, deltas = network.box_head(network.features, boxes)
    model = keras.Model({"image": network.image, "boxes": boxes}, [logits, deltas])
    given = np.array([[[0, 0, 30, 30], [10, 20, 60, 90], [5, 5, 25, 60]]] * 2, np.float32)
    with tf.GradientTape() as tape:
        outputs = model({"image": picture()["image"], "boxes": given}, training=True)
        loss = tf.add_n([tf.reduce_mean(tf.square(tf.cast(x, tf.float32))) for x in outputs])
    names = ("conv1/kernel", "backbone.fpn.inner_blocks.0.0/kernel")
    learning.assert_learn(model, tape, loss, names)


def test_a_mask_is_its_own_classs():
    logits = tf.reshape(tf.range(2 * 3 * 2 * 2, dtype=tf.float32), [1, 2, 2, 2, 3])
    found = rcnn_layers.SelectClass()([logits, tf.constant([[1, -1]])])
    assert found.numpy().tolist() == [[[[1, 4], [7, 10]], [[12, 15], [18, 21]]]]
