import json

import numpy as np
import pytest
import warm
from PIL import Image

from tfvision import errors
from tfvision.ops import anchors

SIZES = np.array([[10.0, 10.0], [10.0, 20.0], [40.0, 40.0]])  # height, width


def test_overlaps_by_hand():
    found = anchors.iou_matrix(SIZES, np.array([[10.0, 10.0], [20.0, 20.0]]))
    np.testing.assert_allclose(found, [[1, 100 / 400], [1 / 2, 200 / 400], [1 / 16, 1 / 4]])
    assert anchors.average_iou(SIZES, SIZES[:1]) == pytest.approx((1 + 1 / 2 + 1 / 16) / 3)


def test_groups_are_found_and_come_by_area():
    rng = np.random.default_rng(0)
    middles = np.array([[12.0, 30.0], [60.0, 20.0], [100.0, 200.0]])
    sizes = np.repeat(middles, 50, axis=0) * rng.uniform(0.95, 1.05, (150, 2))
    found, reached = anchors.kmeans(rng.permutation(sizes), 3)
    np.testing.assert_allclose(found, middles, rtol=0.02)
    assert reached > 0.93


def test_each_anchor_is_the_mean_of_the_boxes_it_is_best_for():
    sizes = np.random.default_rng(1).gamma(2.0, 30.0, (400, 2))
    found, reached = anchors.kmeans(sizes, 9)
    assert found.shape == (9, 2)
    assert (np.diff(found.prod(axis=1)) > 0).all()
    own = anchors.iou_matrix(sizes, found).argmax(axis=1)
    means = [sizes[own == place].mean(axis=0) for place in range(9)]
    np.testing.assert_allclose(found, means)
    assert reached == pytest.approx(anchors.average_iou(sizes, found))


def test_more_anchors_fit_better_and_a_seed_gives_the_same_ones():
    sizes = np.random.default_rng(2).gamma(2.0, 30.0, (300, 2))
    reached = [anchors.kmeans(sizes, count)[1] for count in (1, 3, 9)]
    assert reached == sorted(reached)
    assert reached[0] < 0.5 < reached[2]
    one, other = (anchors.kmeans(sizes, 5, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])


def test_boxes_without_area_do_not_count_and_too_few_are_refused():
    found, reached = anchors.kmeans(np.concatenate([SIZES, [[0.0, 5.0]]]), 3)
    np.testing.assert_allclose(found, SIZES)
    assert reached == pytest.approx(1.0)
    with pytest.raises(errors.DataError, match="there are 3 sizes"):
        anchors.kmeans(SIZES, 4)
    with pytest.raises(errors.DataError, match="there are 0 sizes"):
        anchors.kmeans(np.zeros((0, 2)), 1)
    with pytest.raises(errors.UsageError, match="at least 1"):
        anchors.kmeans(SIZES, 0)


@pytest.mark.slow
def test_inspect_prints_the_anchors_of_letterboxed_boxes(tmp_path):
    """Images of 50 x 100 in a network of 200: everything doubles."""
    boxes = [[5, 5, 10, 20], [30, 10, 40, 12], [0, 0, 90, 45]]  # x y w h; the last is a crowd
    truth = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "cat"}]}
    for number in range(4):
        name = f"{number}.png"
        Image.new("RGB", (100, 50), (number, 0, 0)).save(tmp_path / name)
        truth["images"].append({"id": number, "file_name": name, "height": 50, "width": 100})
        for box in boxes:
            entry = {"id": len(truth["annotations"]), "image_id": number, "category_id": 7}
            crowd = {"iscrowd": int(box is boxes[2]), "area": box[2] * box[3]}
            truth["annotations"].append({**entry, "bbox": box, **crowd})
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    done = warm.run(
        "tfvision.cli",
        "convert", "--format=coco", f"--images={tmp_path}", f"--annotations={tmp_path / 'gt.json'}",
        "--split=train", f"--output={tmp_path / 'records'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = warm.run(
        "tfvision.cli", "inspect", tmp_path / "records", "--anchors=2", "--anchor_size=200"
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 8 boxes, letterboxed to 200 x 200: average IoU 1.0000" in done.stdout
    assert "anchors = 20,40,  80,24" in done.stdout
    assert "in cells of 32 pixels (YOLO v2): 0.625,1.25,  2.5,0.75" in done.stdout
    done = warm.run("tfvision.cli", "inspect", tmp_path / "records", "--anchors=3")
    assert done.returncode == 1
    assert "there are 2 sizes" in done.stderr
    done = warm.run("tfvision.cli", "inspect", tmp_path / "records", "--anchors=-1")
    assert done.returncode == 2
