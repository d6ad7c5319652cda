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


def test_a_label_map_gets_class_colors_and_grey_for_void():
    values = np.full((300, 400), 1, np.uint8)
    values[:, 200:] = 255
    picture = np.asarray(draw.label_map(white(300, 400), values, ["sky", "road"]), int)
    wanted = 255 + (np.array(draw.color(1)) - 255) * 0.6
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
    drawn = draw.instances(picture, np.ones((1, 28, 28)), boxes, [(9, 9, 9)])
    assert drawn.size == picture.size
    assert (np.asarray(drawn) < 255).any()


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


FULL = np.ones((28, 28), np.float32)


@pytest.mark.parametrize("scale", [1, 2, 8])  # 8: a picture so large that it needs no smoothing
def test_a_mask_lies_in_its_box_with_an_outline_that_closes(scale):
    picture, box = white(220 * scale, 300 * scale), np.array([[20.0, 50.0, 60.0, 150.0]])
    before = box.copy()
    pixels = np.asarray(draw.instances(picture, [FULL], box * scale, [(255, 0, 0)]))
    np.testing.assert_array_equal(box, before)
    y1, x1, y2, x2 = (int(edge) * scale for edge in box[0])
    assert tuple(pixels[40 * scale, 100 * scale]) == (255, 140, 140)  # 0.45 of red over white
    middle = [(y1, 100 * scale), (y2 - 1, 100 * scale), (40 * scale, x1), (40 * scale, x2 - 1)]
    assert {tuple(pixels[y, x]) for y, x in middle} == {(255, 0, 0)}
    outside = np.ones(pixels.shape[:2], bool)
    outside[y1:y2, x1:x2] = False
    assert (pixels[outside] == 255).all()


def test_an_outline_is_open_where_the_image_cuts_the_object():
    pixels = np.asarray(draw.instances(white(100, 100), [FULL], [[-40, 20, 60, 80]], [(255, 0, 0)]))
    assert tuple(pixels[0, 50]) == (255, 140, 140)
    assert tuple(pixels[59, 50]) == (255, 0, 0)
    nothing = draw.instances(white(100, 100), [FULL], [[120, 20, 160, 80]], [(255, 0, 0)])
    assert (np.asarray(nothing) == 255).all()


def test_a_slanted_outline_is_smooth():
    half = np.tril(FULL)
    pixels = np.asarray(
        draw.instances(white(200, 200), [half], [[20, 20, 180, 180]], [(255, 0, 0)])
    )
    shades = set(pixels[100, 95:110, 1].tolist())
    assert shades - {0, 140, 255}


def test_instances_of_one_class_have_colors_of_their_own():
    found = {
        "boxes": np.array([[10.0, 10.0, 60.0, 60.0], [10.0, 70.0, 60.0, 110.0], [0.0] * 4]),
        "scores": np.array([0.9, 0.8, 0.0]),
        "class_ids": np.array([3, 3, -1]),
        "masks": np.stack([FULL, FULL, 0 * FULL]),
        "num_detections": 2,
    }
    pixels = np.asarray(draw.prediction(white(300, 300), found, scale=2.0), float)
    for rank, (y, x) in enumerate(((80, 70), (80, 180))):
        wanted = 255 + (np.array(draw.color(rank)) - 255) * 0.45
        np.testing.assert_allclose(pixels[y, x], wanted, atol=1)
    some = np.asarray(draw.prediction(white(300, 300), found, scale=2.0, threshold=0.85))
    assert (some[100:, 150:] == 255).all()


def test_texts_lie_above_the_boxes_of_others():
    boxes = np.array([[50.0, 20.0, 90.0, 80.0], [10.0, 30.0, 95.0, 90.0]])
    pixels = np.asarray(draw.boxes(white(100, 100), boxes, ["cat", ""], [(255, 0, 0), (0, 0, 255)]))
    assert not (pixels[34:48, 20:40] == (0, 0, 255)).all(axis=-1).any()
