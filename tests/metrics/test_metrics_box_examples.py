import numpy as np
import tensorflow as tf

from tfvision import metrics
from tfvision.metrics.box_examples import matched
from tfvision.training.evaluation import _sampled


def truth(boxes, ids, crowd=(), difficult=()):
    count = len(ids)
    fields = {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "class_ids": np.array(ids, np.int64),
        "is_crowd": np.array(crowd or [0] * count, np.int64),
        "difficult": np.array(difficult or [0] * count, np.int64),
        "size": np.array([100, 100], np.int64),
    }
    return {f"truth/{k}": tf.io.serialize_tensor(v).numpy() for k, v in fields.items()}


def fed(metric, images, detections):
    """detections: [(box, score, class)] an image."""
    places = max(len(d) for d in detections)
    rows = [list(d) + [((0, 0, 0, 0), 0.0, -1)] * (places - len(d)) for d in detections]
    batch = {key: np.array([i[key] for i in images], object) for key in images[0]}
    batch |= {
        "valid": np.ones(len(images), bool),
        "source_id": np.array([f"{n}.jpg".encode() for n in range(len(images))], object),
    }
    boxes, scores, ids = (
        np.array([[d[i] for d in row] for row in rows], dtype)
        for i, dtype in enumerate((np.float32, np.float32, np.int32))
    )
    metric.update(batch, {"boxes": boxes, "scores": scores, "class_ids": ids})
    return metric


def test_each_object_is_found_once_and_by_its_own_class():
    true = np.array([[0, 0, 10, 10], [0, 20, 10, 30]], float)
    found = np.array([[0, 0, 10, 9], [0, 1, 10, 10], [0, 20, 10, 30], [50, 50, 60, 60]], float)
    flags = matched(found, np.array([0, 0, 1, 0]), true, np.array([0, 0]))
    np.testing.assert_array_equal(flags, [True, False, False, False])
    assert matched(found, np.zeros(4, int), true[:0], np.zeros(0, int)).sum() == 0


def test_the_worst_image_misses_or_invents_most_and_the_best_finds_most():
    a, b = (0, 0, 10, 10), (0, 20, 10, 30)
    images = [
        truth([a, b], [0, 1]),  # both found
        truth([a, b], [0, 1]),  # one missed, two invented
        truth([a], [0]),  # found
        truth([a, b], [0, 1], difficult=(0, 1)),  # one found, the difficult one as well
        truth([], []),  # nothing there, nothing called above the threshold
    ]
    detections = [
        [(a, 0.9, 0), (b, 0.8, 1)],
        [(a, 0.9, 0), (b, 0.8, 0), (a, 0.7, 1), (b, 0.3, 1)],
        [(a, 0.6, 0)],
        [(a, 0.6, 0), (b, 0.9, 1)],
        [(a, 0.2, 0)],
    ]
    metric = fed(metrics.BoxExamples(["cat", "dog"], count=3), images, detections)
    (worst,) = metric.mistakes()
    assert (worst.index, worst.source_id, worst.title) == (1, "1.jpg", "1 found")
    assert worst.details == ("1 missed, 2 invented",)
    assert len(worst.prediction["boxes"]) == 3
    assert [e.index for e in metric.best()] == [0, 2, 3]
    assert all(e.right for e in metric.best())
    assert metric.result() == {}
    metric.reset()
    assert metric.best() == []


def test_masks_stay_in_the_frames_of_the_boxes_that_are_drawn():
    a, b = (0, 0, 10, 10), (0, 20, 10, 30)
    metric = metrics.BoxExamples(["cat"], count=1)
    batch = {key: np.array([value], object) for key, value in truth([a, b], [0, 0]).items()}
    batch |= {"valid": np.array([True]), "source_id": np.array([b"1.jpg"], object)}
    predictions = {
        "boxes": np.array([[a, a, b]], np.float32),
        "scores": np.array([[0.9, 0.2, 0.8]]),
        "class_ids": np.zeros((1, 3), int),
        "num_detections": np.array([3]),
        "masks": np.arange(3.0)[None, :, None, None] * np.ones((1, 3, 28, 28)),
    }
    metric.update(batch, predictions)
    found = metric.best()[0].prediction["masks"]
    assert found.shape == (2, 28, 28)
    assert found[:, 0, 0].tolist() == [0.0, 2.0]


def test_a_curve_is_sampled_by_the_best_precision_at_each_recall_or_more():
    curve = {"recall": np.array([0.0, 0.5, 0.5, 1.0]), "precision": np.array([0.0, 1.0, 0.6, 0.75])}
    found = _sampled(curve)
    assert len(found["recall"]) == len(found["precision"]) == 101
    assert found["precision"][0] == found["precision"][50] == 1.0
    assert found["precision"][51] == found["precision"][100] == 0.75
    empty = _sampled({"recall": np.zeros(0), "precision": np.zeros(0)})
    assert set(empty["precision"]) == {0.0}
