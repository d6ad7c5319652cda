"""Drawing: what is drawn is where it belongs, on pictures of any size."""

import numpy as np
import pytest
from PIL import Image

from tfvision.ops import draw


def white(height, width):
    return Image.new("RGB", (width, height), "white")


def test_a_mask_is_translucent_with_a_solid_outline():
    mask = np.zeros((1, 100, 200), np.uint8)
    mask[0, 20:60, 50:150] = 1
    picture = np.asarray(draw.masks(white(100, 200), mask, [(255, 0, 0)]))
    assert tuple(picture[40, 100]) == (255, 140, 140)  # 0.45 of red over white
    assert tuple(picture[20, 100]) == (255, 0, 0)
    assert tuple(picture[19, 100]) == (255, 255, 255)
    small = np.asarray(draw.masks(white(200, 400), mask, [(255, 0, 0)]))
    assert tuple(small[80, 200]) == (255, 140, 140)


def test_a_label_map_gets_class_colours_and_grey_for_void():
    values = np.full((300, 400), 1, np.uint8)
    values[:, 200:] = 255
    picture = np.asarray(draw.label_map(white(300, 400), values, ["sky", "road"]), int)
    wanted = 255 + (np.array(draw.colour(1)) - 255) * 0.6
    np.testing.assert_allclose(picture[290, 10], wanted, atol=1)
    np.testing.assert_allclose(picture[290, 390], 255 + (96 - 255) * 0.6, atol=1)


@pytest.mark.parametrize("size", [(1, 1), (10, 2000), (2000, 10), (480, 640)])
def test_everything_can_be_drawn_on_any_size(size):
    picture = white(*size)
    boxes = np.array([[0, 0, size[0], size[1]]], float)
    assert draw.boxes(picture, boxes, ["a long name of a class"], [(1, 2, 3)]).size == picture.size
    assert draw.boxes(picture, np.zeros((0, 4)), [], []).size == picture.size
    assert draw.label_map(picture, np.zeros(size, np.uint8), ["sky"]).size == picture.size
    assert draw.caption(picture, "text").width == picture.width
    assert draw.masks(picture, np.ones((1, *size), np.uint8), [(9, 9, 9)]).size == picture.size


def test_boxes_are_drawn_from_a_score_on():
    white = Image.new("RGB", (64, 64), "white")
    found = {
        "boxes": np.array([[8.0, 8.0, 30.0, 30.0], [40.0, 40.0, 60.0, 60.0]]),
        "scores": np.array([0.9, 0.3]),
        "class_ids": np.array([0, 1]),
    }

    def touched(threshold):
        pixels = np.asarray(draw.prediction(white, found, ["a", "b"], threshold=threshold))
        return (pixels[8:31, 8:31] != 255).any(), (pixels[50:61, 40:61] != 255).any()

    assert touched(0.5) == (True, False)
    assert touched(0.2) == (True, True)
    assert touched(0.95) == (False, False)
