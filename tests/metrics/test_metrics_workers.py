"""What several workers have gathered gives the numbers of one that saw every batch."""

import io
import pickle

import numpy as np
import pytest
import test_metrics_detection as detection
from PIL import Image

from tfvision import errors, metrics
from tfvision.metrics.metric import Metric, in_turn

NAMES = ("a", "b", "c")
SIZE = 3  # images of a batch
LAST = [True, False, False]


def encoded(label_map):
    stream = io.BytesIO()
    Image.fromarray(label_map).save(stream, "png")
    return stream.getvalue()


def batches(kind, count=5):
    """(batch, predictions) pairs, the last one padded."""
    rng = np.random.default_rng(0)
    return [of_kind(kind, rng, LAST if i == count - 1 else [True] * SIZE) for i in range(count)]


def of_kind(kind, rng, valid):
    names = [str(rng.integers(1e9)) for _ in range(SIZE)]
    if kind in ("classification", "multi_label"):
        shape = (SIZE,) if kind == "classification" else (SIZE, 3)
        scores = rng.dirichlet(np.ones(3), SIZE).astype(np.float32)
        batch = {"labels": rng.integers(0, 3 if len(shape) == 1 else 2, shape)}
        return {**batch, "valid": np.array(valid)}, {"scores": scores}
    if kind == "segmentation":
        maps = [encoded(rng.integers(0, 3, (6, 8)).astype(np.uint8)) for _ in range(SIZE)]
        batch = {"truth/label_map": np.array(maps, object), "valid": np.array(valid)}
        called = rng.integers(0, 3, (SIZE, 6, 8)).astype(np.uint8)
        return batch, {"class_map": called, "image_size": np.array([(6, 8)] * SIZE)}
    truths, rows = [], []
    for _ in range(SIZE):
        number = int(rng.integers(1, 4))
        corners = rng.uniform(0, 30, (number, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(10, 30, (number, 2))], axis=1)
        truths.append(detection.one(boxes, rng.integers(0, 3, number)))
        # Scores of a few steps: of equal ones the order of the images decides.
        rows.append([(box + rng.normal(0, 2, 4), round(rng.uniform(), 1), int(rng.integers(0, 3)))
                     for box in boxes])  # fmt: skip
    batch, predictions = detection.batch_of(truths, valid, names), detection.predictions_of(rows, 4)
    if kind == "instance":
        whole = detection.png(np.ones(detection.SIZE, np.uint8))
        for i, own in enumerate(truths):
            own["masks"] = [whole] * len(own["class_ids"])
            batch["truth/masks"] = batch.get("truth/masks", np.empty(SIZE, object))
            batch["truth/masks"][i] = detection.serialized("masks", own["masks"])
        predictions["masks"] = rng.uniform(0, 1, (SIZE, 4, 7, 7)).astype(np.float32)
    return batch, predictions


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, table in metrics.METRICS.items() for name in table]
)
def test_what_workers_gather_is_what_one_has_seen(kind, name):
    pairs = batches(kind)
    for whole in metrics.METRICS[kind][name](NAMES):
        for pair in pairs:
            whole.update(*pair)
        for count in (2, 3, 6):  # the sixth of them has no batch
            parts = []
            for number in range(count):
                own = pickle.loads(pickle.dumps(whole))
                own.reset()
                for pair in pairs[number::count]:
                    own.update(*pair)
                parts.append(pickle.loads(pickle.dumps(own.gathered())))
            own.result()  # what is kept from before must not stay
            own.combine(parts, SIZE)
            exact = name != "calibration"  # which adds up scores
            check = np.testing.assert_equal if exact else np.testing.assert_allclose
            check(*(list(m.result().values()) for m in (own, whole)))
            np.testing.assert_equal(own.result().keys(), whole.result().keys())
            assert own.report().table == whole.report().table


def test_entries_are_taken_in_turn():
    assert in_turn([[0, 1, 4, 5, 8], [2, 3, 6, 7]], 2) == list(range(9))
    assert in_turn([[], []], 2) == []


def test_a_metric_that_does_not_say_what_it_gathers_is_refused():
    class Own(Metric):
        def reset(self):
            pass

    with pytest.raises(errors.UsageError, match=r"metric Own does not say .* set `gathers`"):
        Own().gathered()
