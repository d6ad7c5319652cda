import numpy as np
import pytest
from sklearn import metrics as peer

from tfvision import metrics


def batch(scores, labels, valid=None):
    count = len(labels)
    return (
        {
            "labels": np.array(labels),
            "valid": np.ones(count, bool) if valid is None else np.array(valid),
            "source_id": np.array([f"{i}.png".encode() for i in range(count)], object),
        },
        {"scores": np.array(scores, np.float32)},
    )


def test_the_calibration_error_by_hand():
    metric = metrics.Calibration(bins=5)
    # Bin 0.6..0.8: scores 0.7, 0.7, one right: |1 - 1.4|. Bin 0.8..1: 0.9, right: |1 - 0.9|.
    metric.update(*batch([[0.7, 0.3], [0.3, 0.7]], [0, 0]))
    metric.update(*batch([[0.1, 0.9], [1.0, 0.0]], [1, 1], valid=[True, False]))
    assert metric.result()["calibration_error"] == pytest.approx((0.4 + 0.1) / 3)
    table = metric.reliability()
    np.testing.assert_array_equal(table["images"], [0, 0, 0, 2, 1])
    np.testing.assert_allclose(table["accuracy"], [np.nan] * 3 + [0.5, 1.0])
    np.testing.assert_allclose(table["score"], [np.nan] * 3 + [0.7, 0.9], rtol=1e-6)


def test_an_edge_belongs_to_the_bin_below_it_and_nan_is_somewhere():
    metric = metrics.Calibration(bins=2)
    metric.update(*batch([[0.5, 0.5], [np.nan, np.nan], [1.0, 0.0]], [0, 0, 0]))
    np.testing.assert_array_equal(metric.reliability()["images"], [2, 1])


def test_without_images_there_is_no_calibration():
    assert np.isnan(metrics.Calibration().result()["calibration_error"])


def test_scores_that_are_right_as_often_as_they_say_have_a_small_error():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1.0, 20000)
    right = rng.random(20000) < sure
    metric = metrics.Calibration()
    metric.update(*batch(np.stack([sure, 1 - sure], 1), np.where(right, 0, 1)))
    assert metric.result()["calibration_error"] < 0.02


def test_the_class_report_agrees_with_scikit_learns():
    rng = np.random.default_rng(1)
    scores, labels = rng.random((200, 4)), rng.integers(0, 4, 200)
    metric = metrics.ClassReport("abcd")
    metric.update(*batch(scores, labels))
    called = scores.astype(np.float32).argmax(1)
    wanted = peer.classification_report(labels, called, target_names=list("abcd"), output_dict=True)
    found = metric.per_class()
    for row, name in enumerate("abcd"):
        columns = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
        for ours, theirs in {**columns, "support": "support"}.items():
            assert found[ours][row] == pytest.approx(wanted[name][theirs])
    for ours, theirs in columns.items():
        assert metric.result()[f"macro_{ours}"] == pytest.approx(wanted["macro avg"][theirs])


def test_the_most_confident_mistakes_are_kept_and_no_more():
    metric = metrics.Examples(["ant", "bee"], count=2)
    scores = [[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.05, 0.95]]
    metric.update(*batch(scores, [1, 1, 0, 1, 1]))
    metric.update(*batch([[0.85, 0.15], [1.0, 0.0]], [1, 0], valid=[True, False]))
    wrong = [(e.index, e.title, e.details) for e in metric.mistakes()]
    assert wrong == [(1, "ant", ("90.0 %", "is bee")), (5, "ant", ("85.0 %", "is bee"))]
    assert [(e.title, e.details) for e in metric.best()] == [
        ("bee", ("95.0 %",)),
        ("bee", ("70.0 %",)),
    ]
    assert all(e.right for e in metric.best())
    assert not any(e.right for e in metric.mistakes())
    assert [(e.index, e.source_id) for e in metric.best()] == [(4, "4.png"), (3, "3.png")]
    assert metric.result() == {}


def test_of_several_labels_the_worst_answer_ranks_the_mistake():
    metric = metrics.Examples(count=2)
    scores = [[0.9, 0.6], [0.9, 0.99], [0.8, 0.1], [0.9, 0.05]]
    metric.update(*batch(scores, [[1, 0], [1, 0], [1, 0], [1, 0]]))
    wrong = [(e.index, e.title) for e in metric.mistakes()]
    assert wrong == [(1, "class 0, class 1"), (0, "class 0, class 1")]
    assert [e.index for e in metric.best()] == [3, 2]
