"""Masks against numbers by hand and against pycocotools."""

import json
import pathlib

import numpy as np
import pytest
import torchvision_masks

from tfvision.ops import masks


def test_a_square_polygon_fills_its_pixels():
    mask = masks.from_polygons([[1, 2, 4, 2, 4, 5, 1, 5]], (6, 6))
    expected = np.zeros((6, 6), np.uint8)
    expected[2:5, 1:4] = 1
    np.testing.assert_array_equal(mask, expected)


def test_runs_go_down_the_columns_and_start_with_zeros():
    mask = masks.from_rle({"size": [2, 3], "counts": [1, 2, 3]})
    np.testing.assert_array_equal(mask, [[0, 1, 0], [1, 0, 0]])
    assert masks.to_rle(mask) == {"size": [2, 3], "counts": "123"}
    assert masks.to_rle(np.ones((2, 2), np.uint8))["counts"] == "04"
    assert masks.to_rle(np.zeros((2, 2), np.uint8))["counts"] == "4"


@pytest.mark.parametrize("counts", [[1, 2], [7, -1], [6.0], "0", "~~", "Z", "o"])
def test_broken_runs_are_refused(counts):
    with pytest.raises(ValueError, match="run"):
        masks.from_rle({"size": [2, 3], "counts": counts})


def _random_polygons(rng, size):
    kind = rng.integers(4)
    count = rng.integers(3, 12)
    height, width = size
    low, high = ((-0.3, 1.3), (-9.0, 9.0))[rng.integers(2)]  # some lie far beyond the canvas
    points = rng.uniform(low, high, (count, 2)) * (width, height)
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


def test_a_full_mask_covers_the_pixels_whose_centers_are_in_its_box():
    full = np.ones((28, 28), np.float32)
    wanted = np.zeros((6, 8), np.uint8)
    wanted[1:4, 2:7] = 1
    for box in ([1, 2, 4, 7], [0.6, 1.6, 4.4, 7.4], [1.4, 2.4, 3.6, 6.6]):
        found = masks.from_box_frame(full, box, (6, 8))
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, wanted)
    # At the box's edge a number is half gone: 0.75 holds for a third of a cell beyond its center.
    found = masks.from_box_frame(0.75 * np.ones((1, 1)), [0, 0, 12, 12], (12, 12))
    np.testing.assert_array_equal(found[6], [0] * 2 + [1] * 8 + [0] * 2)


def test_cells_are_interpolated_between_their_centers():
    # Two columns of cells, 4 pixels each: at the pixels' centers there are 0.625 and 0.875 (the
    # ring of zeros), 0.875, 0.625, 0.375, 0.125, 0, 0 in a row between the cells' centers.
    mask = np.array([[1.0, 0.0], [1.0, 0.0]])
    for threshold, columns in ((0.5, [0, 1, 2, 3]), (0.25, [0, 1, 2, 3, 4]), (0.7, [1, 2])):
        part, window = masks.in_window(mask, [2, 2, 10, 10], (12, 12), threshold=threshold)
        assert window == (2, 2, 10, 10)
        assert part[4].nonzero()[0].tolist() == columns
    lower = masks.from_box_frame(np.array([[0.0], [1.0]]), [0, 0, 8, 4], (8, 4), threshold=0.1)
    assert lower[:, 2].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("box", "area"),
    [
        ([-2.0, -3.0, 2.0, 2.0], 4),  # beyond the corner
        ([-1e9, -1e9, 1e9, 1e9], 48),  # all of the image lies in the middle cells
        ([7.0, 0.0, 9.0, 8.0], 0),  # below the image
        ([-9.0, -9.0, -2.0, -2.0], 0),
        ([2.0, 2.0, 2.0, 5.0], 0),  # no height
        ([4.0, 4.0, 2.0, 2.0], 0),  # upside down
        ([2.6, 2.6, 3.4, 3.4], 0),  # between the centers
        ([2.4, 3.4, 2.6, 3.6], 1),  # around one
        ([np.nan, 0.0, 4.0, 4.0], 0),
        ([0.0, 0.0, np.inf, 4.0], 0),
    ],
)
def test_boxes_may_be_anywhere_and_have_no_area(box, area):
    full = np.ones((4, 4), np.float32)
    found = masks.from_box_frame(full, np.array(box, np.float32), (6, 8))
    assert found.shape == (6, 8)
    assert masks.area(found) == area
    rle = masks.rle_from_box_frame(full, np.array(box, np.float32), (6, 8))
    np.testing.assert_array_equal(masks.from_rle(rle), found)


def test_a_window_is_sampled_as_its_definition_says():
    rng = np.random.default_rng(1)
    for _ in range(20):
        mask, size = rng.random((5, 7)), (41, 53)
        y1, x1 = rng.uniform(-20, 30, 2)
        y2, x2 = y1 + rng.uniform(1, 60), x1 + rng.uniform(1, 60)
        wanted = np.zeros(size, np.uint8)
        ring = np.pad(mask, 1)
        for y in range(size[0]):
            for x in range(size[1]):
                if not (y1 < y + 0.5 < y2 and x1 < x + 0.5 < x2):
                    continue
                v = (y + 0.5 - y1) / (y2 - y1) * 5 + 0.5
                u = (x + 0.5 - x1) / (x2 - x1) * 7 + 0.5
                i, j = int(v), int(u)
                upper = ring[i, j] * (1 - u + j) + ring[i, j + 1] * (u - j)
                lower = ring[i + 1, j] * (1 - u + j) + ring[i + 1, j + 1] * (u - j)
                wanted[y, x] = upper * (1 - v + i) + lower * (v - i) > 0.4
        found = masks.from_box_frame(mask, [y1, x1, y2, x2], size, threshold=0.4)
        np.testing.assert_array_equal(found, wanted)


def test_torchvisions_masks_are_those_of_its_rule():
    folder = pathlib.Path(__file__).parents[1] / "oracles" / "maskrcnn_resnet50_fpn"
    golden = np.load(folder / "golden.npz")
    height, width = json.loads((folder / "meta.json").read_text())["image_hw"]
    probabilities = 1 / (1 + np.exp(-golden["mask_logits"]))
    boxes = golden["boxes"][:, [1, 0, 3, 2]]
    overlaps = []
    for mask, box, packed in zip(probabilities, boxes, golden["masks_packed"], strict=True):
        theirs = np.unpackbits(packed)[: height * width].reshape(height, width)
        found = torchvision_masks.from_box_frame(mask, box, (height, width))
        overlaps.append(_iou(theirs, found))
    assert len(overlaps) == 82
    assert min(overlaps) > 0.99


def _iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize(("radius", "ours", "torchvisions"), [(14, 0.99, 0.93), (56, 0.99, 0.985)])
def test_a_disc_comes_back_from_its_frame(radius, ours, torchvisions):
    """torchvision's rule moves it by up to a pixel, which a small object feels."""
    y, x = np.mgrid[: 4 * radius, : 4 * radius] + 0.5
    disc = (np.hypot(y - 2 * radius, x - 2 * radius) < radius).astype(np.uint8)
    box = [radius, radius, 3 * radius, 3 * radius]
    window = masks.crop(disc, tuple(box))
    cell = 2 * radius // 28
    frame = window.reshape(28, cell, 28, cell).mean(axis=(1, 3))
    assert _iou(masks.from_box_frame(frame, box, disc.shape), disc) > ours
    found = _iou(torchvision_masks.from_box_frame(frame, box, disc.shape), disc)
    assert torchvisions - 0.02 < found < torchvisions


def test_a_mask_shrinks_by_the_area_that_is_set():
    mask = np.array([[1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 1, 0]], np.uint8)
    # Three quarters, none and a half of the three new pixels.
    np.testing.assert_array_equal(masks.shrink(mask, (1, 3)), [[1, 0, 1]])
    np.testing.assert_array_equal(masks.shrink(mask, (2, 6)), mask)
    # 2.5 old pixels to a new one: 2 of 2.5, and 1 of 2.5.
    np.testing.assert_array_equal(masks.shrink(np.array([[1, 1, 0, 1, 0]]), (1, 2)), [[1, 0]])
    # The old pixel in the middle is divided: 1.5 of 2.5 on either side.
    np.testing.assert_array_equal(masks.shrink(np.array([[0, 1, 1, 1, 0]]), (1, 2)), [[1, 1]])


def test_a_mask_that_would_vanish_keeps_its_fullest_pixel():
    mask = np.zeros((8, 8), np.uint8)
    mask[3, 4:7] = 1  # 3 of 16 in one new pixel
    mask[7, 0] = 1  # 1 of 16 in another
    np.testing.assert_array_equal(masks.shrink(mask, (2, 2)), [[0, 1], [0, 0]])
    np.testing.assert_array_equal(masks.shrink(0 * mask, (2, 2)), np.zeros((2, 2)))
