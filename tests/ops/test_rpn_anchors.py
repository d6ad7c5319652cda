import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfvision.ops import rpn_anchors

pytestmark = pytest.mark.addons
ORACLES = pathlib.Path(__file__).parents[1] / "oracles" / "ops"
TORCH = np.load(ORACLES / "boxes.npz")
YXYX = [1, 0, 3, 2]


def test_cells_and_grids_are_torchvisions():
    cells = [rpn_anchors.cells((size,)) for size in (32, 64, 128)]
    np.testing.assert_array_equal(np.concatenate(cells), TORCH["anchor_cells"][:, YXYX])
    maps = [(40, 56), (20, 28), (10, 14)]
    pairs = zip(cells, maps, strict=True)
    found = [rpn_anchors.grid(cell, size, (160, 224)) for cell, size in pairs]
    assert [len(part) for part in found] == [6720, 1680, 420]
    np.testing.assert_array_equal(np.concatenate(found), TORCH["anchors"][:, YXYX])


def test_a_ratio_of_two_is_upright_and_the_ratios_are_outermost():
    # 32 sqrt(2) = 45.25, its half 22.6 -> 23; 32 / sqrt(2) = 22.6, its half 11.3 -> 11
    found = rpn_anchors.cells((32, 64), (2.0, 1.0))
    assert found[0].tolist() == [-23, -11, 23, 11]
    assert found[1].tolist() == [-45, -23, 45, 23]
    assert found[2].tolist() == [-16, -16, 16, 16]


def test_places_are_the_image_over_the_map_apart_also_of_a_size_that_a_graph_learns_late():
    cell = np.array([[-1.0, -2.0, 1.0, 2.0]], np.float32)

    @tf.function(input_signature=[tf.TensorSpec([2], tf.int32), tf.TensorSpec([2], tf.int32)])
    def late(map_size, image_size):
        return rpn_anchors.grid(cell, tf.unstack(map_size), tf.unstack(image_size))

    found = rpn_anchors.grid(cell, (13, 2), (800, 128))
    assert found.shape == (26, 4)
    assert found[1].numpy().tolist() == [-1, 62, 1, 66]
    assert found[2].numpy().tolist() == [60, -2, 62, 2]  # 800 // 13 = 61
    np.testing.assert_array_equal(late([13, 2], [800, 128]), found)
