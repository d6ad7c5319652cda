"""TFRecords as sources: files, ids, sizes and broken records."""

import gzip
import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import errors, schema, sources
from tfvision.records import example
from tfvision.sources import pbtxt

read = sources.FORMATS["tfrecord"]
EDGES = ("ymin", "xmin", "ymax", "xmax")


def _image(height=10, width=20, kind="jpeg", orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(buffer, kind, exif=exif)
    return buffer.getvalue()


def _record(boxes=None, class_ids=(), *, image=None, **features):
    """features: keys with __ for /, values lists of bytes, ints or floats."""
    values = {"image/encoded": ("string", [_image() if image is None else image])}
    if boxes is not None:
        columns = np.array(boxes, np.float32).reshape(-1, 4).T
        for edge, column in zip(EDGES, columns, strict=True):
            values[f"image/object/bbox/{edge}"] = ("float32", column)
        if class_ids is not None:
            values["image/object/class/label"] = ("int64", list(class_ids))
    kinds = {bytes: "string", int: "int64", float: "float32"}
    for key, found in features.items():
        name = "image/" + key.replace("__", "/")
        values[name] = (kinds[type(found[0])], found)
    return example.serialize(values)


@pytest.fixture
def write(tmp_path):
    def function(*records, name="a.tfrecord"):
        with tf.io.TFRecordWriter(str(tmp_path / name)) as writer:
            for record in records:
                writer.write(record)
        return str(tmp_path)

    return function


BOX = [[0.1, 0.2, 0.5, 0.75]]


def test_boxes_are_pixels_and_the_image_a_part_of_the_file(write, unpack):
    image = _image()
    record = _record(
        BOX,
        [1],
        image=image,
        height=[10],
        width=[20],
        filename=[b"x/y.jpg"],
        source_id=[b"7"],
        object__is_crowd=[1],
        object__difficult=[1],
        object__area=[3.5],
        object__mask=[b"png"],
        class__label=[1],
    )
    root = write(record, record)
    source = read(root, None, labels=["cat", "dog"])
    (sample, other), findings = unpack(source)
    assert findings == []
    assert source.groups == ("labels", "objects", "masks")
    assert (sample.filename, sample.source_id, sample.size) == ("x/y.jpg", "7", (10, 20))
    assert sample.labels == [1]
    for found in (sample, other):
        offset, length = found.part
        with open(found.path, "rb") as file:
            assert file.read()[offset : offset + length] == image
    (item,) = sample.objects
    np.testing.assert_allclose(item.box, (1, 4, 5, 15), rtol=1e-6)
    assert (item.class_id, item.mask, item.area) == (1, b"png", 3.5)
    assert (item.is_crowd, item.difficult) == (True, True)


def test_missing_names_and_sizes_are_found_elsewhere(write, unpack):
    root = write(_record(BOX, [0]), _record([], []), name="train-00000-of-00001")
    source = read(root, None, labels=["cat"])
    (first, second), findings = unpack(source)
    assert findings == []
    assert source.groups == ("objects",)
    assert (first.filename, first.source_id) == ("train-00000-of-00001#0",) * 2
    assert first.size == (10, 20)
    np.testing.assert_allclose(first.objects[0].box, (1, 4, 5, 15), rtol=1e-6)
    assert second.objects == []


@pytest.mark.parametrize(
    ("claimed", "orientation", "size", "noted"),
    [
        ((10, 20), 1, (10, 20), False),
        ((20, 10), 1, (10, 20), True),
        ((7, 7), 1, (10, 20), True),
        ((10, 20), 6, (10, 20), False),  # of the stored pixels
        ((20, 10), 6, (20, 10), False),  # of the upright ones
    ],
)
def test_the_images_header_wins_over_a_wrong_size(write, unpack, claimed, orientation, size, noted):
    image = _image(orientation=orientation)
    root = write(_record(BOX, [0], image=image, height=[claimed[0]], width=[claimed[1]]))
    (sample,), findings = unpack(read(root, None, labels=["cat"]))
    assert sample.size == size
    assert [f.reason for f in findings] == ["recorded size is wrong"] * noted


def test_ids_count_from_one_with_a_pbtxt_and_from_zero_with_a_list(write, unpack, tmp_path):
    root = write(_record(BOX * 2, [1, 4]))
    (tmp_path / "map.pbtxt").write_text("item { id: 4 name: 'dog' }\nitem { id: 1 name: 'cat' }")
    source = read(root, str(tmp_path / "map.pbtxt"))
    (sample,), _ = unpack(source)
    assert source.class_names == ["cat", "dog"]
    assert [o.class_id for o in sample.objects] == [0, 1]
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    source = read(root, str(tmp_path / "labels.txt"))
    with pytest.raises(errors.DataError, match=r"a.tfrecord#0: class id 4 .* 4 .*0\.\.3.*pbtxt"):
        unpack(source)
    (tmp_path / "dataset.json").write_text(
        json.dumps({"class_names": list("abcde"), "category_ids": [1, 2, 3, 5, 9]})
    )
    source = read(root, None)
    (sample,), _ = unpack(source)
    assert [o.class_id for o in sample.objects] == [1, 4]
    assert source.category_ids == [1, 2, 3, 5, 9]
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(errors.DataError, match="give --annotations"):
        read(root, None)
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(errors.UsageError, match="needs the class names"):
        read(root, None)


def test_class_texts_stand_in_for_missing_ids(write, unpack):
    record = _record(BOX, None, object__class__text=[b"Dog"], class__text=[b"cat"])
    (sample,), _ = unpack(read(write(record), None, labels=["cat", "dog"]))
    assert sample.labels == [0]
    assert [o.class_id for o in sample.objects] == [1]


def test_class_texts_that_are_not_their_ids_are_told(write, unpack):
    texts = [b"dog", b"Cat", b"caf\xc3\xa9", b""]
    root = write(_record(BOX * 4, [0, 0, 2, 1], object__class__text=texts))
    _, findings = unpack(read(root, None, labels=["cat", "dog", "caf\u00e9"]))
    assert [(f.kind, f.reason) for f in findings] == [("noted", "class text disagrees with the id")]
    assert findings[0].detail == "object 0: its text is 'dog', its id's class 'cat', which counts"


def test_a_folder_of_odd_letters_is_no_pattern(write, tmp_path, unpack):
    write(_record(BOX, [0]), name="a[1].tfrecord")
    (tmp_path / "x[0]").mkdir()
    (tmp_path / "a[1].tfrecord").rename(tmp_path / "x[0]" / "a[1].tfrecord")
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\n")
    for place in ("x[0]", "x[0]/a[1].tfrecord", "x[0]/a*.tfrecord"):
        source = sources.read("tfrecord", str(tmp_path / place), label_file=str(labels))
        assert len(unpack(source)[0]) == 1
        census = source.census
        assert (census.unit, census.found, census.used) == ("records", 1, 1)


def test_label_maps_come_as_bytes(write, unpack, tmp_path):
    root = write(_record(segmentation__class__encoded=[b"png"]))
    source = read(root, None, labels=["cat"])
    (sample,), _ = unpack(source)
    assert source.groups == ("label_map",)
    assert sample.label_map == schema.LabelMap("a.tfrecord#0", b"png", None)
    (tmp_path / "map.pbtxt").write_text("item { id: 3 name: 'dog' }")
    (sample,), _ = unpack(read(root, str(tmp_path / "map.pbtxt")))
    assert sample.label_map.values == {3: 0, 0: schema.VOID, 255: schema.VOID}


def test_broken_boxes_are_dropped_and_broken_records_skipped(write, unpack):
    boxes = [[0.1, 0.2, 0.5, 0.75], [float("nan"), 0, 1, 1], [0.5, 0.5, 0.5, 0.9]]
    root = write(
        _record(boxes, [0, 0, 0], filename=[b"boxes"]),
        _record(BOX, [0, 0], filename=[b"ids"]),
        _record(BOX, [0], object__is_crowd=[0, 0], filename=[b"crowd"]),
        example.serialize({"image/filename": ("string", [b"none"])}),
        _record(BOX, [0], image=b"no image", filename=[b"junk"]),
    )
    samples, findings = unpack(read(root, None, labels=["cat"]))
    assert [(s.filename, len(s.objects)) for s in samples] == [("boxes", 1), ("junk", 1)]
    assert [(f.kind, f.reason, f.file) for f in findings] == [
        ("dropped", "broken box", "boxes"),
        ("dropped", "box without area", "boxes"),
        ("skipped", "broken record", "ids"),
        ("skipped", "broken record", "crowd"),
        ("skipped", "record without an image", "none"),
    ]


def test_the_split_is_found_in_the_names(write, tmp_path):
    for name in ("trains-train.record-00000-of-00002", "trains-train.record-00001-of-00002"):
        root = write(_record(BOX, [0]), name=name)
    write(_record(BOX, [0]), _record(BOX, [0]), name="trains-val.tfrecord")
    (tmp_path / "trains-val.sha256").write_text("")

    def count(where, split):
        source = read(where, None, split=split, labels=["cat"])
        return sum(isinstance(item, schema.Sample) for item in source.items)

    assert (count(root, "train"), count(root, "val"), count(root, "")) == (2, 2, 4)
    assert count(str(tmp_path / "trains-*00001-of-*"), "") == 1
    assert count(str(tmp_path / "trains-val.tfrecord"), "train") == 2  # the user named the file
    with pytest.raises(errors.DataError, match="no record file's name contains 'test'"):
        count(root, "test")


def test_one_kind_of_files_is_any_split(write):
    source = read(write(_record(BOX, [0]), name="raccoon.record"), None, labels=["cat"])
    assert len(list(source.items)) == 1


def test_unusable_files_are_named(write, tmp_path):
    with pytest.raises(errors.DataError, match="there are no record files"):
        read(str(tmp_path), None, labels=["cat"])
    root = write(example.serialize({"video/frames": ("int64", [1])}))
    with pytest.raises(errors.DataError, match=r"no image/encoded .*video/frames"):
        read(root, None, labels=["cat"])
    write(_record())
    with pytest.raises(errors.DataError, match="none of the keys"):
        read(root, None, labels=["cat"])
    write(b"\xff\xff")
    with pytest.raises(errors.DataError, match=r"offset 12 is not a tf\.train\.Example"):
        read(root, None, labels=["cat"])
    write(_record(BOX, [0]))
    data = (tmp_path / "a.tfrecord").read_bytes()
    (tmp_path / "a.tfrecord").write_bytes(gzip.compress(data))
    with pytest.raises(errors.DataError, match="gunzip"):
        read(root, None, labels=["cat"])
    (tmp_path / "a.tfrecord").write_bytes(data + data[:50])
    with pytest.raises(errors.DataError, match=rf"a\.tfrecord: .*truncated: .*offset {len(data)} "):
        read(root, None, labels=["cat"])


def test_a_label_map_in_text_format_is_read(tmp_path):
    path = tmp_path / "map.pbtxt"
    path.write_text(
        """# classes
        item { id: 0 name: "background" }
        item {
          name: '/m/01'   # Open Images
          id: 2,
          display_name: "sea \\"lion\\""
          keypoints { id: 9 label: "nose" }
        }
        item < id: 1; name: "it's" >
        """
    )
    assert pbtxt.read(str(path)) == (["it's", 'sea "lion"'], {1: 0, 2: 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a label map"),
        ("cat\ndog\n", "not a label map"),
        ("item { id: 1 name: 'a'", "not a label map"),
        ("item { id: 1 } }", "not a label map"),
        ("other { id: 1 }", "not a label map"),
        ("item { name: 'a' }", "needs a whole id"),
        ("item { id: 1 }", "needs a whole id and a name"),
        ("item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "id 1 appears twice"),
        ("item { id: 1 name: 'a' } item { id: 2 name: 'a' }", "'a' appears twice"),
    ],
)
def test_a_broken_label_map_is_an_error(tmp_path, text, message):
    (tmp_path / "map.pbtxt").write_text(text)
    with pytest.raises(errors.DataError, match=message):
        pbtxt.read(str(tmp_path / "map.pbtxt"))
