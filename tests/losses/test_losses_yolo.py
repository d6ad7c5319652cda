import darknet_deltas as darknet  # the plain loops beside this file
import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, losses
from tfvision.ops.yolo_decode import Head

pytestmark = pytest.mark.addons
K = 3
STRIDE = 16
GRID = (4, 6)
SIZE = (64, 96)  # height, width
ANCHORS = ((12.0, 10.0), (20.0, 40.0), (50.0, 30.0))  # height, width
V1 = Head(
    "v1",
    STRIDE,
    K,
    boxes=2,
    object_scale=1.0,
    noobject_scale=0.5,
    class_scale=1.5,
    coord_scale=5.0,
)
V2 = Head(
    "v2",
    STRIDE,
    K,
    anchors=ANCHORS,
    boxes=3,
    ignore_threshold=0.3,
    softmax=True,
    object_scale=5.0,
    noobject_scale=1.0,
    class_scale=0.7,
    coord_scale=1.3,
)
COARSE = Head(
    "v3",
    STRIDE,
    K,
    anchors=ANCHORS[1:],
    boxes=2,
    all_anchors=ANCHORS,
    mask=(1, 2),
    ignore_threshold=0.3,
)
FINE = COARSE._replace(stride=8, anchors=ANCHORS[:1], boxes=1, mask=(0,))

# Pixels y1 x1 y2 x2, and classes; every image has four places for truths.
PADDING = ([0, 0, 0, 0], -1)
IMAGES = {
    "nothing": [],
    "one": [([10, 20, 30, 60], 1)],
    "two in one cell": [([10, 20, 30, 60], 1), ([11, 22, 31, 60], 2)],
    "the same box, the same class": [([10, 20, 30, 60], 0), ([10, 20, 30, 60], 0)],
    "at the far border": [([63.9, 95.9, 64, 96], 2), ([54, 86, 74, 106], 1)],
    "small ones, tiny ones and a gap": [([30, 50, 42, 60], 0), PADDING, ([1, 1, 1.01, 40], 2)],
    "large": [([0, 0, 64, 96], 2), ([2, 30, 52, 60], 0), ([40, 4, 60, 44], 1)],
}


def batch(*names):
    rows = [(IMAGES[name] + [PADDING] * 4)[:4] for name in names or IMAGES]
    boxes = np.array([[box for box, _ in row] for row in rows], np.float32)
    return boxes, np.array([[class_id for _, class_id in row] for row in rows], np.int32)


def raws(shape, seed=0, scale=1.0, images=0):
    size = (images or len(IMAGES), *shape)
    values = np.random.default_rng(seed).normal(size=size) * scale
    return values.astype(np.float32)


def differentiated(function, values):
    """(losses, minus the gradients of their sum) with respect to a list of arrays."""

    @tf.function
    def graph(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            found = function(*tensors)
            value = tf.add_n(list(found.values()))
        return found, [-part for part in tape.gradient(value, tensors)]

    found, deltas = graph(*map(tf.constant, values))
    return found, [delta.numpy() for delta in deltas]


def agree(found, deltas, image, costs, wanted, name):
    for term, cost in costs.items():
        np.testing.assert_allclose(found[term][image], cost, rtol=2e-4, atol=1e-5, err_msg=name)
    for delta, values in zip(deltas, wanted, strict=True):
        np.testing.assert_allclose(delta[image], values, rtol=1e-3, atol=2e-5, err_msg=name)


def v1_raws(head, seed=0):
    """Boxes of a fair size, so that some overlap the truth and some do not."""
    values = raws((*GRID, K + 5 * head.boxes), seed, 0.4)
    values[..., K + head.boxes :] = np.abs(values[..., K + head.boxes :])
    return values


@pytest.mark.parametrize("changes", [{}, {"rescore": False}, {"sqrt": False}, {"boxes": 3}])
def test_v1_has_the_deltas_of_darknets_detection_layer(changes):
    head = V1._replace(**changes)
    values, truth = v1_raws(head), batch()
    found, deltas = differentiated(lambda raw: losses.yolo_losses.v1(raw, head, *truth), [values])
    for image, name in enumerate(IMAGES):
        own = darknet.truths(truth[0][image], truth[1][image], SIZE)
        delta, costs = darknet.v1(values[image].astype(np.float64), head, own)
        agree(found, deltas, image, costs, [delta], name)


def test_v1_takes_the_nearest_box_where_none_overlaps():
    """The first box lies off the truth to the left, the second further off to the right."""
    head = V1
    values = np.zeros((1, *GRID, K + 10), np.float32)
    values[0, 1, 2, K + 2 :] = [-1.0, 0.5, 0.1, 0.1, 5.0, 0.5, 0.1, 0.1]
    boxes, class_ids = batch("one")  # center (20, 40): row 1, column 2
    _, (delta,) = differentiated(
        lambda raw: losses.yolo_losses.v1(raw, head, boxes, class_ids), [values]
    )
    assert (delta[0, 1, 2, K + 2 : K + 6] != 0).all()
    assert (delta[0, 1, 2, K + 6 :] == 0).all()
    own = darknet.truths(boxes[0], class_ids[0], SIZE)
    np.testing.assert_allclose(delta[0], darknet.v1(values[0], head, own)[0], atol=1e-5)


@pytest.mark.parametrize("seen", [None, 12799, 12800])
@pytest.mark.parametrize(
    "changes", [{}, {"rescore": False}, {"softmax": False}, {"ignore_threshold": 0.05}]
)
def test_v2_has_the_deltas_of_darknets_region_layer(changes, seen):
    head = V2._replace(**changes)
    values, truth = raws((*GRID, 3, 5 + K)), batch()
    found, deltas = differentiated(
        lambda raw: losses.yolo_losses.v2(raw, head, *truth, images_seen=seen), [values]
    )
    for image, name in enumerate(IMAGES):
        own = darknet.truths(truth[0][image], truth[1][image], SIZE)
        delta, costs = darknet.v2(values[image].astype(np.float64), head, own, SIZE, seen)
        agree(found, deltas, image, costs, [delta], name)


def v3_raws(seed=0):
    shapes = (*GRID, 2, 5 + K), (GRID[0] * 2, GRID[1] * 2, 1, 5 + K)
    return [raws(shape, seed + place) for place, shape in enumerate(shapes)]


@pytest.mark.parametrize("smooth", [0.0, 0.1])
@pytest.mark.parametrize(
    "changes",
    [{}, {"ignore_threshold": 0.05}, {"scale_x_y": 1.2}, {"object_scale": 2.0, "coord_scale": 0.5}],
)
def test_v3_has_the_deltas_of_darknets_yolo_layer(changes, smooth):
    heads = [COARSE._replace(**changes), FINE._replace(**changes)]
    values, truth = v3_raws(), batch()

    def loss(*outputs):
        return losses.yolo_losses.v3(outputs, heads, *truth, label_smoothing=smooth)

    found, deltas = differentiated(loss, values)
    for image, name in enumerate(IMAGES):
        own = darknet.truths(truth[0][image], truth[1][image], SIZE)
        parts = [value[image].astype(np.float64) for value in values]
        wanted, costs = darknet.v3(parts, heads, own, SIZE, smooth)
        agree(found, deltas, image, costs, wanted, name)


def test_the_cases_meet_what_they_are_about():
    """Some boxes are ignored, some cells have two truths, both heads get some."""
    boxes, class_ids = batch()
    delta = [
        darknet.v3([v[i] for v in v3_raws()], [COARSE, FINE], darknet.truths(b, c, SIZE), SIZE)[0]
        for i, (b, c) in enumerate(zip(boxes, class_ids, strict=True))
    ]
    ignored = [[(d[..., 4] == 0).any() for d in deltas] for deltas in delta]
    assert np.any(ignored, axis=0).all()
    assigned = [[(d[..., 0] != 0).sum() for d in deltas] for deltas in delta]
    assert (np.sum(assigned, axis=0) > 0).all()
    two = delta[list(IMAGES).index("two in one cell")][0]
    assert ((two[..., 5:] > 0).sum(axis=-1) == 2).any()
    assert not delta[0][0][..., :4].any()


def test_a_perfect_answer_of_v3_costs_almost_nothing():
    boxes, class_ids = batch("one")
    coarse, fine = (np.full_like(value[:1], -30.0) for value in v3_raws())
    # Center (20, 40) of 20 x 40: row 1 and a quarter, column 2 and a half, the second anchor.
    coarse[0, 1, 2, 0] = [0.0, -np.log(3), 0.0, 0.0, 30.0, -30.0, 30.0, -30.0]
    found = losses.yolo_losses.v3([coarse, fine], [COARSE, FINE], boxes, class_ids)
    for name in ("box", "object", "class"):
        np.testing.assert_allclose(found[name], [0.0], atol=1e-5)


@pytest.mark.parametrize("name", losses.BOXES)
def test_overlap_losses_of_v3_are_those_of_the_decoded_box(name):
    boxes, class_ids = batch("one", "nothing", "two in one cell")
    values = [value[:3] * 0.1 for value in v3_raws()]
    heads = [head._replace(coord_scale=0.07) for head in (COARSE, FINE)]

    def loss(*outputs):
        return losses.yolo_losses.v3(outputs, heads, boxes, class_ids, box_loss=name)

    found, deltas = differentiated(loss, values)
    for image, truth in ((0, boxes[0, :1]), (2, boxes[2, 1:2])):  # of two the last one
        own = darknet.boxes_of(values[0][image].astype(np.float64), COARSE, SIZE)[1, 2, 0]
        x, y, w, h = np.array(own) * np.tile(SIZE[::-1], 2)
        predicted = tf.constant([[y - h / 2, x - w / 2, y + h / 2, x + w / 2]], tf.float32)
        wanted = 0.07 * losses.BOXES[name](predicted, truth)[0]
        np.testing.assert_allclose(found["box"][image], wanted, rtol=1e-4)
        assert (deltas[0][image, 1, 2, 0, 2:4] != 0).all()
    assert found["box"][1] == 0.0


def test_an_unknown_box_loss_is_refused():
    with pytest.raises(errors.UsageError, match="did you mean 'giou'"):
        losses.yolo_losses.v3(v3_raws(), [COARSE, FINE], *batch(), box_loss="gio")


def test_outputs_come_by_name_or_in_order():
    values, truth = v3_raws(), batch()
    named = {f"yolo_{place}": value for place, value in enumerate(values)}
    heads = [COARSE, FINE]
    one, other = (losses.yolo_losses.v3(outputs, heads, *truth) for outputs in (named, values))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


LOSSES = {
    "v1": (lambda raw, *truth: losses.yolo_losses.v1(raw, V1, *truth), (K + 10,)),
    "v2": (lambda raw, *truth: losses.yolo_losses.v2(raw, V2, *truth, images_seen=5), (3, 5 + K)),
    "v3": (lambda raw, *truth: losses.yolo_losses.v3([raw], [COARSE], *truth), (2, 5 + K)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_any_grid_is_taken_and_images_without_truth_are_finite(name):
    function, last = LOSSES[name]
    specs = [
        tf.TensorSpec([None, None, None, *last]),
        tf.TensorSpec([None, None, 4]),
        tf.TensorSpec([None, None], tf.int32),
    ]
    graph = tf.function(function, input_signature=specs)
    boxes, class_ids = batch("nothing", "one")
    for grid in (GRID, (7, 5)):
        values = tf.constant(raws((*grid, *last), 0, 30.0, images=2))  # far out, too
        for truth in ((boxes, class_ids), (boxes[:, :0], class_ids[:, :0])):
            with tf.GradientTape() as tape:
                tape.watch(values)
                found = graph(values, *map(tf.constant, truth))
                total = tf.add_n(list(found.values()))
            assert all(part.shape == (2,) for part in found.values())
            assert np.isfinite(total).all()
            assert np.isfinite(tape.gradient(total, values)).all()
            assert found["class"][0] == 0.0


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_outputs_give_float32_losses(name):
    function, last = LOSSES[name]
    found = function(tf.cast(raws((*GRID, *last)), tf.bfloat16), *batch())
    assert all(part.dtype == tf.float32 for part in found.values())
