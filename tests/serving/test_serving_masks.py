"""Masks of an answer: on its image, as run lengths in predictions.json, and drawn."""

import json
import types

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, serving
from tfvision.ops import draw, masks
from tfvision.tools import predict

# Two detections and a place of padding, of an image of 40 x 60: the whole of the first box, the
# left half of the second.
BOXES = np.array([[5, 10, 15, 30], [20, 20, 36, 48], [0, 0, 0, 0]], np.float32)
LEFT = np.repeat([[1.0, 0.0]], 28, axis=0).repeat(14, axis=1)
ANSWER = {
    "boxes": BOXES,
    "scores": np.array([0.9, 0.4, 0.0], np.float32),
    "class_ids": np.array([0, 1, -1], np.int32),
    "class_names": np.array(["cat", "dog", ""]),
    "masks": np.stack([np.ones((28, 28)), LEFT, np.zeros((28, 28))]).astype(np.float32),
    "num_detections": np.int32(2),
    "image_size": np.array([40, 60], np.int32),
}


def test_full_masks_are_of_the_image_and_as_many_as_detections():
    found = serving.full_masks(ANSWER)
    assert found.dtype == np.uint8
    assert found.shape == (2, 40, 60)
    assert [masks.bounds(mask) for mask in found] == [(5, 10, 15, 30), (20, 20, 36, 34)]
    assert [masks.area(mask) for mask in found] == [200, 224]
    nothing = {**ANSWER, "num_detections": np.int32(0)}
    assert serving.full_masks(nothing).shape == (0, 40, 60)


def test_an_answer_without_masks_is_refused():
    with pytest.raises(errors.UsageError, match="no masks \\(it has: boxes, scores"):
        serving.full_masks({k: v for k, v in ANSWER.items() if k != "masks"})


@pytest.fixture
def predicted(monkeypatch, tmp_path):
    """A function: an answer, a threshold -> (entry of predictions.json, the drawn picture)."""
    path = tmp_path / "white.png"
    Image.new("RGB", (60, 40), "white").save(path)
    monkeypatch.setattr(predict, "_OUTPUT", types.SimpleNamespace(value=str(tmp_path)))

    def function(answer, threshold):
        monkeypatch.setattr(predict, "_THRESHOLD", types.SimpleNamespace(value=threshold))
        monkeypatch.setattr(predict, "_SHEET", types.SimpleNamespace(value=4))
        model = types.SimpleNamespace(
            card={}, class_names=("cat", "dog"), predict=lambda images: [answer for _ in images]
        )
        results = predict._batch(model, [str(path)], 0, [])
        predict._finish(results, [])
        (entry,) = json.loads((tmp_path / "predictions.json").read_text())
        with Image.open(tmp_path / entry["picture"]) as picture:
            return entry, np.asarray(picture)

    return function


def test_predictions_hold_each_detections_mask_as_run_lengths(predicted):
    entry, _ = predicted(ANSWER, 0.5)
    assert entry["size"] == [40, 60]
    assert entry["num_detections"] == 2
    assert [len(entry[k]) for k in ("boxes", "scores", "class_ids", "class_names", "masks")] == [
        2
    ] * 5
    assert entry["class_names"] == ["cat", "dog"]
    for rle, full in zip(entry["masks"], serving.full_masks(ANSWER), strict=True):
        assert set(rle) == {"size", "counts"}
        assert isinstance(rle["counts"], str)
        np.testing.assert_array_equal(masks.from_rle(rle), full)


def test_masks_are_drawn_from_a_score_on(predicted):
    coloured = {}
    for threshold in (0.5, 0.3):
        _, pixels = predicted(ANSWER, threshold)
        scale = pixels.shape[0] // 40
        first, second = pixels[10 * scale, 26 * scale], pixels[30 * scale, 26 * scale]
        coloured[threshold] = [bool((pixel < 255).any()) for pixel in (first, second)]
        wanted = 255 + (np.array(draw.colour(0)) - 255) * 0.45
        np.testing.assert_allclose(first, wanted, atol=1)
    assert coloured == {0.5: [True, False], 0.3: [True, True]}


def test_boxes_without_masks_are_cut_to_the_detections_too(predicted):
    boxes = {k: v for k, v in ANSWER.items() if k not in ("masks", "image_size")}
    entry, _ = predicted(boxes, 0.5)
    assert entry["boxes"] == BOXES[:2].tolist()
    assert entry["class_ids"] == [0, 1]
    assert "masks" not in entry
