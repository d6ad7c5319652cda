"""Masks of an answer: on its image, as run lengths in predictions.json, and drawn."""

import json

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, serving
from tfvision.ops import draw, masks
from tfvision.serving import client, pictures

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


def test_predictions_hold_each_detections_mask_as_run_lengths():
    found = json.loads(json.dumps(client.plain(ANSWER)))
    assert found["num_detections"] == 2
    assert found["image_size"] == [40, 60]
    assert found["boxes"] == BOXES[:2].tolist()
    assert found["class_ids"] == [0, 1]
    assert found["class_names"] == ["cat", "dog"]
    assert found["scores"] == pytest.approx([0.9, 0.4])
    for rle, full in zip(found["masks"], serving.full_masks(ANSWER), strict=True):
        assert set(rle) == {"size", "counts"}
        assert isinstance(rle["counts"], str)
        np.testing.assert_array_equal(masks.from_rle(rle), full)
    assert ANSWER["masks"].shape == (3, 28, 28)


def test_answers_of_other_tasks_are_told_as_they_are():
    boxes = {k: v for k, v in ANSWER.items() if k not in ("masks", "image_size")}
    found = client.plain(boxes)
    assert found["boxes"] == BOXES[:2].tolist()
    assert "masks" not in found
    labels = {"scores": np.array([0.25, 0.75]), "class_ids": np.array([1, 0])}
    assert client.plain(labels) == {"scores": [0.25, 0.75], "class_ids": [1, 0]}
    nothing = client.plain({**ANSWER, "num_detections": np.int32(0)})
    assert nothing["masks"] == nothing["boxes"] == []


def test_masks_are_drawn_from_a_score_on():
    image, colored = Image.new("RGB", (60, 40), "white"), {}
    for threshold in (0.5, 0.3):
        drawn = pictures.draw_prediction(image, ANSWER, ("cat", "dog"), threshold=threshold)
        pixels = np.asarray(drawn)
        scale = pixels.shape[0] // 40
        first, second = pixels[10 * scale, 26 * scale], pixels[30 * scale, 26 * scale]
        colored[threshold] = [bool((pixel < 255).any()) for pixel in (first, second)]
        wanted = 255 + (np.array(draw.color(0)) - 255) * 0.45
        np.testing.assert_allclose(first, wanted, atol=1)
    assert colored == {0.5: [True, False], 0.3: [True, True]}
