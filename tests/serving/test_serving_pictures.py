import io

import numpy as np
import pytest
from PIL import Image

from tfvision import errors
from tfvision.ops import draw
from tfvision.serving import pictures

NAMES = ["cat", "a dog with a name that is far too long for any panel", "owl"]
SCORES = {"scores": np.array([0.1, 0.7, 0.2], np.float32)}
BRIGHT = np.array(pictures._ACCENT[:3])


def white(height, width):
    return Image.new("RGB", (width, height), "white")


def changed(before, after):
    """Share of pixels that differ."""
    return (np.asarray(before) != np.asarray(after)).any(axis=-1).mean()


def highlighted(picture):
    """Rows of the picture with bars in the accent color, counted as bars."""
    near = np.abs(np.asarray(picture).astype(int) - BRIGHT).max(axis=-1) < 12
    rows = near.any(axis=1).astype(int)
    return int((np.diff(rows, prepend=0) == 1).sum())


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (32, 32), (10, 2000), (2000, 10), (427, 640)])
def test_a_panel_is_legible_on_an_image_of_any_size(size):
    picture = pictures.draw_prediction(white(*size), SCORES, NAMES)
    assert picture.mode == "RGB"
    assert picture.width >= pictures.NARROWEST
    assert max(picture.size) >= draw.SMALLEST
    assert highlighted(picture) == 1
    assert (np.asarray(picture) > 240).all(axis=-1).any()


def test_a_large_image_keeps_its_size_and_most_of_its_pixels():
    image = white(1200, 1600)
    picture = pictures.draw_prediction(image, SCORES, NAMES)
    assert picture.size == image.size
    assert 0.01 < changed(image, picture) < 0.2
    assert (np.asarray(image) == 255).all()


def test_the_text_grows_with_the_image():
    shares = []
    for side in (1000, 3000):
        image = white(side, side)
        shares.append(changed(image, pictures.draw_prediction(image, SCORES, NAMES)))
    np.testing.assert_allclose(*shares, rtol=0.1)


def test_all_labels_above_a_half_are_highlighted_where_several_may_hold():
    scores = {"scores": np.array([0.9, 0.6, 0.4])}
    assert highlighted(pictures.draw_prediction(white(600, 600), scores, NAMES, several=True)) == 2
    assert highlighted(pictures.draw_prediction(white(600, 600), scores, NAMES)) == 1
    none = {"scores": np.array([0.4, 0.3, 0.2])}
    assert highlighted(pictures.draw_prediction(white(600, 600), none, NAMES, several=True)) == 0


def test_a_box_is_drawn_where_it_is_also_on_an_enlarged_image():
    prediction = {
        "boxes": np.array([[20.0, 10, 80, 90], [0, 0, 5, 5]]),
        "scores": np.array([0.9, 0.1]),
        "class_ids": np.array([2, 0]),
    }
    image = white(120, 120)
    picture = np.asarray(pictures.draw_prediction(image, prediction, NAMES))
    assert picture.shape == (480, 480, 3)
    assert tuple(picture[200, 40]) == draw.color(2)  # left edge: x = 10 * 4
    assert tuple(picture[200, 200]) == (255, 255, 255)
    assert tuple(picture[10, 20]) == (255, 255, 255)  # below the threshold: not drawn


def test_a_picture_is_opened_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    stored = Image.new("RGB", (64, 32), "blue")
    stored.paste("red", (0, 0, 16, 32))
    stored.save(buffer, "JPEG", exif=exif, quality=95)
    upright = np.asarray(pictures.open_upright(buffer.getvalue()))
    assert upright.shape == (64, 32, 3)
    assert upright[4, 16, 0] > 200  # the stored left edge is the top
    assert upright[60, 16, 2] > 200
    with pytest.raises(errors.DataError, match=r"a\.png: not an image"):
        pictures.open_upright(b"nothing of the kind", "a.png")


def test_a_sheet_holds_every_picture_in_its_cell():
    colors = ["red", "lime", "blue"]
    cells = [Image.new("RGB", (300, 150), color) for color in colors]
    page = draw.sheet(cells, 2, cell=90)  # each becomes 90 x 45
    assert page.size == (2 * 94 + 4, 2 * 49 + 4)
    assert page.getpixel((4 + 45, 4 + 22)) == (255, 0, 0)
    assert page.getpixel((98 + 45, 4 + 22)) == (0, 255, 0)
    assert page.getpixel((4 + 45, 53 + 22)) == (0, 0, 255)
    tall = draw.sheet([cells[0], Image.new("RGB", (50, 100), "blue")], 2, cell=90)
    assert tall.size == (2 * 94 + 4, 94 + 4)
    assert tall.getpixel((98 + 45, 4 + 88)) == (0, 0, 255)
    assert cells[0].size == (300, 150)
