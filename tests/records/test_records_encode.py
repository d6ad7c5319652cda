"""One record, read back with TensorFlow: numbers by hand."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import schema
from tfvision.ops import masks
from tfvision.records import encode, example, image_files

NAMES = ["cat", "dog"]
GROUPS = ("labels", "objects", "masks")


def _jpeg(height, width, orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(buffer, "jpeg", exif=exif)
    return image_files.normalise(buffer.getvalue())


def _encode(objects, *, image=None, groups=GROUPS, labels=None, size=None):
    sample = schema.Sample("/a/b.jpg", "b.jpg", "17", size, labels, objects)
    encoded = encode.encode(sample, image or _jpeg(40, 80), NAMES, groups)
    features = tf.train.Example.FromString(encoded.record).features.feature
    values = {}
    for key, feature in features.items():
        kind = feature.WhichOneof("kind")
        values[key] = list(getattr(feature, kind).value)
    return values, encoded.findings


def _boxes(values):
    edges = ("ymin", "xmin", "ymax", "xmax")
    return np.stack([values[f"image/object/bbox/{e}"] for e in edges], axis=1)


def _mask(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_the_wire_format_is_tensorflows():
    features = {
        "b": ("int64", [0, 1, 300, -1, 2**62]),
        "a": ("string", [b"", b"x" * 300]),
        "c": ("float32", [0.5, -1e30]),
        "empty": ("float32", []),
        "none": ("int64", []),
        "nothing": ("string", []),
    }
    parsed = tf.train.Example.FromString(example.serialize(features)).features.feature
    assert list(parsed["b"].int64_list.value) == [0, 1, 300, -1, 2**62]
    assert list(parsed["a"].bytes_list.value) == [b"", b"x" * 300]
    np.testing.assert_array_equal(parsed["c"].float_list.value, np.float32([0.5, -1e30]))
    assert parsed["empty"].WhichOneof("kind") == "float_list"
    assert parsed["none"].WhichOneof("kind") == "int64_list"
    assert parsed["nothing"].WhichOneof("kind") == "bytes_list"


def test_a_box_survives_the_record():
    item = schema.Object(1, (4, 8, 24, 24), area=7.0, is_crowd=True)
    values, findings = _encode([item], labels=[1], groups=("labels", "objects"))
    np.testing.assert_allclose(_boxes(values), [[0.1, 0.1, 0.6, 0.3]], atol=1e-7)
    assert values["image/object/class/label"] == [1]
    assert values["image/object/class/text"] == [b"dog"]
    assert values["image/object/is_crowd"] == [1]
    assert values["image/object/difficult"] == [0]
    assert values["image/object/area"] == [7.0]
    assert (values["image/height"], values["image/width"]) == ([40], [80])
    assert values["image/class/text"] == [b"dog"]
    assert values["image/source_id"] == [b"17"]
    assert values["image/format"] == [b"jpeg"]
    assert "image/object/mask" not in values
    assert findings == []


def test_absent_groups_are_absent_and_empty_ones_present():
    values, _ = _encode(None, labels=[0], groups=("labels",))
    assert not any(key.startswith("image/object") for key in values)
    values, _ = _encode([], labels=[])
    assert values["image/object/class/label"] == []
    assert values["image/object/mask"] == []
    assert values["image/class/label"] == []


def test_a_mask_is_cropped_to_its_box():
    square = [[10, 5, 20, 5, 20, 15, 10, 15]]
    values, _ = _encode(
        [schema.Object(0, (4.5, 9.5, 15.5, 20.5), square), schema.Object(0, (0, 0, 1, 1))]
    )
    png, none = values["image/object/mask"]
    mask = _mask(png)
    assert mask.shape == (12, 12)
    assert mask.sum() == 100
    assert none == b""
    window = masks.box_bounds(_boxes(values)[0], (40, 80))
    assert masks.bounds(masks.paste(mask, window, (40, 80))) == (5, 10, 15, 20)
    assert values["image/object/area"] == [100.0, 1.0]


def test_a_mask_beyond_its_box_is_kept_whole():
    square = [[10, 5, 20, 5, 20, 15, 10, 15]]
    values, _ = _encode([schema.Object(0, (5, 12, 15, 20), square)])
    mask = _mask(values["image/object/mask"][0])
    assert mask.shape == (40, 80)
    assert mask.sum() == 100


def test_a_mask_alone_gives_the_box():
    rle = masks.to_rle(np.pad(np.ones((3, 5), np.uint8), ((7, 30), (2, 73))))
    values, _ = _encode([schema.Object(0, None, rle)])
    np.testing.assert_allclose(_boxes(values) * [40, 80, 40, 80], [[7, 2, 10, 7]], rtol=1e-6)


def test_what_leaves_the_image_is_clipped_and_counted():
    objects = [
        schema.Object(0, (-5, 10, 20, 90), name="a"),
        schema.Object(0, (0, 0, 40.005, 80), name="rounding"),
        schema.Object(0, (0, 0, 40, 80), [[-9, 0, 90, 0, 90, 50, -9, 50]], name="polygon"),
    ]
    values, findings = _encode(objects)
    np.testing.assert_allclose(_boxes(values)[0], [0, 0.125, 0.5, 1])
    np.testing.assert_allclose(_boxes(values)[1], [0, 0, 1, 1])
    assert [(f.kind, f.reason) for f in findings] == [
        ("clipped", "box beyond the image"),
        ("clipped", "polygon beyond the image"),
    ]
    assert findings[0].file == "b.jpg"
    assert findings[0].detail.startswith("a: ")


def test_what_lies_outside_is_dropped_with_the_label_that_only_it_had():
    objects = [schema.Object(0, (50, 0, 60, 9), name="a"), schema.Object(1, (0, 0, 9, 9))]
    values, findings = _encode(objects, labels=[0, 1])
    assert values["image/object/class/label"] == [1]
    assert values["image/class/label"] == [1]
    assert [(f.kind, f.reason) for f in findings] == [("dropped", "box outside the image")]


@pytest.mark.parametrize(
    ("rle", "reason"),
    [
        ({"size": [40, 80], "counts": [3]}, "broken run lengths"),
        ({"size": [40, 80], "counts": "~"}, "broken run lengths"),
        ({"size": [40, 80]}, "broken run lengths"),
        ({"size": [7, 7], "counts": [49]}, "run lengths of another size"),
    ],
)
def test_broken_run_lengths_drop_the_object(rle, reason):
    values, findings = _encode([schema.Object(0, (0, 0, 9, 9), rle)])
    assert values["image/object/class/label"] == []
    assert [(f.kind, f.reason) for f in findings] == [("dropped", reason)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_annotations_of_the_stored_pixels_are_turned_upright(orientation):
    image = _jpeg(40, 80, orientation)
    stored = np.zeros((40, 80), np.uint8)
    stored[5:15, 10:30] = 1
    polygon = [[10, 5, 30, 5, 30, 15, 10, 15]]
    item = schema.Object(0, (5, 10, 15, 30), polygon)
    values, findings = _encode([item], image=image, size=(40, 80))
    upright = image_files.upright(stored, orientation) if orientation >= 5 else stored
    size = (image.height, image.width)
    assert (values["image/height"], values["image/width"]) == ([size[0]], [size[1]])
    box = _boxes(values)[0] * (size + size)
    np.testing.assert_allclose(box, masks.bounds(upright), rtol=1e-6)
    mask = _mask(values["image/object/mask"][0])
    np.testing.assert_array_equal(
        masks.paste(mask, masks.box_bounds(_boxes(values)[0], size), size), upright
    )
    assert findings == []


def test_annotations_of_the_upright_pixels_stay():
    values, _ = _encode([schema.Object(0, (5, 10, 15, 30))], image=_jpeg(40, 80, 6), size=(80, 40))
    np.testing.assert_allclose(_boxes(values)[0] * [80, 40, 80, 40], [5, 10, 15, 30], rtol=1e-6)


def test_the_images_own_size_wins_over_a_wrong_one():
    values, findings = _encode([schema.Object(0, (0, 0, 20, 40))], size=(10, 10))
    np.testing.assert_allclose(_boxes(values), [[0, 0, 0.5, 0.5]])
    assert [(f.kind, f.reason) for f in findings] == [("noted", "recorded size is wrong")]
