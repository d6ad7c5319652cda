import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfvision.ops import roi

pytestmark = pytest.mark.addons
ORACLES = pathlib.Path(__file__).parents[1] / "oracles" / "ops"
TORCH = np.load(ORACLES / "roi.npz")
CALLS = json.loads((ORACLES / "roi.json").read_text(encoding="utf-8"))["calls"]
FEATURES = TORCH["x"].transpose(0, 2, 3, 1)
IMAGES = TORCH["rois"][:, 0].astype(np.int32)
YXYX = [2, 1, 4, 3]
# every region on both pictures; `own` takes the one that it belongs to
BOXES = np.tile(TORCH["rois"][None, :, YXYX], [2, 1, 1])


def own(found):
    return np.asarray(found)[IMAGES, np.arange(len(IMAGES))].transpose(0, 3, 1, 2)


def options(name):
    call = dict(CALLS[name])
    return {"size": tuple(call.pop("output_size")), "scale": call.pop("spatial_scale"), **call}


@pytest.mark.parametrize("name", [name for name in CALLS if "align" in name])
def test_roi_align_is_torchvisions(name):
    found = tf.function(lambda x, boxes: roi.align(x, boxes, **options(name)))(FEATURES, BOXES)
    np.testing.assert_allclose(own(found), TORCH[name], rtol=1e-5, atol=1e-5)
    if CALLS[name]["sampling_ratio"] > 0:  # the other has a region of thousands of points
        found = roi.align(FEATURES, BOXES, **options(name))
        np.testing.assert_allclose(own(found), TORCH[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in CALLS if "pool" in name])
@pytest.mark.parametrize("graph", [False, True])
def test_roi_pool_is_torchvisions(name, graph):
    def function(features, boxes):
        return roi.pool(features, boxes, **options(name))

    found = (tf.function(function) if graph else function)(FEATURES, BOXES)
    np.testing.assert_array_equal(own(found), TORCH[name])


def gradient(function, features, weight):
    features = tf.convert_to_tensor(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        total = tf.reduce_sum(function(features) * weight)
    return tape.gradient(total, features)


def aligned(features):
    return roi.align(features, BOXES, size=(7, 7), scale=1.0, sampling_ratio=2, aligned=True)


def own_weight():
    """torch's weight [R, C, h, w] of each region on its own picture, 0 on the other."""
    weight = np.zeros((2, len(IMAGES), 7, 7, 4), np.float32)
    weight[IMAGES, np.arange(len(IMAGES))] = TORCH["grad_weight"].transpose(0, 2, 3, 1)
    return weight


def test_the_gradient_of_roi_align_is_torchvisions():
    found = gradient(aligned, FEATURES, own_weight()).numpy().transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, TORCH["grad_x"], rtol=1e-5, atol=1e-5)
    compiled = tf.function(lambda x: gradient(aligned, x, own_weight()))(FEATURES)
    compiled = compiled.numpy().transpose(0, 3, 1, 2)
    np.testing.assert_allclose(compiled, TORCH["grad_x"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_roi_align_is_linear_so_its_gradient_gives_its_values_back(sampling_ratio):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((2, 23, 3, 5, 4)).astype(np.float32)

    def function(features):
        return roi.align(features, BOXES, size=(3, 5), scale=0.5, sampling_ratio=sampling_ratio)

    found, values = tf.function(lambda x: (gradient(function, x, weight), function(x)))(FEATURES)
    np.testing.assert_allclose(np.vdot(found, FEATURES), np.vdot(values, weight), rtol=1e-4)


def test_the_gradient_of_roi_pool_goes_to_the_first_of_the_largest():
    features = np.zeros((1, 4, 4, 1), np.float32)
    features[0, 2, 3] = 5.0
    box = np.array([[[0.0, 0.0, 3.0, 3.0]]], np.float32)
    weight = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32).reshape(1, 1, 2, 2, 1)
    found = gradient(lambda x: roi.pool(x, box, size=(2, 2), scale=1.0), features, weight)
    expected = np.zeros((4, 4), np.float32)
    expected[0, 0], expected[0, 2], expected[2, 0], expected[2, 3] = 1, 2, 3, 4
    np.testing.assert_array_equal(found[0, :, :, 0], expected)


def test_a_ramp_is_sampled_where_the_bins_are():
    # The value is the column: bins of 2 columns at 4..8 have their means at 5 and 7.
    ramp = np.tile(np.arange(16, dtype=np.float32)[None, None, :, None], [1, 16, 1, 1])
    box = np.array([[[4.0, 4.0, 8.0, 8.0]]], np.float32)
    found = roi.align(ramp, box, size=(2, 2), scale=1.0)
    np.testing.assert_allclose(found[0, 0, :, :, 0], [[5, 7], [5, 7]])
    found = roi.align(ramp, box, size=(2, 2), scale=1.0, aligned=True)
    np.testing.assert_allclose(found[0, 0, :, :, 0], [[4.5, 6.5], [4.5, 6.5]])


def test_levels_are_those_of_the_paper():
    sides = [0.0, 10.0, 111.9, 112.0, 223.9, 224.0, 448.0, 5000.0]
    boxes = np.array([[0.0, 0.0, side, side] for side in sides], np.float32)
    assert roi.level_of(boxes, 2, 5).numpy().tolist() == [2, 2, 2, 3, 3, 4, 5, 5]
    turned = np.array([[9.0, 0.0, 3.0, 9.0]], np.float32)
    assert roi.level_of(turned, 2, 5).numpy().tolist() == [2]


def pyramid(seed=0):
    """Levels 2 to 5 of a 256 x 320 canvas, and boxes of every level, some outside."""
    rng = np.random.default_rng(seed)
    levels = {
        level: rng.standard_normal((2, 256 >> level, 320 >> level, 3)).astype(np.float32)
        for level in range(2, 6)
    }
    corner = rng.uniform(-20, 200, (2, 40, 2))
    size = np.exp(rng.uniform(np.log(8), np.log(900), (2, 40, 2)))
    return levels, np.concatenate([corner, corner + size], axis=-1).astype(np.float32)


@pytest.mark.parametrize("kind", ["align", "pool"])
def test_a_pyramid_gives_what_each_boxs_level_gives_alone(kind):
    levels, boxes = pyramid()
    of_all = {"align": roi.pyramid_align, "pool": roi.pyramid_pool}[kind]
    found = tf.function(lambda x: of_all(levels, x, size=(3, 2)))(boxes)
    of = roi.level_of(boxes, 2, 5).numpy()
    assert set(of.ravel()) == {2, 3, 4, 5}
    for level, features in levels.items():
        single = {"align": roi.align, "pool": roi.pool}[kind]
        mine = np.where((of == level)[..., None], boxes, [0, 0, 1, 1]).astype(np.float32)
        alone = single(features, mine, size=(3, 2), scale=2.0**-level).numpy()
        np.testing.assert_allclose(found.numpy()[of == level], alone[of == level], atol=1e-5)


def test_shapes_are_known_in_a_graph_and_no_boxes_are_no_error():
    levels, boxes = pyramid()

    @tf.function(input_signature=[tf.TensorSpec([None, 40, 4])])
    def function(boxes):
        found = roi.pyramid_align(levels, boxes, size=(7, 7))
        assert found.shape == [None, 40, 7, 7, 3]
        return found

    assert function(boxes).shape == [2, 40, 7, 7, 3]
    assert roi.pyramid_align(levels, boxes[:, :0], size=(7, 7)).shape == [2, 0, 7, 7, 3]
    assert roi.pyramid_align(levels, boxes[:, :0], size=(7, 7), sampling_ratio=0).shape[1] == 0
    assert roi.pyramid_pool(levels, boxes[:, :0], size=(7, 7)).shape == [2, 0, 7, 7, 3]


def test_boxes_take_no_gradient_and_bfloat16_stays():
    levels, boxes = pyramid()
    boxes = tf.constant(boxes)
    with tf.GradientTape() as tape:
        tape.watch(boxes)
        total = tf.reduce_sum(roi.pyramid_align(levels, boxes, size=(2, 2)))
    assert tape.gradient(total, boxes) is None
    narrow = {level: tf.cast(features, tf.bfloat16) for level, features in levels.items()}
    found = roi.pyramid_align(narrow, boxes, size=(2, 2))
    assert found.dtype == tf.bfloat16
    wide = roi.pyramid_align(levels, boxes, size=(2, 2))
    np.testing.assert_allclose(tf.cast(found, tf.float32), wide, atol=0.03)


@pytest.mark.parametrize("sampling_ratio", [0, 2, 3])
def test_a_graph_samples_far_outside_the_map_where_eager_does(sampling_ratio):
    # At 2,000 pixels the last bit of a position is 1e-4: any other order of the sum would show.
    rng = np.random.default_rng(3)
    far = 20.0 if sampling_ratio == 0 else 2000.0  # there the points of a bin are many
    corner = rng.uniform(-far, far, (2, 40, 2))
    side = np.exp(rng.uniform(0, np.log(4 * far), (2, 40, 2)))
    boxes = np.concatenate([corner, corner + side], axis=-1).astype(np.float32)
    arguments = {"size": (7, 6), "scale": 0.3, "sampling_ratio": sampling_ratio}

    def function(boxes):
        return roi.align(FEATURES, boxes, **arguments)

    eager = function(boxes).numpy()
    assert np.count_nonzero(eager)
    np.testing.assert_array_equal(tf.function(function)(boxes), eager)


def test_levels_with_a_gap_are_refused():
    levels, boxes = pyramid()
    del levels[3]
    with pytest.raises(ValueError, match="must follow one another"):
        roi.pyramid_align(levels, boxes, size=(2, 2))


def test_gradients_are_the_same_bits_each_time_under_op_determinism():
    # Many regions on few pixels: sums whose order shows in their last bits.
    levels, boxes = pyramid()
    boxes = np.tile(boxes, [1, 20, 1])
    weight = np.random.default_rng(1).standard_normal((2, 800, 5, 5, 3)).astype(np.float32)
    context = tf.config.experimental
    context.enable_op_determinism()
    try:
        step = tf.function(
            lambda p2: gradient(
                lambda x: roi.pyramid_align({**levels, 2: x}, boxes, size=(5, 5)), p2, weight
            )
        )
        first = step(levels[2]).numpy()
        for _ in range(3):
            np.testing.assert_array_equal(step(levels[2]).numpy(), first)
    finally:
        from tensorflow.python.framework import config  # TensorFlow offers no other way back

        config.disable_op_determinism()


def test_mask_targets_are_regions_of_the_own_truths_mask():
    rng = np.random.default_rng(2)
    masks = (rng.random((2, 3, 20, 30)) < 0.5).astype(np.uint8)
    boxes = np.array([[[0, 0, 20, 30], [4, 3, 9, 17]], [[2, 2, 12, 28], [1, 5, 19, 9]]], np.float32)
    owner = np.array([[2, 0], [1, -1]], np.int32)
    found = roi.mask_targets(masks, boxes, owner, size=(4, 5)).numpy()
    assert found.dtype == np.float32
    for b in range(2):
        for r in range(2):
            own = masks[b, max(owner[b, r], 0), None, :, :, None].astype(np.float32)
            alone = roi.align(own, boxes[b, None, r, None], size=(4, 5), scale=1.0)
            np.testing.assert_allclose(found[b, r], alone[0, 0, :, :, 0], atol=1e-6)
    half = roi.mask_targets(masks, 2 * boxes, owner, size=(4, 5), scale=0.5)
    np.testing.assert_allclose(half, found, atol=1e-6)


def test_the_mask_of_a_region_half_on_its_truth_is_half_set():
    mask = np.zeros((1, 1, 16, 16), np.uint8)
    mask[..., 8:] = 1
    found = roi.mask_targets(mask, np.array([[[0.0, 4.0, 16.0, 12.0]]]), [[0]], size=(2, 4))
    # points at columns 4.5, 5.5 | 6.5, 7.5 | 8.5, ...: that at 7.5 lies between 0 and 1
    np.testing.assert_allclose(found[0, 0], [[0, 0.25, 1, 1]] * 2)
