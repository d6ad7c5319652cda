"""verify: a sound data set has no problem, and each kind of damage is found and named."""

import hashlib
import io
import json
import os
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import errors, sources
from tfvision.records import dataset, read, statistics, verifier, writer


@pytest.fixture
def scenes(tmp_path):
    """Two images of 10 x 20 pixels with two objects and one, converted with their masks."""
    for name, value in (("a.jpg", 90), ("b.png", 200)):
        Image.fromarray(np.full((10, 20, 3), value, np.uint8)).save(tmp_path / name)
    square = {"bbox": [2, 1, 6, 4], "segmentation": [[2, 1, 8, 1, 8, 5, 2, 5]]}
    content = {
        "images": [{"id": i, "file_name": n} for i, n in enumerate(("a.jpg", "b.png"))],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, **square},
            {"id": 2, "image_id": 0, "category_id": 2, "bbox": [0, 0, 20, 10], "iscrowd": 1},
            {"id": 3, "image_id": 1, "category_id": 2, "bbox": [5, 5, 2, 2]},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (tmp_path / "i.json").write_text(json.dumps(content))
    source = sources.coco.read(str(tmp_path), str(tmp_path / "i.json"))
    writer.write(source, str(tmp_path / "out"), writer.Options())
    return tmp_path / "out"


def problems(path):
    return [str(p.what) for p in verifier.verify(str(path)) if not isinstance(p, int)]


def rewrite(path, change):
    """Changes the records of the only shard and makes dataset.json agree with the new bytes."""
    raw = json.loads((path / dataset.FILE).read_text())
    shard = raw["splits"]["train"]["shards"][0]
    file = path / shard["file"]
    examples = [tf.train.Example.FromString(r) for r in read.records(str(file))]
    examples.sort(key=lambda e: e.features.feature["image/filename"].bytes_list.value[0])
    for example in examples:
        change(example.features.feature)
    with tf.io.TFRecordWriter(str(file)) as out:
        for example in examples:
            out.write(example.SerializeToString())
    data = file.read_bytes()
    shard |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (path / dataset.FILE).write_text(json.dumps(raw))


def png(values):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def test_a_sound_data_set_has_no_problem(scenes):
    found = list(verifier.verify(str(scenes)))
    assert found == [1, 1]


def _set(key, kind, values):
    def change(features):
        if key in features:
            del features[key]
        getattr(features[key], f"{kind}_list").value.extend(values)

    return change


def _image(features):
    features["image/encoded"].bytes_list.value[0] = b"\xff\xd8\xff cut"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("image/height", "int64", [11]), "the upright image is 20 x 10 pixels"),
        (_set("image/format", "bytes", [b"gif"]), "image/format says 'gif'"),
        (_set("image/key/sha256", "bytes", [b"0"]), "checksum is not image/key/sha256"),
        (_image, "TensorFlow cannot decode the image"),
        (_set("image/class/label", "int64", [7]), "label 7 is not in 0..1"),
        (_set("image/class/text", "bytes", [b"cow"]), "the record says b'cow'"),
        (_set("image/object/class/label", "int64", [0]), "different lengths"),
        (_set("image/object/bbox/xmax", "float", [1.5, 0.1]), "box 0 leaves the image"),
        (_set("image/object/mask", "bytes", [b"x", b""]), "mask 0: unreadable PNG"),
        (_set("image/object/mask", "bytes", [png([[1]]), b""]), "mask 0: a mask of (1, 1)"),
        (_set("image/object/is_crowd", "int64", [0, 4]), "object 1 has is_crowd = 4"),
        (_set("image/object/area", "float", [-1, 1]), "object 0 has the area -1"),
        (lambda features: features.pop("image/width"), "fields are missing: image/width"),
        (_set("image/width", "int64", [20, 20]), "width has 2 values"),
    ],
)
def test_each_kind_of_damage_is_named(scenes, change, words):
    def of_the_first(features):
        if features["image/filename"].bytes_list.value[0] == b"a.jpg":
            change(features)

    rewrite(scenes, of_the_first)
    found = problems(scenes)
    assert any(words in what for what in found), found


def test_shards_are_held_against_dataset_json(scenes):
    (file,) = dataset.read(scenes).files("train")
    with open(file, "r+b") as stream:
        stream.seek(-40, os.SEEK_END)
        stream.write(b"damaged")
    found = problems(scenes)
    assert any("its checksum is" in what for what in found)
    assert any(re.search(r"record 1( \(.+\))? is damaged", what) for what in found)
    assert any("contains 1 records, dataset.json says 2" in what for what in found)
    (scenes / "labels.txt").write_text("cat\n")
    assert any("its 1 names are not those" in what for what in problems(scenes))
    with pytest.raises(errors.DataError, match="does not exist"):
        list(verifier.verify(str(scenes / "nothing")))


def test_an_id_that_is_there_twice_is_found(scenes):
    rewrite(scenes, _set("image/source_id", "bytes", [b"same"]))
    assert any("source_id appears twice" in what for what in problems(scenes))


def test_statistics_are_those_that_one_counts_by_hand(scenes):
    data = dataset.read(scenes)
    found = statistics.summary(statistics.collect(data, "train"), data.class_names)
    assert found["images"] == 2
    assert found["formats"] in ({"jpeg": 1, "png": 1}, {"png": 1, "jpeg": 1})
    assert found["height"] == {"min": 10.0, "median": 10.0, "max": 10.0}
    assert found["objects"] == 3
    assert found["objects_by_class"] == {"cat": 1, "dog": 2}
    assert found["images_by_class"] == {"cat": 1, "dog": 2}
    assert found["boxes"] == {"small": 3, "medium": 0, "large": 0}
    assert (found["crowds"], found["images_without_objects"]) == (1, 0)
    assert found["objects_per_image"] == {"min": 1.0, "median": 1.5, "max": 2.0}
    assert found["together"] == [{"classes": ["cat", "dog"], "images": 1}]


def test_a_drawn_sample_shows_masks_and_boxes_where_they_are(scenes):
    data = dataset.read(scenes)
    records = statistics.sample(data, "train", 2)
    assert len(records) == 2
    (first,) = (r for r in records if read.text(r, "filename") == "a.jpg")
    picture = np.asarray(statistics.drawn(first, data.groups, data.class_names))
    assert picture.shape[1] == 480  # enlarged 24 times, with a line of text below
    assert abs(int(picture[130, 300, 0]) - 90) < 30  # outside the mask: the image's grey
    inside, outside = picture[70, 130].astype(int), picture[200, 400].astype(int)
    assert np.abs(inside - outside).max() > 40


def test_counts_that_disagree_with_the_records_are_problems(scenes):
    content = json.loads((scenes / dataset.FILE).read_text())
    for changes, message in (
        ({"records": 10**9}, "records is 1000000000, its shards hold 2 together"),
        ({"shards": [], "records": 0}, "it has no shards"),
    ):
        changed = {"train": content["splits"]["train"] | changes}
        (scenes / dataset.FILE).write_text(json.dumps(content | {"splits": changed}))
        assert message in problems(scenes)
