"""Selective Search, and its boxes in the records: written, checked, judged."""

import io
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import errors, schema, sources
from tfvision.records import (
    dataset,
    encode,
    image_files,
    proposals,
    read,
    statistics,
    verifier,
    writer,
)

pytestmark = pytest.mark.addons


TRUTH = np.array([[8, 60, 32, 90]])


def scene(seed=0):
    """Rectangles on grey, 40 x 250: the last is TRUTH. So flat and thin, it is searched at once."""
    rng = np.random.default_rng(seed)
    pixels = np.full((40, 250, 3), 100, np.uint8)
    for y, x, h, w in rng.integers([0, 0, 8, 8], [30, 240, 30, 60], (6, 4)):
        pixels[y : y + h, x : x + w] = rng.integers(0, 255, 3)
    pixels[8:32, 60:90] = (200, 30, 30)
    return pixels


@pytest.fixture
def three_boxes(monkeypatch):
    """Stands in for the search: three boxes of a 10 x 20 image."""
    boxes = np.array([[0, 0, 10, 20], [1, 2, 5, 8], [5, 5, 7, 9]], np.float32)
    monkeypatch.setattr(
        proposals, "selective_search", lambda image, *, mode, limit: boxes[: int(limit)]
    )
    return boxes


def write_voc(folder, truths, size=(10, 20)):
    """A Pascal VOC data set: one image for each list of y x y x boxes."""
    for name in ("JPEGImages", "Annotations"):
        (folder / name).mkdir(parents=True)
    for number, boxes in enumerate(truths):
        Image.new("RGB", size[::-1]).save(folder / "JPEGImages" / f"{number}.png")
        objects = "".join(
            f"<object><name>thing</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
            f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for y1, x1, y2, x2 in boxes
        )
        (folder / "Annotations" / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.png</filename>{objects}</annotation>"
        )
    return sources.voc.read(str(folder), split="", labels=["thing"])


def convert(source, output, **options):
    writer.write(source, str(output), writer.Options(**{"proposals": "fast", **options}))
    return dataset.read(output)


def records(data):
    return [read.features(r) for file in data.files("train") for r in read.records(file)]


def test_the_order_is_a_function_of_the_boxes_alone():
    # Places 1 to 4 times their multiples of the golden ratio: 0.62, 0.47, 2.56, 1.89.
    boxes = np.array([[0, 0, 9, 9], [0, 0, 8, 8], [0, 0, 7, 7], [0, 0, 6, 6]])
    wanted = boxes[[1, 0, 3, 2]]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        np.testing.assert_array_equal(proposals.ranked(boxes[order]), wanted)


def test_the_best_overlap_of_a_box_is_that_with_its_nearest_proposal():
    truth = np.array([[0, 0, 4, 4], [10, 10, 12, 12], [0, 0, 0, 0]], np.float32)
    found = np.array([[0, 0, 4, 2], [0, 0, 8, 8], [11, 10, 13, 12]], np.float32)
    np.testing.assert_allclose(proposals.best_overlaps(truth, found), [0.5, 1 / 3, 0])
    np.testing.assert_array_equal(proposals.best_overlaps(truth, found[:0]), [0, 0, 0])
    assert proposals.best_overlaps(truth[:0], found).shape == (0,)


@pytest.mark.parametrize("mode", ["fast", "quality"])
def test_a_square_is_found_and_a_second_search_gives_the_same(mode):
    image = scene()
    found = proposals.selective_search(image, mode=mode)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert (found <= [40, 250, 40, 250]).all()
    assert (found[:, 2:] - found[:, :2] >= 2).all()
    assert len(np.unique(found, axis=0)) == len(found)
    assert proposals.best_overlaps(TRUTH, found)[0] > 0.9
    proposals.selective_search(scene(10), mode="fast")  # C's rand() has gone on
    np.testing.assert_array_equal(proposals.selective_search(image, mode=mode), found)
    first = proposals.selective_search(image, mode=mode, limit=3)
    np.testing.assert_array_equal(first, found[:3])


def test_images_of_any_size_and_of_nothing_have_a_proposal():
    for size in ((1, 1), (1, 300), (30, 20)):
        image = np.full((*size, 3), 7, np.uint8)
        np.testing.assert_array_equal(proposals.selective_search(image), [[0, 0, *size]])


def test_errors_name_the_value_and_the_way_out(monkeypatch):
    with pytest.raises(errors.UsageError, match="did you mean 'fast'"):
        proposals.selective_search(scene(), mode="fats")
    with pytest.raises(errors.UsageError, match="limit of proposals is 0"):
        proposals.check("fast", 0)
    with pytest.raises(errors.UsageError, match=r"not float64 \[4, 4, 3\]"):
        proposals.selective_search(np.zeros((4, 4, 3)))
    for module in (None, types.ModuleType("cv2")):  # not there, and without contributed modules
        monkeypatch.setitem(sys.modules, "cv2", module)
        proposals._segmentation.cache_clear()
        with pytest.raises(errors.UsageError, match=r"pip install 'tfvision\[proposals\]'"):
            writer.write(None, "nowhere", writer.Options(proposals="fast"))
    monkeypatch.undo()
    proposals.check("fast", 1)


def test_the_search_needs_no_tensorflow():
    code = (
        "import sys, numpy; from tfvision.records import proposals;"
        " proposals.selective_search(numpy.zeros((2, 90, 3), numpy.uint8));"
        " assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_records_hold_them_normalised_and_say_so(tmp_path, three_boxes):
    data = convert(write_voc(tmp_path / "voc", [[(1, 2, 5, 8)]]), tmp_path / "out")
    assert data.groups == ("labels", "objects", "proposals")
    (record,) = records(data)
    np.testing.assert_allclose(read.values(record, "proposals"), three_boxes / [10, 20, 10, 20])
    assert list(verifier.verify(str(tmp_path / "out"))) == [1]
    (fewer,) = records(convert(write_voc(tmp_path / "v", [[]]), tmp_path / "two", max_proposals=2))
    assert len(fewer["image/proposals/bbox/xmax"]) == 2
    plain = convert(write_voc(tmp_path / "w", [[]]), tmp_path / "none", proposals="")
    assert plain.groups == ("labels", "objects")
    assert "image/proposals/bbox/ymin" not in records(plain)[0]


def test_recall_is_counted_as_by_hand(tmp_path, three_boxes):
    # The IoU of the first is 1, of the second (2 * 4) / (4 * 3) = 0.667, of the third 4 / 16.
    truths = [[(1, 2, 5, 8), (5, 5, 8, 9)], [(5, 7, 7, 15)]]
    data = convert(write_voc(tmp_path / "voc", truths), tmp_path / "out")
    found = statistics.summary(statistics.collect(data, "train"), data.class_names)
    assert found["proposals_per_image"] == {"min": 3, "median": 3, "max": 3, "mean": 3}
    assert found["recall_of_proposals"] == {
        "0.5": pytest.approx(2 / 3),
        "0.7": pytest.approx(1 / 3),
    }


@pytest.mark.parametrize(
    ("edge", "values", "words"),
    [
        ("ymax", [1.5, 0.5, 0.7], "proposal 0 leaves the image"),
        ("xmin", [0, float("nan"), 0], "proposal 1 leaves the image"),
        ("xmax", [1, 0.4, 0.2], "proposal 2 has no area"),
        ("ymin", [0, 0.1], "proposals have edges of different lengths: [2, 3, 3, 3]"),
        ("ymin", None, "fields are missing: image/proposals/bbox/ymin"),
    ],
)
def test_damaged_proposals_are_named(tmp_path, three_boxes, edge, values, words):
    data = convert(write_voc(tmp_path / "voc", [[]]), tmp_path / "out")
    (file,) = data.files("train")
    (example,) = (tf.train.Example.FromString(r) for r in read.records(file))
    key = f"image/proposals/bbox/{edge}"
    del example.features.feature[key]
    if values is not None:
        example.features.feature[key].float_list.value.extend(values)
    with tf.io.TFRecordWriter(file) as out:
        out.write(example.SerializeToString())
    raw = dataset.load(data.path)  # made to agree with the new bytes
    raw["splits"]["train"]["shards"][0] |= {
        "bytes": os.path.getsize(file),
        "sha256": dataset.digest(file),
    }
    dataset.write(data.path, raw)
    problem, count = verifier.verify(data.path)
    assert count == 1
    assert words in problem.what


@pytest.mark.parametrize("orientation", [3, 6])
def test_turned_photos_are_searched_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = io.BytesIO()
    Image.fromarray(scene()).save(turned, "jpeg", exif=exif)
    image = image_files.normalise(turned.getvalue())
    assert image.kept
    sample = schema.Sample("a.jpg", "a.jpg", "a")
    search = proposals.selective_search
    record = read.features(encode.encode(sample, image, [], [], propose=search).record)
    upright = np.asarray(read.picture(record))
    assert upright.shape[:2] == ((250, 40) if orientation == 6 else (40, 250))
    found = np.array(read.values(record, "proposals")) * [*upright.shape[:2], *upright.shape[:2]]
    np.testing.assert_allclose(found, search(upright), atol=1e-3)


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_workers(tmp_path):
    for number in range(10):  # more than one worker takes at a time
        folder = tmp_path / "photos" / ("a", "b")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(number)).save(folder / f"{number}.png")
    shards = []
    for workers in (1, 2, 4):
        source = sources.folder.read(str(tmp_path / "photos"))
        data = convert(source, tmp_path / str(workers), name="x", workers=workers, shards=2)
        shards.append([shard.sha256 for shard in data.split("train").shards])
    assert shards[0] == shards[1] == shards[2]
    assert data.groups == ("labels", "proposals")


@pytest.mark.slow
def test_the_balloons_of_real_photos_are_found(shared_data):
    folder = shared_data / "inst_balloon" / "val"
    source = sources.via.read(str(folder), str(folder / "via_region_data.json"))
    overlaps, sides, counts = [], [], []
    for sample in source.items:
        image = image_files.normalise((folder / sample.filename).read_bytes())
        record = encode.encode(
            sample, image, source.class_names, ("objects",), propose=proposals.selective_search
        )
        found = read.features(record.record)
        size = np.array([image.height, image.width] * 2)
        boxes = np.array(read.values(found, "boxes")) * size
        made = np.array(read.values(found, "proposals")) * size
        counts.append(len(made))
        overlaps += proposals.best_overlaps(boxes, made).tolist()
        sides += (boxes[:, 2:] - boxes[:, :2]).min(axis=1).tolist()
    overlaps, sides = np.array(overlaps), np.array(sides)
    print(
        f"recall of {len(overlaps)} balloons: {(overlaps >= 0.5).mean():.3f} at IoU 0.5,"
        f" {(overlaps >= 0.7).mean():.3f} at 0.7; {np.mean(counts):.0f} proposals an image"
    )
    assert (len(counts), len(overlaps)) == (8, 17)
    assert (overlaps[sides > 32] >= 0.5).all()  # but two of a few pixels
    assert (overlaps >= 0.7).mean() > 0.8
