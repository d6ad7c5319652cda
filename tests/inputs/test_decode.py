import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision.inputs import decode

PIXELS = np.random.default_rng(0).integers(0, 255, (4, 6, 3)).repeat(8, 0).repeat(8, 1)
PIXELS = PIXELS.astype(np.uint8)


def jpeg(orientation=None, little=True, **options):
    image, file = Image.fromarray(PIXELS), io.BytesIO()
    if orientation:
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif.endian = "<" if little else ">"
        options["exif"] = exif
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


@pytest.mark.addons
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("little", [True, False])
def test_all_eight_orientations_turn_upright_as_pillow_turns_them(orientation, little):
    from PIL import ImageOps

    data = jpeg(orientation, little)
    assert int(decode.orientation(tf.constant(data))) == orientation
    found = decode.pixels({"encoded": tf.constant(data)}).numpy()
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.addons
def test_bytes_without_exif_or_too_short_are_upright():
    assert int(decode.orientation(tf.constant(jpeg()))) == 1
    assert int(decode.orientation(tf.constant(b"\xff\xd8\xff"))) == 1
    assert int(decode.orientation(tf.constant(b""))) == 1


@pytest.mark.parametrize("orientation", [None, 1, 6])
def test_a_window_equals_the_slice_of_the_whole(orientation):
    # With subsampled chroma libjpeg interpolates the window's first column otherwise.
    example = {"encoded": tf.constant(jpeg(orientation, subsampling=0))}
    whole = decode.pixels(example).numpy()
    found, part = decode.crop(example, lambda height, width: tf.constant([8, 16, 10, 12]))
    np.testing.assert_array_equal(found, whole[8:18, 16:28])
    np.testing.assert_array_equal(part, [8, 16, 10, 12])


def test_png_and_arrays_go_the_same_way():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    found = decode.pixels({"encoded": tf.constant(file.getvalue())})
    np.testing.assert_array_equal(found, PIXELS)
    np.testing.assert_array_equal(decode.pixels({"image": PIXELS}), PIXELS)
    for example in ({"image": PIXELS}, {"encoded": tf.constant(file.getvalue())}):
        cut, part = decode.crop(example, lambda h, w: tf.stack([1, 2, h // 2, w // 3]))
        height, width = PIXELS.shape[0] // 2, PIXELS.shape[1] // 3
        np.testing.assert_array_equal(cut, PIXELS[1 : 1 + height, 2 : 2 + width])
        np.testing.assert_array_equal(part, [1, 2, height, width])


def test_a_real_rotated_photo_turns_upright(shared_data):
    from PIL import ImageOps

    path = shared_data / "cls_imagenet_sample" / "images" / "n02951585_can_opener.JPEG"
    found = decode.pixels({"encoded": tf.constant(path.read_bytes())}).numpy()
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() <= 3
