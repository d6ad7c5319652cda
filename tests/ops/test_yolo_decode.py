"""Raw outputs -> boxes, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors
from tfvision.ops.yolo_decode import Head, decode, decode_all

pytestmark = pytest.mark.addons

V3 = Head("v3", 32, 2, anchors=((64.0, 32.0),), boxes=1)
HALF = np.log(3.0)  # sigmoid(log 3) = 0.75


def _raw(shape, place=None, values=0.0):
    raw = np.zeros(shape, np.float32)
    if place is not None:
        raw[place] = values
    return raw


def test_zeros_are_anchors_at_the_middle_of_their_cells():
    boxes, objectness, classes = decode(_raw((1, 1, 2, 1, 7)), V3, (32, 64))
    # cells of 32 pixels: centers at x 16 and 48, y 16; anchor 64 high, 32 wide
    np.testing.assert_allclose(boxes, [[[-16, 0, 48, 32], [-16, 32, 48, 64]]], atol=1e-5)
    np.testing.assert_allclose(objectness, [[0.5, 0.5]])
    np.testing.assert_allclose(classes, np.full((1, 2, 2), 0.5))


def test_x_y_width_height_objectness_and_classes_stand_in_this_order():
    raw = _raw((1, 1, 1, 1, 7), (0, 0, 0, 0), [HALF, -HALF, np.log(2), 0, HALF, -HALF, HALF])
    boxes, objectness, classes = decode(raw, V3, (32, 32))
    # x 0.75 * 32 = 24, y 0.25 * 32 = 8; width 2 * 32, height 64
    np.testing.assert_allclose(boxes, [[[8 - 32, 24 - 32, 8 + 32, 24 + 32]]], atol=1e-4)
    np.testing.assert_allclose(objectness, [[0.75]], atol=1e-6)
    np.testing.assert_allclose(classes, [[[0.25, 0.75]]], atol=1e-6)


def test_rows_go_by_row_then_column_then_anchor():
    head = Head("v3", 16, 1, anchors=((8.0, 8.0), (4.0, 4.0)), boxes=2)
    boxes, objectness, classes = decode(_raw((2, 2, 3, 2, 6)), head, (32, 48))
    assert boxes.shape == (2, 12, 4)
    assert objectness.shape == (2, 12)
    assert classes.shape == (2, 12, 1)
    middles = (boxes[1, :, :2] + boxes[1, :, 2:]) / 2
    expected = [(y, x) for y in (8, 24) for x in (8, 24, 40) for _ in range(2)]
    np.testing.assert_allclose(middles, expected, atol=1e-5)
    np.testing.assert_allclose(boxes[1, :, 2] - boxes[1, :, 0], [8, 4] * 6, atol=1e-5)


def test_the_image_may_be_of_another_size_than_the_stride_says():
    boxes, _, _ = decode(_raw((1, 1, 1, 1, 7)), V3, (40, 80))
    np.testing.assert_allclose(boxes, [[[20 - 32, 40 - 16, 20 + 32, 40 + 16]]], atol=1e-5)


def test_scale_x_y_stretches_about_the_middle_of_the_cell():
    raw = _raw((1, 1, 1, 1, 7), (0, 0, 0, 0, slice(0, 2)), [HALF, 0])
    boxes, _, _ = decode(raw, V3._replace(scale_x_y=2.0), (32, 32))
    # 2 * 0.75 - 0.5 = 1, the cell's edge; 2 * 0.5 - 0.5 = 0.5
    np.testing.assert_allclose(boxes, [[[16 - 32, 32 - 16, 16 + 32, 32 + 16]]], atol=1e-4)


def test_v2_shares_one_among_the_classes():
    head = Head("v2", 32, 3, anchors=((32.0, 32.0),), boxes=1, softmax=True)
    raw = _raw((1, 1, 1, 1, 8), (0, 0, 0, 0, 7), np.log(2))
    _, objectness, classes = decode(raw, head, (32, 32))
    np.testing.assert_allclose(classes, [[[0.25, 0.25, 0.5]]], atol=1e-6)
    np.testing.assert_allclose(objectness, [[0.5]])
    independent = decode(raw, head._replace(softmax=False), (32, 32))[2]
    np.testing.assert_allclose(independent, [[[0.5, 0.5, 2 / 3]]], atol=1e-6)


@pytest.mark.parametrize(("sqrt", "sizes"), [(True, (0.5, 0.25)), (False, (0.25, 0.0625))])
def test_v1_has_shares_of_cell_and_image_and_no_activation(sqrt, sizes):
    head = Head("v1", 32, 2, boxes=2, sqrt=sqrt)
    raw = _raw((1, 2, 2, 2 + 2 * 5))
    # cell (1, 0): classes, two confidences, two boxes x y w h
    raw[0, 1, 0] = [0.5, 1.5, -0.5, 0.75, 0, 0, 0, 0, 0.25, 0.5, *sizes]
    boxes, objectness, classes = decode(raw, head, (64, 64))
    assert boxes.shape == (1, 8, 4)
    # the cell's second box is row (1 * 2 + 0) * 2 + 1 = 5: x 8, y 48, width 16, height 4
    np.testing.assert_allclose(boxes[0, 5], [46, 0, 50, 16], atol=1e-5)
    np.testing.assert_allclose(objectness[0, 4:6], [0.0, 0.75])
    np.testing.assert_allclose(classes[0, 4:6], [[0.5, 1.0]] * 2)


def test_a_width_of_an_untrained_network_stays_a_number():
    raw = _raw((1, 1, 1, 1, 7), (0, 0, 0, 0, slice(2, 4)), 1e4)
    boxes = decode(raw, V3, (32, 32))[0]
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    assert np.isfinite(area).all()


def test_heads_stand_side_by_side_and_sizes_may_be_unknown():
    heads = (V3, V3._replace(stride=16, anchors=((16.0, 16.0),)))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 1, 7]),
            tf.TensorSpec([None, None, None, 1, 7]),
            tf.TensorSpec([2], tf.int32),
        ]
    )
    def function(coarse, fine, size):
        return decode_all({"yolo_0": coarse, "yolo_1": fine}, heads, size)

    for side in (1, 2):
        coarse, fine = _raw((2, side, side, 1, 7)), _raw((2, 2 * side, 2 * side, 1, 7))
        got = function(coarse, fine, [32 * side] * 2)
        assert [part.shape[1] for part in got] == [side**2 + (2 * side) ** 2] * 3
        for index, raw in ((slice(0, side**2), coarse), (slice(side**2, None), fine)):
            expected = decode(raw, heads[0 if raw is coarse else 1], (32 * side, 32 * side))
            for part, value in zip(got, expected, strict=True):
                np.testing.assert_allclose(part[:, index], value, atol=1e-5)


def test_an_unknown_kind_is_refused():
    with pytest.raises(errors.UsageError, match="unknown YOLO head 'v4'"):
        decode(_raw((1, 1, 1, 1, 7)), V3._replace(kind="v4"), (32, 32))
