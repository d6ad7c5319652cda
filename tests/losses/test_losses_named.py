import numpy as np
import pytest
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors, rules
from tfvision.tasks import ClassificationTask, SegmentationTask, config_checks

NAMES = ("cat", "dog")
PIXELS = [[2.0, 0.0], [0.0, 1.0]]  # logits of two pixels, labelled 0 and 1
RIGHT = np.array([1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(-1.0))])  # their probabilities
CROSS_ENTROPY = -np.mean(np.log(RIGHT))
SUM = {
    "name": "sum",
    "terms": (
        {"name": "cross_entropy", "class_weights": (1.0, 1.0)},
        {"name": "dice", "weight": 0.5},
    ),
}


def segmentation(loss):
    return SegmentationTask(
        configs.config(model={"name": "deeplab_v3_resnet18"}, loss=loss, aux_weight=0.1), NAMES
    )


def test_a_sum_of_losses_logs_each_term_with_its_weight():
    batch = {"label_map": tf.constant([[[0, 1]]]), "valid": tf.constant([True])}
    logits = tf.reshape(tf.constant(PIXELS), [1, 1, 2, 2])
    terms = segmentation(SUM).losses(batch, {"class_logits": logits, "aux_logits": logits})
    # Each class has one pixel: TP = p, and FP + FN = 1 - p + the other pixel's 1 - p.
    wrong = np.sum(1 - RIGHT)
    dice = np.mean(1 - 2 * RIGHT / (2 * RIGHT + wrong))
    assert list(terms) == ["class_cross_entropy", "class_dice", "aux_cross_entropy", "aux_dice"]
    np.testing.assert_allclose(terms["class_cross_entropy"], CROSS_ENTROPY, rtol=1e-6)
    np.testing.assert_allclose(terms["class_dice"], 0.5 * dice, rtol=1e-6)
    np.testing.assert_allclose(terms["aux_dice"], 0.05 * dice, rtol=1e-6)


def test_a_sum_of_losses_of_labels_compares_distances_with_one_hot_targets():
    loss = {"name": "sum", "terms": ({"name": "mae", "weight": 2.0}, {"name": "cross_entropy"})}
    task = ClassificationTask(configs.config(loss=loss), NAMES)
    batch = {"labels": tf.constant([0, 1]), "valid": tf.constant([True, True])}
    terms = task.losses(batch, {"class_logits": tf.constant(PIXELS)})
    np.testing.assert_allclose(terms["class_mae"], 2 * np.mean(1 - RIGHT), rtol=1e-6)
    np.testing.assert_allclose(terms["class_cross_entropy"], CROSS_ENTROPY, rtol=1e-6)


def built(config):
    rules.check(config)
    config_checks.class_weights(config, len(NAMES))
    return SegmentationTask(config, NAMES)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"name": "sum"}, "terms is empty"),
        ({"name": "sum", "terms": ("dice",)}, r"config.loss.terms\[0\] is 'dice'; it is a dict"),
        ({"name": "sum", "terms": {"name": "dice"}}, "it is a tuple of dicts"),
        ({"name": "sum", "terms": ({"name": "dise"},)}, "did you mean 'dice'"),
        ({"name": "sum", "terms": ({"name": "sum"},)}, "a sum inside a sum"),
        ({"name": "sum", "terms": ({"name": "dice"},), "gamma": 2.0}, "no option 'gamma'"),
        (
            {"name": "sum", "terms": ({"name": "dice", "gamma": 2.0},)},
            r"config.loss.terms\[0\]: loss 'dice' has no option 'gamma'",
        ),
        (
            {"name": "sum", "terms": ({"name": "focal", "class_weights": (1.0,)},)},
            r"config.loss.terms\[0\].class_weights is \(1.0,\), 1 values",
        ),
        (
            {"name": "sum", "terms": ({"name": "dice", "weight": -1.0},)},
            r"config.loss.terms\[0\].weight is -1.0; it must be",
        ),
    ],
)
def test_what_is_no_sum_of_losses_is_refused(loss, message):
    config = configs.config(model={"name": "deeplab_v3_resnet18"}, loss=loss)
    with pytest.raises(errors.UsageError, match=message):
        built(config)
