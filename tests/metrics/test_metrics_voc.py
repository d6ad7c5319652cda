import json
import pathlib

import numpy as np
import pytest

from tfvision import errors
from tfvision.metrics import voc_metrics

pytestmark = pytest.mark.addons
ORACLES = pathlib.Path(__file__).parents[1] / "oracles" / "metrics_voc"


def ours(entries):
    """VOC's inclusive xyxy -> our yxyx with continuous edges."""
    boxes = np.array([entry["box"] for entry in entries], np.float64).reshape(-1, 4)
    return boxes[:, [1, 0, 3, 2]] - np.array([1, 1, 0, 0])


def curve(case, name, iou):
    truths = [entry for entry in case["gt"] if entry["class"] == name]
    found = [entry for entry in case["dt"] if entry["class"] == name]
    images = {entry["image"]: i for i, entry in enumerate(case["gt"] + case["dt"])}
    return voc_metrics.curve(
        ours(truths),
        np.array([images[entry["image"]] for entry in truths], int),
        np.array([entry["difficult"] for entry in truths], bool),
        ours(found),
        np.array([images[entry["image"]] for entry in found], int),
        np.array([entry["score"] for entry in found]),
        iou=iou,
    )


@pytest.mark.parametrize("iou", [0.5, 0.7])
@pytest.mark.parametrize("name", ["random", "all_easy", "edges"])
def test_average_precision_is_the_oracles(name, iou):
    case = json.loads((ORACLES / f"{name}.json").read_text())
    wanted = case["expected"][str(iou)]
    for style, key in (("2007", "07"), ("2010", "10")):
        values = []
        for label, numbers in wanted["per_class"].items():
            found = curve(case, label, iou)
            assert found.positives == numbers["npos"]
            value = voc_metrics.average_precision(found, style)
            if numbers["ap" + key] is None:
                assert np.isnan(value)
                continue
            assert value == pytest.approx(numbers["ap" + key], abs=1e-9)
            right = round(found.recall[-1] * found.positives) if len(found.recall) else 0
            assert (right, len(found.recall) - right) == (numbers["tp"], numbers["fp"])
            values.append(value)
        assert np.mean(values) == pytest.approx(wanted["map" + key], abs=1e-9)


def test_a_curve_by_hand():
    """Two objects and a difficult one; right, a second on the same object, difficult, right."""
    truths = np.array([[0, 0, 10, 10], [0, 20, 10, 30], [0, 40, 10, 50]], float)
    boxes = truths[[0, 0, 2, 1]]
    found = voc_metrics.curve(
        truths,
        np.zeros(3, int),
        np.array([False, False, True]),
        boxes,
        np.zeros(4, int),
        np.array([0.9, 0.8, 0.7, 0.6]),
    )
    np.testing.assert_allclose(found.recall, [1 / 2, 1 / 2, 1])
    np.testing.assert_allclose(found.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.6])
    assert voc_metrics.ap_2010(found) == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert voc_metrics.ap_2007(found) == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_nothing_found_is_zero_and_nothing_there_is_undefined():
    none, no_boxes = np.zeros(0), np.zeros((0, 4))
    truth = (np.array([[0.0, 0, 1, 1]]), np.zeros(1), np.zeros(1))
    nothing_found = voc_metrics.curve(*truth, no_boxes, none, none)
    nothing_there = voc_metrics.curve(no_boxes, none, none, truth[0], np.zeros(1), np.ones(1))
    for style in voc_metrics.STYLES:
        assert voc_metrics.average_precision(nothing_found, style) == 0.0
        assert np.isnan(voc_metrics.average_precision(nothing_there, style))
    np.testing.assert_array_equal(nothing_there.precision, [0.0])


def test_an_unknown_style_is_refused():
    with pytest.raises(errors.UsageError, match="2007, 2010"):
        voc_metrics.average_precision(voc_metrics.Curve(*[np.zeros(0)] * 3, 1), "2012")
