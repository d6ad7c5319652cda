import numpy as np
import pytest
import tensorflow as tf

from tfvision import config as configs
from tfvision.tasks import ClassificationTask, SegmentationTask

LOGITS = [[2.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("task", "model", "shape", "labels"),
    [
        (ClassificationTask, "inception_v3", [2, 2], "labels"),
        (SegmentationTask, "deeplab_v3_resnet18", [2, 1, 1, 2], "label_map"),
    ],
)
def test_the_loss_of_the_second_head_is_weighted(task, model, shape, labels):
    config = configs.config(model={"name": model}, aux_weight=0.25)
    made = task(config, ("cat", "dog"))
    batch = {"valid": tf.constant([True, True])}
    batch[labels] = tf.reshape(tf.constant([0, 1]), shape[:-1])
    logits = tf.reshape(tf.constant(LOGITS), shape)
    terms = made.losses(batch, {"class_logits": logits, "aux_logits": -logits})
    expected = np.mean([np.log(1 + np.exp(-2.0)), np.log(1 + np.exp(-1.0))])
    other = np.mean([np.log(1 + np.exp(2.0)), np.log(1 + np.exp(1.0))])
    np.testing.assert_allclose(terms["class"], expected, rtol=1e-6)
    np.testing.assert_allclose(terms["aux"], 0.25 * other, rtol=1e-6)
