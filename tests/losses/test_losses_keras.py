"""The losses as Keras's: in its order, with all it may be given, and with its numbers."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors, losses, serialization
from tfvision.losses.on_logits import OnLogits

pytestmark = pytest.mark.addons

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(size=(4, 3)).astype(np.float32), np.array([0, 2, 1, 2])
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
MAPS, LABEL_MAPS = RNG.normal(size=(2, 3, 4, 3)).astype(np.float32), RNG.integers(0, 3, (2, 3, 4))
VOIDED = np.where(RNG.random(LABEL_MAPS.shape) < 0.3, 255, LABEL_MAPS).astype(np.uint8)
# class -> (function, options that are not the defaults)
CLASSIFICATION = {
    losses.CrossEntropy: ("cross_entropy", {"label_smoothing": 0.2, "class_weights": [1, 2, 3]}),
    losses.BinaryCrossEntropy: ("binary_cross_entropy", {"label_smoothing": 0.2}),
    losses.Focal: ("focal", {"alpha": 0.4, "gamma": 1.5}),
    losses.SoftmaxFocal: ("softmax_focal", {"gamma": 1.5}),
    losses.MAE: ("mae", {"on": "sigmoid"}),
    losses.MSE: ("mse", {"on": "logits"}),
    losses.RMSE: ("rmse", {"on": "sigmoid"}),
    losses.SmoothL1: ("smooth_l1", {"beta": 0.3, "on": "logits"}),
    losses.Huber: ("huber", {"delta": 0.3, "on": "sigmoid"}),
}
OVERLAPS = {
    losses.Dice: ("dice", {"smooth": 1.0}),
    losses.Jaccard: ("jaccard", {"smooth": 1.0}),
    losses.Tversky: ("tversky", {"alpha": 0.5, "beta": 0.6, "smooth": 1.0}),
    losses.Lovasz: ("lovasz", {"void": 2}),
}
PIXELS = {
    losses.PixelCrossEntropy: ("cross_entropy", {"label_smoothing": 0.2}),
    losses.PixelFocal: ("focal", {"gamma": 1.5}),
}
ALL = {**CLASSIFICATION, **OVERLAPS, **PIXELS}


def test_every_function_has_its_class():
    assert [name for name, _ in CLASSIFICATION.values()] == list(losses.CLASSIFICATION)
    assert [name for name, _ in OVERLAPS.values()] == list(losses.SEGMENTATION)
    assert [name for name, _ in PIXELS.values()] == list(losses.PIXELS)


@pytest.mark.parametrize("kind", CLASSIFICATION)
def test_ids_and_one_hot_arrays_lists_and_tensors_cost_what_the_function_says(kind):
    name, options = CLASSIFICATION[kind]
    function = losses.CLASSIFICATION[name]
    expected = function(logits=tf.constant(LOGITS), targets=tf.constant(ONE_HOT), **options)
    loss = kind(**options)
    for y_true in (LABELS, LABELS[:, None], LABELS.tolist(), tf.constant(LABELS), ONE_HOT,
                   ONE_HOT.tolist(), ONE_HOT.astype(np.int64)):  # fmt: skip
        for y_pred in (LOGITS, LOGITS.tolist(), tf.constant(LOGITS)):
            np.testing.assert_allclose(loss(y_true, y_pred), tf.reduce_mean(expected), rtol=1e-6)
    np.testing.assert_allclose(loss.call(LABELS, LOGITS), expected, rtol=1e-6)
    np.testing.assert_allclose(
        loss(LABELS, LOGITS, sample_weight=[1, 0, 0, 0]), expected[0] / 4, rtol=1e-6
    )


@pytest.mark.parametrize("kind", [*OVERLAPS, *PIXELS])
def test_maps_of_ids_and_one_hot_cost_what_the_function_says(kind):
    name, options = ALL[kind]
    function = (losses.SEGMENTATION if kind in OVERLAPS else losses.PIXELS)[name]
    expected = function(logits=tf.constant(MAPS), targets=tf.constant(LABEL_MAPS), **options)
    loss, one_hot = kind(**options), np.eye(3)[LABEL_MAPS]
    for y_true in (LABEL_MAPS, LABEL_MAPS[..., None], LABEL_MAPS.tolist(), one_hot):
        unreduced = loss.call(tf.constant(y_true), MAPS)
        np.testing.assert_allclose(unreduced, expected, rtol=1e-5, atol=1e-7)
        if options.get("void") is None:
            np.testing.assert_allclose(loss(y_true, MAPS), np.mean(expected), rtol=1e-5)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_loss_is_made_again_from_its_configuration(kind):
    options = {**ALL[kind][1], "reduction": "none", "name": "mine"}
    loss = kind(**options)
    stored = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    assert stored["registered_name"] == f"tfvision>{kind.__name__}"
    arguments = set(serialization.names(kind, OnLogits))
    assert arguments <= set(stored["config"])
    assert {k: stored["config"][k] for k in options} == options
    again = keras.saving.deserialize_keras_object(stored)
    y_true, y_pred = (LABELS, LOGITS) if kind in CLASSIFICATION else (LABEL_MAPS, MAPS)
    np.testing.assert_array_equal(again(y_true, y_pred), loss(y_true, y_pred))


def test_the_numbers_are_kerass_where_keras_has_the_loss():
    theirs = keras.losses
    pairs = [
        (losses.CrossEntropy(), theirs.SparseCategoricalCrossentropy(from_logits=True), LABELS),
        (
            losses.CrossEntropy(label_smoothing=0.1),
            theirs.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
            ONE_HOT,
        ),
        (
            losses.BinaryCrossEntropy(label_smoothing=0.1),
            theirs.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
            ONE_HOT,
        ),
        (losses.MAE(on="logits"), theirs.MeanAbsoluteError(), ONE_HOT),
        (losses.MSE(on="logits"), theirs.MeanSquaredError(), ONE_HOT),
        (losses.Huber(on="logits", delta=0.4), theirs.Huber(delta=0.4), ONE_HOT),
    ]
    for ours, keras_loss, y_true in pairs:
        expected = keras_loss(y_true, LOGITS)
        np.testing.assert_allclose(ours(y_true, LOGITS), expected, rtol=1e-5, err_msg=ours.name)
    focal = theirs.BinaryFocalCrossentropy(apply_class_balancing=True, from_logits=True)
    np.testing.assert_allclose(
        losses.Focal()(ONE_HOT, LOGITS), 3 * focal(ONE_HOT, LOGITS), rtol=1e-5
    )


@pytest.mark.parametrize(
    "loss", [losses.PixelCrossEntropy(), losses.CrossEntropy(ignore=255)], ids=lambda x: x.name
)
def test_void_pixels_are_no_part_of_the_mean_as_with_kerass_ignore_class(loss):
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    np.testing.assert_allclose(loss(VOIDED, MAPS), theirs(VOIDED, MAPS), rtol=1e-5)
    unreduced = losses.PIXELS["cross_entropy"](
        logits=tf.constant(MAPS), targets=tf.constant(VOIDED)
    )
    expected = np.sum(unreduced) / (VOIDED != 255).sum()
    np.testing.assert_allclose(loss(VOIDED, MAPS), expected, rtol=1e-5)


def test_one_logit_takes_labels_of_0_and_1():
    y_true, y_pred = np.array([0, 1]), np.array([[0.5], [2.0]], np.float32)
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(y_true[:, None], y_pred)
    for labels in (y_true, y_true[:, None]):
        np.testing.assert_allclose(losses.BinaryCrossEntropy()(labels, y_pred), expected, rtol=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(errors.UsageError, match=r"y_true is \(4, 2\) and y_pred \(4, 3\)"):
        losses.CrossEntropy()(ONE_HOT[:, :2], LOGITS)
    with pytest.raises(errors.UsageError, match="y_true comes first"):
        losses.CrossEntropy()(LOGITS, LABELS)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"a class id outside 0\.\.2"):
        losses.CrossEntropy()(LABELS + 1, LOGITS)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"a class id outside 0\.\.2"):
        losses.Dice()(LABEL_MAPS + 1, MAPS)


@pytest.mark.parametrize("loss", [losses.CrossEntropy(), losses.Focal()], ids=lambda x: x.name)
def test_where_there_are_no_errors_a_wrong_id_costs_nan(loss):
    compiled = tf.function(lambda labels: loss(labels, LOGITS), jit_compile=True)
    assert np.isfinite(compiled(LABELS))
    assert np.isnan(compiled(LABELS + 1))


@pytest.mark.parametrize("y_true", [LABELS, ONE_HOT], ids=["ids", "one-hot"])
def test_a_compiled_model_trains_on_the_right_number(y_true):
    image = keras.Input((5,), name="x")
    model = keras.Model({"x": image}, {"class_logits": keras.layers.Dense(3)(image)})
    model.compile("sgd", loss={"class_logits": losses.CrossEntropy()})
    x = {"x": RNG.normal(size=(4, 5)).astype(np.float32)}
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True)
    expected = float(theirs(ONE_HOT, model(x)["class_logits"]))
    history = model.fit(x, {"class_logits": y_true}, batch_size=4, epochs=2, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert history["loss"][1] < expected
