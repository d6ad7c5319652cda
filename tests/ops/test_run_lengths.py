import numpy as np
import pytest

from tfvision.ops import masks, run_lengths


def test_a_part_of_an_image_has_the_runs_of_the_whole():
    part = np.array([[0, 1, 0], [0, 1, 1]])
    assert run_lengths.of_part(part, (1, 0, 3, 3), (4, 5)) == [5, 2, 3, 1, 9]
    assert run_lengths.of_part(part[:0], (3, 0, 3, 3), (4, 5)) == [20]
    # A part as high as the image: a column's last pixel and the next one's first are one run.
    assert run_lengths.of_part(np.ones((2, 2)), (0, 1, 2, 3), (2, 4)) == [2, 4, 2]
    assert run_lengths.of_part(np.ones((2, 2)), (0, 2, 2, 4), (2, 4)) == [4, 4]
    assert run_lengths.of_part(np.ones((2, 1)), (0, 0, 2, 1), (2, 1)) == [0, 2]
    rng = np.random.default_rng(2)
    for _ in range(300):
        size = tuple(rng.integers(1, 9, 2))
        y1, x1 = (int(rng.integers(0, side + 1)) for side in size)
        y2, x2 = (int(rng.integers(low, s + 1)) for low, s in zip((y1, x1), size, strict=True))
        part = rng.integers(0, 2, (y2 - y1, x2 - x1))
        runs = run_lengths.of_part(part, (y1, x1, y2, x2), size)
        assert all(run > 0 for run in runs[1:])
        canvas = masks.paste(part, (y1, x1, y2, x2), size)
        np.testing.assert_array_equal(masks.from_rle({"size": size, "counts": runs}), canvas)


def test_overlap_of_runs_by_hand():
    a = {"size": [2, 5], "counts": [0, 4, 2, 2, 2]}  # 6 pixels
    b = {"size": [2, 5], "counts": [2, 5, 3]}  # 5; 2, 3 and 6 are common
    nothing = {"size": [2, 5], "counts": [10]}
    found = run_lengths.iou_matrix([a, nothing], [b, a, nothing])
    np.testing.assert_allclose(found, [[3 / 8, 1, 0], [0, 0, 0]])
    assert run_lengths.iou_matrix([a], []).shape == (1, 0)
    assert run_lengths.iou_matrix([], [a]).shape == (0, 1)


def test_overlaps_are_pycocotools():
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    bitmaps = [(rng.random((30, 40)) < share).astype(np.uint8) for share in (0.1, 0.5, 0.9, 0.5)]
    bitmaps += [masks.paste(np.ones((9, 9), np.uint8), (2, 3, 11, 12), (30, 40))]
    rles = [masks.to_rle(bitmap) for bitmap in bitmaps]
    wanted = coco.iou(rles[:3], rles, [0] * len(rles))
    np.testing.assert_allclose(run_lengths.iou_matrix(rles[:3], rles), wanted, atol=1e-12)
