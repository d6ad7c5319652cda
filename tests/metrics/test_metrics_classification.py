import numpy as np
import pytest
from sklearn import metrics as peer

from tfvision import metrics

RNG = np.random.default_rng(0)
VALID = np.array([True] * 50 + [False] * 3)
SCORES = RNG.random((53, 4)).astype(np.float32)
LABELS = RNG.integers(0, 3, 53)  # class 3 is never a label


def fed(metric, labels):
    for part in (slice(0, 20), slice(20, 53)):
        metric.update({"labels": labels[part], "valid": VALID[part]}, {"scores": SCORES[part]})
    return metric


def test_top_k_agrees_with_scikit_learn():
    found = fed(metrics.TopKReport((1, 2)), LABELS).result()
    for k in (1, 2):
        wanted = peer.top_k_accuracy_score(LABELS[:50], SCORES[:50], k=k, labels=range(4))
        assert found[f"top{k}"] == pytest.approx(wanted)


def test_ties_and_nan_never_count_as_a_hit():
    metric = metrics.TopKReport((1,))
    scores = np.array([[0.5, 0.5], [np.nan, np.nan], [0.9, 0.1]])
    batch = {"labels": np.array([0, 0, 0]), "valid": np.ones(3, bool)}
    metric.update(batch, {"scores": scores})
    assert metric.result() == {"top1": pytest.approx(1 / 3)}


def test_the_report_agrees_with_scikit_learn():
    metric = fed(metrics.ClassReport("abcd"), LABELS)
    called = SCORES[:50].argmax(1)
    np.testing.assert_array_equal(
        metric.confusion, peer.confusion_matrix(LABELS[:50], called, labels=range(4))
    )
    wanted = peer.precision_recall_fscore_support(
        LABELS[:50], called, labels=range(4), zero_division=0
    )
    for found, values in zip(metric.per_class().values(), wanted, strict=True):
        np.testing.assert_allclose(found, values)
    assert metric.result()["macro_f1"] == pytest.approx(
        peer.f1_score(LABELS[:50], called, average="macro", zero_division=0)
    )
    assert "precision" in metric.report().table


def test_several_labels_agree_with_scikit_learn():
    labels = (RNG.random((53, 4)) < 0.4).astype(np.float32)
    labels[:, 3] = 0  # a class without a positive image has no average precision
    found = fed(metrics.MultiLabelReport("abcd"), labels).result()
    wanted = peer.average_precision_score(labels[:50, :3], SCORES[:50, :3], average="macro")
    assert found["map"] == pytest.approx(wanted)
    called = SCORES[:50] >= 0.5
    assert found["exact_match"] == pytest.approx(peer.accuracy_score(labels[:50], called))
    assert found["macro_recall"] == pytest.approx(
        peer.recall_score(labels[:50], called, average="macro", zero_division=0)
    )


@pytest.mark.parametrize(
    "metric", [metrics.TopKReport((1,)), metrics.ClassReport("ab"), metrics.MultiLabelReport("ab")]
)
def test_without_images_nothing_is_claimed(metric):
    values = metric.result()
    assert np.isnan(next(iter(values.values())))
