"""The metrics as Keras's: the numbers of our own on the same batches, whatever form these have."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, metrics, serialization
from tfvision.metrics.keras_metrics import Counted

pytestmark = pytest.mark.addons

CLASSES, RNG = 4, np.random.default_rng(0)
# One decimal each: there are ties.
SCORES = [np.round(RNG.normal(size=(n, CLASSES)), 1).astype(np.float32) for n in (5, 3)]
LABELS = [RNG.integers(0, 3, n) for n in (5, 3)]  # class 3 is called, but never true
MAPS = [RNG.normal(size=(2, 3, 5, CLASSES)).astype(np.float32) for _ in range(2)]
LABEL_MAPS = [RNG.choice([0, 1, 2, 255], (2, 3, 5)) for _ in range(2)]
MULTI_HOT = [(RNG.random((n, CLASSES)) < 0.3).astype(np.float32) for n in (5, 3)]
MULTI_HOT[0][0] = SCORES[0][0] >= 0  # one is right
# Every class, with options that are not the defaults.
ALL = {
    metrics.TopK: {"k": 2},
    metrics.ExactMatch: {"from_logits": False},
    metrics.CalibrationError: {"bins": 5, "from_logits": False},
    **{
        kind: {"num_classes": CLASSES, "void": 2}
        for kind in (
            metrics.MeanIoU,
            metrics.FrequencyWeightedIoU,
            metrics.PixelAccuracy,
            metrics.MeanAccuracy,
            metrics.MacroPrecision,
            metrics.MacroRecall,
            metrics.MacroF1,
        )
    },
}
TOLERANCE = {"rel": 1e-6}


def softmax(logits):
    return np.asarray(tf.nn.softmax(logits))


def own(metric, labels, scores):
    """The result of one of our own metrics."""
    for y_true, y_pred in zip(labels, scores, strict=True):
        batch = {"labels": y_true, "valid": np.ones(len(y_true), bool)}
        metric.update(batch, {"scores": y_pred})
    return metric.result()


def fed(metric, labels, scores, weights=(None, None)):
    """The result of one of Keras's."""
    for y_true, y_pred, weight in zip(labels, scores, weights, strict=True):
        metric.update_state(y_true, y_pred, sample_weight=weight)
    return float(metric.result())


@pytest.mark.parametrize("form", ["ids", "column", "lists", "tensors", "one-hot"])
def test_classification_has_the_numbers_of_our_own_metrics(form):
    change = {
        "ids": lambda x: x,
        "column": lambda x: x[:, None],
        "lists": lambda x: x.tolist(),
        "tensors": tf.constant,
        "one-hot": lambda x: np.eye(CLASSES)[x],
    }[form]
    labels, scores = [change(x) for x in LABELS], SCORES
    if form in ("lists", "tensors"):
        scores = [change(x) for x in scores]
    top = own(metrics.TopKReport((1, 2)), LABELS, SCORES)
    assert fed(metrics.TopK(1), labels, scores) == pytest.approx(top["top1"], **TOLERANCE)
    assert fed(metrics.TopK(2), labels, scores) == pytest.approx(top["top2"], **TOLERANCE)
    report = own(metrics.ClassReport("abcd"), LABELS, SCORES)
    for kind in (metrics.MacroPrecision, metrics.MacroRecall, metrics.MacroF1):
        metric = kind(CLASSES)
        assert fed(metric, labels, scores) == pytest.approx(report[metric.name], **TOLERANCE)
    probabilities = [softmax(x) for x in SCORES]
    expected = own(metrics.Calibration(), LABELS, probabilities)["calibration_error"]
    for metric, values in (
        (metrics.CalibrationError(), scores),
        (metrics.CalibrationError(from_logits=False), probabilities),
    ):
        assert fed(metric, labels, values) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", ["ids", "channel", "one-hot", "class maps"])
def test_segmentation_has_the_numbers_of_our_own_report(form):
    labels, scores = LABEL_MAPS, MAPS
    if form == "channel":
        labels = [x[..., None] for x in labels]
    elif form == "one-hot":
        labels = [np.eye(256)[x][..., :CLASSES] for x in labels]
    elif form == "class maps":
        scores = [x.argmax(-1) for x in scores]
    report = metrics.SegmentationReport("abcd")
    for y_true, y_pred in zip(LABEL_MAPS, MAPS, strict=True):
        report.add(y_true, y_pred.argmax(-1))
    expected = report.result()
    for kind in list(ALL)[3:]:
        metric = kind(CLASSES, void=255)
        found = fed(metric, labels, scores)
        assert found == pytest.approx(expected.pop(metric.name), **TOLERANCE)
    assert not expected


def test_several_labels_match_exactly_or_not():
    logits = SCORES
    probabilities = [1 / (1 + np.exp(-x)) for x in logits]
    expected = own(metrics.MultiLabelReport("abcd"), MULTI_HOT, probabilities)["exact_match"]
    assert expected > 0
    assert fed(metrics.ExactMatch(), MULTI_HOT, logits) == pytest.approx(expected, **TOLERANCE)
    found = fed(metrics.ExactMatch(from_logits=False), MULTI_HOT, probabilities)
    assert found == pytest.approx(expected, **TOLERANCE)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_metric_is_made_again_and_begins_anew(kind):
    options = {**ALL[kind], "name": "mine"}
    assert set(options) == set(serialization.names(kind, Counted))
    metric = kind(**options)
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
    assert stored["registered_name"] == f"tfvision>{kind.__name__}"
    again = keras.saving.deserialize_keras_object(stored)
    assert {name: getattr(again, name) for name in options} == options
    assert np.isnan(again.result())
    labels = MULTI_HOT if kind is metrics.ExactMatch else LABELS
    scores = [softmax(x) for x in SCORES]
    expected = fed(metric, labels, scores)
    assert fed(again, labels, scores) == expected
    again.reset_state()
    assert fed(again, labels, scores) == expected


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_image_of_weight_0_is_not_there(kind):
    options = {**ALL[kind], "void": None} if "void" in ALL[kind] else ALL[kind]
    labels = MULTI_HOT if kind is metrics.ExactMatch else LABELS
    scores = [softmax(x) for x in SCORES]
    weights = [np.array([1.0, 0, 1, 0, 1]), np.zeros(3)]
    expected = fed(kind(**options), [labels[0][::2]], [scores[0][::2]], (None,))
    assert fed(kind(**options), labels, scores, weights) == pytest.approx(expected, **TOLERANCE)


def test_what_does_not_fit_is_refused():
    with pytest.raises(errors.UsageError, match=r"k of TopK is \(1, 5\)"):
        metrics.TopK((1, 5))
    with pytest.raises(errors.UsageError, match=r"y_true is \(2, 3\) and y_pred \(5, 4\)"):
        metrics.TopK(1).update_state(np.zeros((2, 3), int), SCORES[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="a class id above 3"):
        metrics.MeanIoU(CLASSES).update_state(LABEL_MAPS[0] + 4, MAPS[0])


@pytest.mark.parametrize("metric", [metrics.TopK(1), metrics.MacroF1(CLASSES)], ids=["top1", "f1"])
def test_where_there_are_no_errors_a_wrong_id_makes_the_result_nan(metric):
    @tf.function(jit_compile=True)
    def compiled(labels):
        metric.update_state(labels, SCORES[0])

    compiled(tf.constant(LABELS[0]))
    assert np.isfinite(metric.result())
    compiled(tf.constant(LABELS[0] + 2))
    assert np.isnan(metric.result())


def test_fit_shows_them():
    x = keras.Input((5,), name="x")
    model = keras.Model({"x": x}, {"class_logits": keras.layers.Dense(CLASSES)(x)})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        "sgd",
        loss={"class_logits": loss},
        metrics={"class_logits": [metrics.TopK(1), metrics.MacroF1(CLASSES)]},
    )
    images = {"x": RNG.normal(size=(5, 5)).astype(np.float32)}
    logits = np.asarray(model(images)["class_logits"])
    results = model.evaluate(
        images, {"class_logits": LABELS[0]}, batch_size=2, verbose=0, return_dict=True
    )
    names = {name.removeprefix("class_logits_"): value for name, value in results.items()}
    assert names["top1"] == pytest.approx((logits.argmax(1) == LABELS[0]).mean(), **TOLERANCE)
    expected = own(metrics.ClassReport("abcd"), LABELS[:1], [logits])["macro_f1"]
    assert names["macro_f1"] == pytest.approx(expected, **TOLERANCE)
