"""Mask files of every kind -> label maps and object masks, on images of 4 x 6 pixels."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import errors, schema
from tfvision.ops import masks
from tfvision.records import encode, image_files, label_maps

NAMES = ["sky", "road", "car"]
INDICES = np.array([[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], [2, 2, 1, 1, 1, 255], [2] * 6], "uint8")


def _file(image, kind="png", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _grey(pixels):
    return _file(Image.fromarray(np.ascontiguousarray(pixels)))


def _palette(pixels):
    image = Image.fromarray(pixels).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([(17 * i) % 256 for i in range(768)])
    return _file(image)


def _colored(ids):
    return _grey(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8))


def _image(height=4, width=6, orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return image_files.normalise(
        _file(Image.fromarray(np.zeros((height, width, 3), np.uint8)), "jpeg", exif=exif)
    )


def _encode(groups=("label_map",), image=None, names=NAMES, full_masks=False, **sample):
    sample = schema.Sample("/a/b.jpg", "b.jpg", "17", **sample)
    encoded = encode.encode(sample, image or _image(), names, groups, full_masks=full_masks)
    if isinstance(encoded, schema.Finding):
        return encoded
    features = tf.train.Example.FromString(encoded.record).features.feature
    return features, encoded.findings


def _map(data, image=None, values=None, names=NAMES, **coding):
    source = schema.LabelMap("m.png", data, values, **coding)
    result = _encode(image=image, names=names, label_map=source)
    if isinstance(result, schema.Finding):
        return result
    features, findings = result
    assert findings == []
    assert features["image/segmentation/class/format"].bytes_list.value[:] == [b"png"]
    return features["image/segmentation/class/encoded"].bytes_list.value[0]


def _pixels(png):
    image = Image.open(io.BytesIO(png))
    assert image.mode == "L"
    np.testing.assert_array_equal(tf.io.decode_png(png, channels=1)[..., 0], np.asarray(image))
    return np.asarray(image)


def test_a_grey_png_of_class_ids_keeps_its_bytes():
    data = _grey(INDICES)
    assert _map(data) == data
    assert _map(data, values={0: 0, 1: 1, 2: 2, 255: 255}) == data


@pytest.mark.parametrize(
    "data",
    [
        _palette(INDICES),
        _grey(INDICES.astype(np.uint16)),
        _file(Image.fromarray(INDICES), "tiff"),
        _file(Image.fromarray(INDICES.astype(np.uint16)), "tiff"),
        _file(Image.fromarray(INDICES), "bmp"),
        _file(Image.fromarray(INDICES), "png", transparency=1),
    ],
    ids=["palette", "16 bit", "tiff", "16-bit tiff", "bmp", "transparent"],
)
def test_an_index_image_of_any_kind_gives_its_indices(data):
    np.testing.assert_array_equal(_pixels(_map(data)), INDICES)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_indices_of_few_bits_are_not_stretched(bits):
    pixels = np.minimum(INDICES, 2**bits - 1).astype(np.uint8) % 3
    encoded = _grey_of_bits(pixels, bits)
    np.testing.assert_array_equal(_pixels(_map(encoded)), pixels)


def _grey_of_bits(pixels, bits):
    """A grey PNG of 1, 2 or 4 bits, which Pillow cannot write."""
    import struct
    import zlib

    height, width = pixels.shape
    rows = b""
    for row in pixels:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        data += struct.pack(">I", len(body)) + kind + body
        data += struct.pack(">I", zlib.crc32(kind + body))
    return data


def test_raw_values_become_class_ids_and_void():
    raw = np.array([[7, 7, 9], [300, 7, 0]], np.uint16)
    png = _map(_grey(raw), _image(2, 3), values={7: 0, 9: 1, 300: 2, 0: schema.VOID})
    np.testing.assert_array_equal(_pixels(png), [[0, 0, 1], [2, 0, 255]])


def test_segment_ids_are_r_plus_256_g_plus_65536_b():
    ids = np.array([[1, 256, 65536], [0, 70_000, 1]])
    values = {0: schema.VOID, 1: 0, 256: 1, 65536: 2, 70_000: 0}
    png = _map(_colored(ids), _image(2, 3), values=values, segments=True)
    np.testing.assert_array_equal(_pixels(png), [[0, 1, 2], [255, 0, 0]])


def test_a_value_that_is_no_class_stops_with_file_value_and_count():
    with pytest.raises(errors.DataError, match=r"m\.png: pixel value 3 is not a class.* 3; .*255"):
        _map(_grey(np.full((4, 6), 3, np.uint8)))
    with pytest.raises(errors.DataError, match=r"pixel value 1, 2 are not classes"):
        _map(_grey(np.array([[0, 1, 2]], np.uint8)), _image(1, 3), values={0: 0})
    # Not named by `values`, 255 is unknown like any other.
    with pytest.raises(errors.DataError, match="pixel value 255"):
        _map(_grey(np.full((4, 6), 255, np.uint8)), values={0: 0})


def test_colors_and_too_many_classes_are_errors_with_a_way_out():
    with pytest.raises(errors.DataError, match=r"m\.png: color-coded mask .*--mask_colors"):
        _map(_colored(INDICES.astype(int)))
    with pytest.raises(errors.DataError, match="256 classes do not fit"):
        _map(_grey(INDICES), names=[str(i) for i in range(256)])
    _map(_grey(INDICES), names=[str(i) for i in range(255)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_file(Image.fromarray(INDICES), "jpeg"), "lossy mask"),
        (_file(Image.fromarray(INDICES), "webp"), "lossy mask"),
        (_grey(INDICES[:2]), "mask of another size"),
        (_grey(INDICES.T), "mask of another size"),
        (b"", "unreadable mask"),
        (b"no image at all", "unreadable mask"),
        (_grey(INDICES)[:-20], "unreadable mask"),
        (_file(Image.fromarray(INDICES.astype(np.float32)), "tiff"), "unreadable mask"),
        (_file(Image.fromarray(INDICES), "ppm"), "unreadable mask"),
    ],
)
def test_an_unusable_mask_skips_the_image(data, reason):
    finding = _map(data)
    assert (finding.kind, finding.reason, finding.file) == ("skipped", reason, "b.jpg")
    assert "m.png" in finding.detail


def test_a_missing_mask_skips_the_image(tmp_path):
    source = schema.LabelMap(str(tmp_path / "none.png"))
    assert _encode(label_map=source).reason == "unreadable mask"
    assert _encode().reason == "no mask"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_of_the_stored_pixels_is_turned_and_an_upright_one_stays(orientation):
    image = _image(orientation=orientation)
    upright = image_files.upright(INDICES, orientation) if orientation >= 5 else INDICES
    assert upright.shape == (image.height, image.width)
    np.testing.assert_array_equal(_pixels(_map(_grey(INDICES), image)), upright)
    np.testing.assert_array_equal(_pixels(_map(_grey(upright), image)), upright)


def _objects(*objects, **options):
    features, findings = _encode(("objects", "masks"), objects=list(objects), **options)
    edges = ("ymin", "xmin", "ymax", "xmax")
    boxes = [features[f"image/object/bbox/{e}"].float_list.value[:] for e in edges]
    pngs = features["image/object/mask"].bytes_list.value[:]
    return np.array(boxes).T.reshape(-1, 4), pngs, findings


def test_a_png_mask_may_be_of_the_image_or_of_the_box():
    whole = (INDICES == 2).astype(np.uint8)  # rows 2 and 3; in row 2 only two pixels
    cropped = whole[2:4, 0:6] * 255
    box = (2, 0, 4, 6)
    boxes, pngs, findings = _objects(
        schema.Object(0, box, _grey(whole)), schema.Object(0, box, _grey(cropped))
    )
    assert findings == []
    np.testing.assert_allclose(boxes, [[0.5, 0, 1, 1]] * 2)
    for png in pngs:
        np.testing.assert_array_equal(_pixels(png), whole[2:4])
    _, (png,), _ = _objects(schema.Object(0, box, _grey(cropped)), full_masks=True)
    np.testing.assert_array_equal(_pixels(png), whole)


def test_full_masks_are_of_the_upright_image():
    polygon = [[0, 0, 2, 0, 2, 1, 0, 1]]  # two pixels in the top left corner
    item = schema.Object(0, (0, 0, 1, 2), polygon)
    image = _image(orientation=6)  # turned right: to the top right corner
    _, (png,), _ = _objects(item, image=image, size=(4, 6), full_masks=True)
    expected = np.zeros((6, 4), np.uint8)
    expected[0:2, 3] = 1
    np.testing.assert_array_equal(_pixels(png), expected)


@pytest.mark.parametrize(
    "data", [b"", b"junk", _grey(INDICES[:3]), _file(Image.fromarray(INDICES), "jpeg")]
)
def test_a_broken_png_mask_drops_the_object(data):
    good = schema.Object(1, (0, 0, 2, 2))
    boxes, _, (finding,) = _objects(schema.Object(0, (0, 0, 2, 2), data, name="a"), good)
    assert len(boxes) == 1
    assert (finding.kind, finding.reason) == ("dropped", "broken mask")
    assert finding.detail.startswith("a: ")


def test_masks_that_are_ids_come_from_the_segments_file_read_once(tmp_path, monkeypatch):
    ids = INDICES.astype(int) * 1000
    path = tmp_path / "s.png"
    path.write_bytes(_colored(ids))
    objects = [
        schema.Object(2, (2, 0, 4, 6), 2000),
        schema.Object(1, None, 1000),
        schema.Object(0, (0, 0, 1, 1), 77, name="segment 77"),
    ]
    calls = []
    read = label_maps.read
    monkeypatch.setattr(label_maps, "read", lambda *a: calls.append(a) or read(*a))
    values = {0: 0, 1000: 1, 2000: 2, 255_000: schema.VOID}
    features, findings = _encode(
        ("objects", "masks", "label_map"),
        objects=objects,
        segments=str(path),
        label_map=schema.LabelMap(str(path), values=values, segments=True),
    )
    assert len(calls) == 1
    pngs = features["image/object/mask"].bytes_list.value
    np.testing.assert_array_equal(_pixels(pngs[0]), INDICES[2:4] == 2)
    np.testing.assert_array_equal(_pixels(pngs[1]), (INDICES == 1)[0:3, 2:6])
    assert _pixels(pngs[2]).sum() == 0
    assert [(f.kind, f.reason) for f in findings] == [("noted", "mask without pixels")]
    encoded = features["image/segmentation/class/encoded"].bytes_list.value[0]
    np.testing.assert_array_equal(_pixels(encoded), INDICES)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("claimed", ["stored", "upright"])
def test_segments_are_turned_with_their_boxes(tmp_path, orientation, claimed):
    image = _image(orientation=orientation)
    turned = image_files.upright(INDICES, orientation) if orientation >= 5 else INDICES
    path = tmp_path / "s.png"
    path.write_bytes(_grey(INDICES))
    size = image.stored_size if claimed == "stored" else (image.height, image.width)
    annotated = INDICES if claimed == "stored" else turned
    box = masks.bounds(annotated == 2)
    items = [schema.Object(0, box, 2)]
    boxes, (png,), findings = _objects(*items, image=image, size=size, segments=str(path))
    assert findings == []
    window = masks.box_bounds(boxes[0], turned.shape)
    np.testing.assert_array_equal(masks.paste(_pixels(png), window, turned.shape), turned == 2)


def test_unusable_segments_skip_the_image(tmp_path):
    path = tmp_path / "s.png"
    path.write_bytes(_grey(INDICES[:2]))
    items = [schema.Object(0, (0, 0, 1, 1), 1)]
    finding = _encode(("objects",), objects=items, segments=str(path))
    assert (finding.kind, finding.reason) == ("skipped", "mask of another size")
    _, findings = _encode(("objects",), objects=items)
    assert [(f.kind, f.reason) for f in findings] == [("dropped", "broken mask")]
