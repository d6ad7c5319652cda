"""Image files: what keeps its bytes, what is rewritten, what is refused."""

import csv
import hashlib
import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from tfvision import errors
from tfvision.records import image_files


def _encode(pixels, kind, **options):
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _decode(image):
    return np.asarray(Image.open(io.BytesIO(image.data)))


def _exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


# Rows 1 2 3 and 4 5 6, so that every turn is told from the others.
PIXELS = np.array([[1, 2, 3], [4, 5, 6]], np.uint8) * 40
UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_is_read_and_applied(orientation):
    expected = np.array(UPRIGHT[orientation]) * 40
    np.testing.assert_array_equal(image_files.upright(PIXELS, orientation), expected)
    large = np.kron(PIXELS, np.ones((16, 16), np.uint8))
    jpeg = _encode(large, "jpeg", exif=_exif(orientation), quality=100)
    image = image_files.normalise(jpeg)
    assert image.kept
    assert image.data == jpeg
    assert (image.format, image.orientation) == ("jpeg", orientation)
    assert (image.height, image.width) == tuple(16 * n for n in expected.shape)
    assert image.stored_size == (32, 48)
    baked = image_files.normalise(jpeg, bake_orientation=True)
    middles = _decode(baked)[8::16, 8::16].astype(int)
    np.testing.assert_allclose(middles, expected, atol=4)
    assert image_files.orientation(baked.data) == 1
    for kind in ("png", "webp", "tiff"):
        options = {"lossless": True} if kind == "webp" else {}
        rewritten = image_files.normalise(_encode(PIXELS, kind, exif=_exif(orientation), **options))
        pixels = _decode(rewritten)
        np.testing.assert_array_equal(pixels if pixels.ndim == 2 else pixels[..., 0], expected)
        assert (rewritten.height, rewritten.width) == expected.shape
        assert rewritten.stored_size == (2, 3)


def test_a_box_turns_with_its_image():
    mask = np.zeros((2, 3), np.uint8)
    mask[0, 1:3] = 1
    for orientation in UPRIGHT:
        y1, x1, y2, x2 = image_files.upright_box((0, 1, 1, 3), (2, 3), orientation)
        turned = image_files.upright(mask, orientation)
        assert turned[y1:y2, x1:x2].all()
        assert turned.sum() == (y2 - y1) * (x2 - x1) == 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_png_without_alpha_keeps_its_bytes(mode):
    data = _encode(Image.fromarray(PIXELS).convert(mode), "png")
    image = image_files.normalise(data)
    assert image.kept
    assert image.data == data
    assert (image.format, image.height, image.width) == ("png", 2, 3)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_keeps_its_bytes(mode, progressive):
    data = _encode(Image.fromarray(PIXELS).convert(mode), "jpeg", progressive=progressive)
    assert image_files.normalise(data).data == data


def test_a_jpeg_without_end_marker_is_rewritten_or_refused():
    data = _encode(PIXELS, "jpeg")
    assert data.endswith(b"\xff\xd9")
    image = image_files.normalise(data[:-2] + b"xx" * 50)
    assert (image.kept, image.format) == (False, "png")
    np.testing.assert_array_equal(_decode(image), np.asarray(Image.open(io.BytesIO(data))))


def test_alpha_is_composited_on_white():
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    np.testing.assert_array_equal(
        _decode(image_files.normalise(_encode(pixels, "png"))), [[[10, 20, 30], [255, 255, 255]]]
    )
    grey = Image.fromarray(np.array([[100, 50]], np.uint8))
    image = image_files.normalise(_encode(grey, "png", transparency=50))
    np.testing.assert_array_equal(_decode(image)[..., 0], [[100, 255]])


def test_sixteen_bits_keep_their_high_byte():
    for kind in ("png", "tiff"):
        image = image_files.normalise(_encode(np.array([[0x1234, 0xFF00]], np.uint16), kind))
        np.testing.assert_array_equal(_decode(image), [[0x12, 0xFF]])


def test_floats_are_taken_by_their_largest_value():
    one = image_files.normalise(_encode(np.array([[0.0, 0.2, 1.0]], np.float32), "tiff"))
    np.testing.assert_array_equal(_decode(one), [[0, 51, 255]])
    many = image_files.normalise(_encode(np.array([[0.0, 7.0, 255.0]], np.float32), "tiff"))
    np.testing.assert_array_equal(_decode(many), [[0, 7, 255]])
    with pytest.raises(errors.DataError, match="outside 0"):
        image_files.normalise(_encode(np.array([[-1.0]], np.float32), "tiff"))


def test_an_animation_gives_its_first_frame():
    frames = [Image.fromarray(np.full((2, 2), value, np.uint8)) for value in (10, 200)]
    for kind in ("gif", "png"):
        data = _encode(frames[0], kind, save_all=True, append_images=frames[1:])
        assert (_decode(image_files.normalise(data)).reshape(4, -1)[:, 0] == 10).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"<html>", "not an image"),
        (_encode(PIXELS, "jpeg")[:20], "unreadable JPEG"),
        (_encode(PIXELS, "png")[:-6], "truncated"),
        (_encode(PIXELS, "png").replace(b"IHDR", b"IHDX"), "unreadable PNG"),
    ],
)
def test_broken_files_are_refused_by_name(data, message):
    with pytest.raises(errors.DataError, match=f"^some/file.jpg: .*{message}"):
        image_files.normalise(data, "some/file.jpg")


def test_a_bomb_is_refused_from_its_header():
    data = _encode(Image.new("1", (10_000, 8_948)), "png")
    assert image_files.MAX_PIXELS < 10_000 * 8_948
    with pytest.raises(errors.DataError, match="too large"):
        image_files.normalise(data)


def _outcome(data, name):
    try:
        return image_files.normalise(data, name), ""
    except errors.DataError as error:
        return None, str(error)


def test_every_odd_image_ends_as_its_manifest_expects(shared_data):
    tf = pytest.importorskip("tensorflow")
    root = shared_data / "odd_inputs"
    with open(root / "MANIFEST.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (root / row["path"]).is_file()]
    assert len(rows) == 112  # and one directory
    for row in rows:
        data = (root / row["path"]).read_bytes()
        before = hashlib.sha256(data).digest()
        image, message = _outcome(data, row["path"])
        if image is None:
            assert message.startswith(row["path"])
            assert "\n" not in message
            assert "error" in row["expected"], message
            continue
        assert "ok" in row["expected"], row
        assert hashlib.sha256(data).digest() == before
        pixels = tf.io.decode_image(image.data, channels=3, expand_animations=False).numpy()
        if image.kept:
            pixels = image_files.upright(pixels, image.orientation)
        assert pixels.shape == (image.height, image.width, 3), row
        assert image.kept or image_files.normalise(image.data).kept


def test_orientation_is_what_the_graph_and_pillow_read(shared_data):
    decode = pytest.importorskip("tfvision.inputs.decode")
    for path in sorted((shared_data / "odd_inputs").glob("*/*.jpg")):
        data = path.read_bytes() if path.is_file() else b""
        if data[:3] != b"\xff\xd8\xff":
            continue
        ours = image_files.orientation(data)
        assert ours == int(decode.orientation(data)), path
        if path.parent.name == "exif" or path.name.startswith("exif_"):
            with Image.open(path) as image:
                assert ours == image.getexif().get(0x0112, 1), path
                upright = ImageOps.exif_transpose(image)
                found = image_files.normalise(data)
                assert upright.size == (found.width, found.height)
