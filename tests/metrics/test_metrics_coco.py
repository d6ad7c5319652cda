import copy
import json
import pathlib
import sys

import numpy as np
import pytest

from tfvision import errors, metrics, schema
from tfvision.metrics import coco_json, coco_metrics

pytestmark = pytest.mark.addons
ORACLES = pathlib.Path(__file__).parents[1] / "oracles" / "metrics_coco"
CASES = ["mixed", "edges", "segm", "larger", "segm_as_bbox"]
TRUTH = {
    "images": [{"id": 7, "width": 100, "height": 100}, {"id": 9, "width": 100, "height": 100}],
    "categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 40, 40]}],
}
FOUND = [{"image_id": 7, "category_id": 3, "bbox": [10, 10, 40, 40], "score": 0.9}]
MEDIUM = {"AP", "AP50", "AP75", "APm", "AR1", "AR10", "AR100", "ARm"}  # what one cat of 40x40 has


@pytest.fixture(params=["hotcoco", "pycocotools"])
def peer(request, monkeypatch):
    pytest.importorskip(request.param)
    if request.param == "pycocotools":
        monkeypatch.setitem(sys.modules, "hotcoco", None)  # as where it is not installed
    return request.param


@pytest.mark.parametrize("name", CASES)
def test_the_twelve_numbers_and_the_categories_are_pycocotools(name, peer):
    expected = json.loads((ORACLES / name / "expected.json").read_text())
    paths = [ORACLES / name / f"{kind}.json" for kind in ("gt", "dt")]
    found = metrics.coco_ap(*paths, kind=expected["iouType"])
    assert list(found) == expected["stat_names"]
    np.testing.assert_allclose(list(found.values()), expected["stats"], rtol=0, atol=1e-9)
    evaluation = coco_metrics.evaluate(
        *(json.loads(p.read_text()) for p in paths), expected["iouType"]
    )
    columns = coco_metrics.per_category(evaluation)
    assert [str(number) for number in evaluation.category_ids] == list(expected["per_category"])
    for place, wanted in enumerate(expected["per_category"].values()):
        sizes = [columns[key][place] for key in ("APs", "APm", "APl")]
        np.testing.assert_allclose(sizes, wanted["AP_small_medium_large"], rtol=0, atol=1e-9)
        assert columns["AP"][place] == pytest.approx(wanted["AP"], abs=1e-9)
        recall = evaluation.recall[:, place, 0, 2]
        np.testing.assert_allclose(recall, wanted["recall_per_iou"], rtol=0, atol=1e-9)


def test_a_perfect_answer_is_one_and_what_has_no_truth_is_minus_one(peer, capfd):
    found = metrics.coco_ap(TRUTH, FOUND)
    for name, value in found.items():
        assert value == pytest.approx(1.0 if name in MEDIUM else -1.0), name
    assert capfd.readouterr().out == ""


def test_nothing_found_is_zero(peer):
    found = metrics.coco_ap(TRUTH, [])
    assert {name for name, value in found.items() if value == 0.0} == MEDIUM


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_nothing_there_is_undefined(peer, key):
    nothing = {**TRUTH, "annotations": [], key: []}
    detections = FOUND if nothing["images"] else []
    assert set(metrics.coco_ap(nothing, detections).values()) == {-1.0}
    assert set(metrics.coco_ap(nothing, [], kind="segm").values()) == {-1.0}


def test_inputs_stay_as_they_are(peer):
    truth, found = copy.deepcopy(TRUTH), copy.deepcopy(FOUND)
    metrics.coco_ap(truth, found)
    assert (truth, found) == (TRUTH, FOUND)


def test_a_json_of_annotations_is_a_list_of_detections_too():
    assert metrics.coco_ap(TRUTH, {"annotations": FOUND}) == metrics.coco_ap(TRUTH, FOUND)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_detections_with_box_and_mask_are_counted_as_pycocotools_counts_them(kind, monkeypatch):
    """There the size of a detection is that of its box, even where masks are compared."""
    pytest.importorskip("pycocotools")
    paths = [ORACLES / "segm" / f"{which}.json" for which in ("gt", "dt")]
    truth, found = (json.loads(path.read_text()) for path in paths)
    for i, entry in enumerate(found):
        entry["bbox"] = [5.0, 5.0, 20.0 + i % 30, 30.0]
    hot = metrics.coco_ap(truth, found, kind)
    monkeypatch.setitem(sys.modules, "hotcoco", None)
    assert metrics.coco_ap(truth, found, kind) == pytest.approx(hot, abs=1e-12)


def test_curves_reach_the_recall_that_is_reached():
    found = coco_metrics.curves(coco_metrics.evaluate(TRUTH, FOUND))
    assert found["recall"][[0, -1]].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(found["precision"][0], 1.0)
    np.testing.assert_allclose(found["scores"][0], 0.9)
    assert np.isnan(found["precision"][1]).all()  # there is no dog


@pytest.mark.parametrize(
    ("truth", "found", "message"),
    [
        ({"images": []}, [], "there is no list 'annotations'"),
        (TRUTH, {"images": []}, "not a list of detections"),
        (TRUTH, [{**FOUND[0], "image_id": 8}], "detection 0 is of image 8"),
        (TRUTH, [{"image_id": 7, "category_id": 3, "bbox": [0, 0, 1, 1]}], "has no 'score'"),
        (TRUTH, [{"image_id": 7, "category_id": 3, "score": 0.5}], "has no 'bbox'"),
        ("nowhere.json", FOUND, "nowhere.json cannot be read"),
        ({**TRUTH, "annotations": [{"id": 5, "image_id": 7}]}, [], "annotation 5 has no 'cat"),
    ],
)
def test_what_does_not_fit_is_named(truth, found, message):
    with pytest.raises(errors.DataError, match=message):
        metrics.coco_ap(truth, found)


def test_an_unknown_kind_and_a_broken_file_are_refused(tmp_path):
    with pytest.raises(errors.UsageError, match="did you mean 'bbox'"):
        metrics.coco_ap(TRUTH, FOUND, kind="box")
    (tmp_path / "gt.json").write_text("{")
    with pytest.raises(errors.DataError, match=r"gt.json: not valid JSON"):
        metrics.coco_ap(tmp_path / "gt.json", FOUND)


def image(name, **changes):
    parts = {
        "size": (100, 80),
        "boxes": np.array([[10, 20, 30, 60]], np.float32),  # y x y x
        "class_ids": np.array([1]),
        "is_crowd": np.array([0]),
        "area": np.array([500.0], np.float32),
        "found_boxes": np.array([[10, 20, 30, 50]], np.float32),
        "found_scores": np.array([0.5], np.float32),
        "found_class_ids": np.array([1]),
    }
    return coco_json.Image(name, **{**parts, **changes})


def test_json_has_the_data_sets_own_ids_and_cocos_boxes(tmp_path):
    images = [image("139", file="cats/a.jpg"), image("285")]
    truth = coco_json.ground_truth(images, ["cat", "dog"], [3, 90])
    found = coco_json.detections(images, 2, [3, 90])
    assert truth["annotations"][1] == {
        "id": 2,
        "image_id": 285,
        "category_id": 90,
        "bbox": [20.0, 10.0, 40.0, 20.0],
        "area": 500.0,
        "iscrowd": 0,
    }
    assert truth["categories"] == [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}]
    box = [20.0, 10.0, 30.0, 20.0]
    names = {"image_id": 139, "file_name": "cats/a.jpg"}
    assert found[0] == {**names, "category_id": 90, "bbox": box, "score": 0.5}
    assert [entry["file_name"] for entry in truth["images"]] == ["cats/a.jpg", "285"]
    for name, content in (("gt", truth), ("dt", found)):
        coco_json.write(str(tmp_path / name), content)
    assert metrics.coco_ap(tmp_path / "gt", tmp_path / "dt")["AP50"] == pytest.approx(1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dt", "gt"]


def test_images_without_numbers_for_names_are_counted():
    for names, ids in (
        (["a", "12", "7"], [1, 2, 3]),
        (["12", "7"], [12, 7]),
        (["7", "7"], [1, 2]),
        (["7", "007"], [1, 2]),
    ):
        assert schema.image_ids(names) == ids


def test_a_wrong_number_of_category_ids_is_refused():
    with pytest.raises(errors.UsageError, match="1 category ids for 2 classes"):
        coco_json.detections([image("1")], 2, [3])
