"""Masks against numbers by hand and against pycocotools."""

import numpy as np
import pytest

from tfvision.ops import masks


def test_a_square_polygon_fills_its_pixels():
    mask = masks.from_polygons([[1, 2, 4, 2, 4, 5, 1, 5]], (6, 6))
    expected = np.zeros((6, 6), np.uint8)
    expected[2:5, 1:4] = 1
    np.testing.assert_array_equal(mask, expected)


def test_runs_go_down_the_columns_and_start_with_zeros():
    mask = masks.from_rle({"size": [2, 3], "counts": [1, 2, 3]})
    np.testing.assert_array_equal(mask, [[0, 1, 0], [1, 0, 0]])
    assert masks.to_rle(mask, compress=False)["counts"] == [1, 2, 3]
    assert masks.to_rle(np.ones((2, 2), np.uint8), compress=False)["counts"] == [0, 4]
    assert masks.to_rle(np.zeros((2, 2), np.uint8), compress=False)["counts"] == [4]


@pytest.mark.parametrize("counts", [[1, 2], [7, -1], [6.0], "0", "~~", "Z", "o"])
def test_broken_runs_are_refused(counts):
    with pytest.raises(ValueError, match="run"):
        masks.from_rle({"size": [2, 3], "counts": counts})


def _random_polygons(rng, size):
    kind = rng.integers(4)
    count = rng.integers(3, 12)
    height, width = size
    points = rng.uniform(-0.3, 1.3, (count, 2)) * (width, height)
    if kind == 1:
        points = np.round(points)
    elif kind == 2:
        points = np.round(points * 5) / 5 + 0.1
    elif kind == 3:
        points = np.repeat(points, 2, axis=0)
    return [points.ravel().tolist()]


def test_polygons_and_runs_equal_pycocotools():
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(400):
        size = tuple(int(n) for n in rng.integers(1, 60, 2))
        polygons = _random_polygons(rng, size) + _random_polygons(rng, size)
        theirs = coco.merge(coco.frPyObjects(polygons, *size))
        ours = masks.from_polygons(polygons, size)
        np.testing.assert_array_equal(ours, coco.decode(theirs))
        assert masks.to_rle(ours)["counts"] == theirs["counts"].decode()
        text = {"size": list(size), "counts": theirs["counts"].decode()}
        np.testing.assert_array_equal(masks.from_rle(text), ours)


def test_absurd_coordinates_cost_no_memory_and_fill_the_canvas():
    far = 1e12
    mask = masks.from_polygons([[-far, -far, far, -far, far, far, -far, far]], (4, 5))
    assert masks.area(mask) == 20
    assert masks.area(masks.from_polygons([[far, far, 2 * far, far, far, 2 * far]], (4, 5))) == 0


def test_bounds_are_tight_and_end_exclusive():
    mask = np.zeros((5, 6), np.uint8)
    assert masks.bounds(mask) is None
    mask[1:3, 4] = 1
    assert masks.bounds(mask) == (1, 4, 3, 5)
    assert masks.area(mask) == 2


def test_box_bounds_survive_the_rounding_of_normalised_float32():
    for size in ((427, 640), (333, 217), (4000, 6001)):
        height, width = size
        scale = np.array([height, width, height, width], np.float64)
        for y, x in ((1, 2), (214, 100), (331, 213)):
            box = (np.array([y, x, y + 1, x + 3]) / scale).astype(np.float32)
            assert masks.box_bounds(box, size) == (y, x, y + 1, x + 3)
    assert masks.box_bounds([0.05, 0.25, 0.5, 1.0], (10, 10)) == (0, 2, 5, 10)


def test_paste_undoes_crop():
    mask = np.zeros((5, 6), np.uint8)
    mask[1:3, 2:5] = [[1, 0, 1], [0, 1, 1]]
    window = masks.bounds(mask)
    np.testing.assert_array_equal(masks.paste(masks.crop(mask, window), window, (5, 6)), mask)
    with pytest.raises(ValueError, match="does not fit"):
        masks.paste(np.ones((2, 2), np.uint8), window, (5, 6))
