import io
import json
import pathlib

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as peer

from tfvision import metrics
from tfvision.metrics.segmentation_metrics import confusion

ORACLES = pathlib.Path(__file__).parents[1] / "oracles" / "metrics_segmentation"


def png(values):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def batch(truths, maps, valid=None):
    """Maps of any sizes, padded with void as a reply's are."""
    height, width = (max(np.shape(m)[axis] for m in maps) for axis in (0, 1))
    padded = np.full((len(maps), height, width), 255, np.uint8)
    for row, values in enumerate(maps):
        padded[row, : np.shape(values)[0], : np.shape(values)[1]] = values
    known = np.ones(len(maps), bool) if valid is None else np.array(valid)
    names = np.array([f"{row}.png".encode() for row in range(len(maps))], object)
    truth = np.array([png(t) for t in truths], object)
    sizes = np.array([np.shape(m) for m in maps], np.int32)
    return (
        {"truth/label_map": truth, "valid": known, "source_id": names},
        {"class_map": padded, "image_size": sizes},
    )


@pytest.mark.parametrize("case", ["random", "small", "ignore0"])
def test_the_numbers_are_those_of_scikit_learn_and_numpy(case):
    meta = json.loads((ORACLES / f"{case}.json").read_text())
    maps = np.load(ORACLES / f"{case}.npz")
    names = [f"class {k}" for k in range(meta["classes"])]
    metric = metrics.SegmentationReport(names, void=meta["ignore_label"])
    metric.update(*batch(maps["gt"][:2], maps["pred"][:2]))
    metric.update(*batch(maps["gt"][2:], maps["pred"][2:]))
    np.testing.assert_array_equal(metric.confusion, maps["confusion"])
    expected = meta["expected"]
    found = metric.result()
    for name in ("pixel_accuracy", "mean_accuracy", "miou", "fwiou"):
        assert found[name] == pytest.approx(expected[name], abs=meta["tolerance"])
    rows = metric.per_class()
    for ours, theirs in (("iou", "iou_per_class"), ("recall", "accuracy_per_class")):
        wanted = np.array([np.nan if v is None else v for v in expected[theirs]])
        np.testing.assert_allclose(rows[ours], wanted, atol=meta["tolerance"])
    kept = maps["gt"] != meta["ignore_label"]
    wanted = peer.precision_recall_fscore_support(
        maps["gt"][kept], maps["pred"][kept], average="macro", zero_division=0
    )
    for name, value in zip(("precision", "recall", "f1"), wanted, strict=False):
        assert found[f"macro_{name}"] == pytest.approx(value, abs=1e-9)


def test_by_hand_two_classes_of_two_images_of_two_sizes():
    metric = metrics.SegmentationReport(["a", "b", "c"])
    truths = [[[0, 0], [1, 255]], [[1, 1, 1]]]
    maps = [[[0, 1], [1, 0]], [[1, 1, 0]]]
    metric.update(*batch(truths, maps))
    np.testing.assert_array_equal(metric.confusion, [[1, 1, 0], [1, 3, 0], [0, 0, 0]])
    found = metric.result()
    assert found["pixel_accuracy"] == pytest.approx(4 / 6)
    assert found["miou"] == pytest.approx((1 / 3 + 3 / 5) / 2)  # class c is nowhere
    assert found["fwiou"] == pytest.approx(2 / 6 * 1 / 3 + 4 / 6 * 3 / 5)
    assert "-" in metric.report().table.splitlines()[3]


def test_images_that_are_not_valid_count_for_nothing_and_reset_forgets():
    metric = metrics.SegmentationReport(["a", "b"])
    metric.update(*batch([[[0]], [[1]]], [[[0]], [[0]]], valid=[True, False]))
    assert metric.result()["pixel_accuracy"] == 1.0
    metric.reset()
    assert all(np.isnan(value) for value in metric.result().values())


def test_a_truth_beyond_the_classes_or_of_another_size_is_an_error():
    with pytest.raises(ValueError, match="class 2; there are 2"):
        confusion(np.array([2]), np.array([0]), 2, 255)
    wrong, maps = batch([[[0, 0]]], [[[0]]])
    with pytest.raises(ValueError, match=r"0\.png: the truth is \(1, 2\)"):
        metrics.SegmentationReport(["a"]).update(wrong, maps)


def test_the_worst_and_the_best_images_are_kept_with_their_maps():
    metric = metrics.MapExamples(["a", "b"], count=1)
    truths = [[[0, 1]], [[0, 1]], [[0, 0]], [[255, 255]]]
    maps = [[[0, 1]], [[1, 0]], [[0, 1]], [[0, 0]]]
    metric.update(*batch(truths, maps))
    (worst,), (best,) = metric.mistakes(), metric.best()
    assert (worst.index, worst.title, worst.details) == (1, "mIoU 0.000", ("a 0.000",))
    assert (best.index, best.right) == (0, True)
    np.testing.assert_array_equal(worst.prediction["class_map"], [[1, 0]])
    assert metric.result() == {}
