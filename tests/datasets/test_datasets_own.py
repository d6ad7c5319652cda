"""One's own samples become records: the pixels, the labels, and what is refused."""

import io
import sys

import class_folders
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import datasets, errors, schema
from tfvision.records import read, shards

pytestmark = pytest.mark.addons

NAMES = ["cat", "dog", "emu"]
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 255, (4, 6, 8, 3), np.uint8)
BOX = [[1.0, 2, 4, 6]]  # rows 1 to 3, columns 2 to 5


def records(folder, split="train"):
    """{source_id: features} of a split."""
    data = datasets.info(folder)
    found = [read.features(r) for file in data.files(split) for r in read.records(file)]
    return {read.text(features, "source_id"): features for features in found}


def jpeg():
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(buffer, "jpeg")
    return buffer.getvalue()


def test_pixels_and_labels_are_stored_as_they_came(tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices((PIXELS, [2, 0, 1, 2]))
    summary = datasets.from_tf(dataset, output=tmp_path, class_names=NAMES, name="mine")
    assert "  files    4 samples in the data set: 4 used" in str(summary)
    found = records(tmp_path)
    for i, label in enumerate([2, 0, 1, 2]):
        np.testing.assert_array_equal(read.picture(found[str(i)]), PIXELS[i])
        assert read.values(found[str(i)], "labels") == [label]
        assert read.text(found[str(i)], "filename") == f"{i:08d}.png"
    assert datasets.info(tmp_path).class_names == tuple(NAMES)
    batches = datasets.load(tmp_path, image_size=(6, 8), training=False)
    ((images, labels),) = batches
    order = [int(read.text(f, "source_id")) for f in found.values()]
    np.testing.assert_allclose(images, PIXELS[order], atol=1e-3)
    np.testing.assert_array_equal(labels, np.array([2, 0, 1, 2])[order])


def test_hot_labels_and_lists_of_ids_are_one_thing(tmp_path):
    samples = [(PIXELS[0], np.array([0.0, 1, 0])), (PIXELS[1], np.array([1.0, 0, 1]))]
    datasets.from_tf(samples, output=tmp_path / "hot", class_names=NAMES)
    listed = [{"image": PIXELS[i], "labels": ids} for i, ids in enumerate([[1], [0, 2]])]
    datasets.from_tf(listed, output=tmp_path / "ids", class_names=NAMES)
    for folder in ("hot", "ids"):
        found = records(tmp_path / folder)
        assert [read.values(found[str(i)], "labels") for i in (0, 1)] == [[1], [0, 2]]


def test_encoded_bytes_stay_and_names_are_taken(tmp_path):
    sample = {"image": jpeg(), "label": 0, "filename": "a.jpg", "source_id": "7"}
    dataset = tf.data.Dataset.from_tensors(sample)
    datasets.from_tf(dataset, output=tmp_path, class_names=NAMES)
    assert read.values(records(tmp_path)["7"], "image") == [jpeg()]


def test_objects_with_masks_and_a_label_map_are_written_together(tmp_path):
    masks = np.zeros((2, 6, 8), bool)
    masks[0, 1:4, 2:6] = masks[1, 0, 0] = True
    label_map = np.full((6, 8, 1), schema.VOID)
    label_map[2, 3] = 1
    targets = {
        "boxes": np.array([*BOX, [0, 0, 1, 1]], np.float32),
        "class_ids": [1, 0],
        "masks": masks,
        "is_crowd": [False, True],
        "label_map": label_map,
    }
    none = {
        "boxes": np.zeros((0, 4), np.float32),
        "class_ids": np.zeros(0, np.int32),
        "masks": np.zeros((0, 6, 8), bool),
        "is_crowd": np.zeros(0, bool),
        "label_map": label_map,
    }
    datasets.from_tf(
        [(PIXELS[0], targets), (PIXELS[1], none)], output=tmp_path, class_names=NAMES, workers=2
    )
    assert datasets.info(tmp_path).groups == ("objects", "masks", "label_map")
    found = records(tmp_path)
    boxes = np.array(read.values(found["0"], "boxes")) * [6, 8, 6, 8]
    np.testing.assert_allclose(boxes, [*BOX, [0, 0, 1, 1]], atol=1e-5)
    assert read.values(found["0"], "class_ids") == [1, 0]
    assert read.values(found["0"], "is_crowd") == [0, 1]
    box, png = (read.values(found["0"], field)[0] for field in ("boxes", "masks"))
    np.testing.assert_array_equal(read.mask(png, box, (6, 8)), masks[0])
    np.testing.assert_array_equal(
        read.png(read.values(found["1"], "label_map")[0]), label_map[..., 0]
    )
    assert read.values(found["1"], "class_ids") == []


def test_grey_pixels_stay_grey(tmp_path):
    datasets.from_tf([(PIXELS[0, :, :, :1], 0)], output=tmp_path, class_names=NAMES)
    (features,) = records(tmp_path).values()
    np.testing.assert_array_equal(read.png(read.values(features, "image")[0]), PIXELS[0, :, :, 0])


@pytest.mark.parametrize(("frame", "box"), [("stored", [2, 2, 6, 5]), ("upright", BOX[0])])
def test_boxes_may_speak_of_a_rotated_jpeg_as_it_is_stored(tmp_path, frame, box):
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored 6 x 8 pixels are turned clockwise: row r, column c to c, 5 - r
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(buffer, "jpeg", exif=exif)
    sample = {"image": buffer.getvalue(), "boxes": BOX, "class_ids": [0]}
    datasets.from_tf([sample], output=tmp_path, class_names=NAMES, annotations_of=frame)
    (features,) = records(tmp_path).values()
    boxes = np.array(read.values(features, "boxes")) * [8, 6, 8, 6]
    np.testing.assert_allclose(boxes, [box], atol=1e-5)


def test_what_was_interrupted_goes_on(tmp_path, monkeypatch):
    samples = [(pixels, i % 3) for i, pixels in enumerate(PIXELS)]
    options = {"class_names": NAMES, "shards": 4, "name": "mine"}
    datasets.from_tf(samples, output=tmp_path / "whole", **options)
    normal, written = shards._describe, []

    def describe(path, images):
        written.append(path)
        if len(written) == 3:
            raise KeyboardInterrupt
        return normal(path, images)

    monkeypatch.setattr(shards, "_describe", describe)
    with pytest.raises(KeyboardInterrupt):
        datasets.from_tf(samples, output=tmp_path / "out", **options)
    datasets.from_tf(samples, output=tmp_path / "out", **options)
    assert len(written) == 5  # two, the third that was not finished, and the last two
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_a_box_that_sticks_out_is_clipped_and_reported(tmp_path):
    sample = {"image": PIXELS[0], "boxes": [[-1, 0, 3, 9]], "class_ids": [0]}
    summary = datasets.from_tf([sample], output=tmp_path, class_names=NAMES)
    assert summary.splits["train"].counts == {("clipped", "box beyond the image"): 1}
    with pytest.raises(errors.DataError, match=r"clipped, box beyond the image.*\(strict=True\)"):
        datasets.from_tf([sample], output=tmp_path, class_names=NAMES, strict=True)


def second(**changes):
    """Two samples with a box, the second one with changes; None takes a key out."""
    good = {"image": PIXELS[0], "boxes": BOX, "class_ids": [1]}
    bad = {key: value for key, value in {**good, **changes}.items() if value is not None}
    return [good, bad]


def labelled(label):
    return [(PIXELS[0], 0), (PIXELS[1], label)]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (labelled(3), "^sample 1: label is 3; class_names has 3, 0 to 2$"),
        (labelled(0.5), r"^sample 1: label is float64 0.5; it must be a whole number"),
        (
            labelled([0, 2, 0]),
            r"^sample 1: label is .*; it is a class id, or 0 and 1 for 3 classes",
        ),
        (labelled(PIXELS[0, :, :, 0] // 80), "^sample 1 has .* key 'label"),
        ([(PIXELS[0].astype(np.float32), 0)], r"sample 0: image is float32 \[6, 8, 3\]; .*tf.cast"),
        ([(PIXELS, [0, 1, 2, 0])], r"sample 0: image is uint8 \[4, 6, 8, 3\]; .*dataset.unbatch"),
        ([(b"no image", 0)], "^sample 0: not an image"),
        (second(image=None), "^sample 1 has no key 'image', and sample 0 has one"),
        (second(bboxes=BOX), "^sample 1 has an unknown key 'bboxes'; did you mean 'boxes'"),
        (second(area=[3.0]), "^sample 1 has a key 'area', and sample 0 has none"),
        (second(class_ids=[-1]), "^sample 1: class_ids is -1; .*leave out what pads boxes"),
        (second(class_ids=[1, 2]), "^sample 1: boxes is of 1 objects; class_ids has 2"),
        (
            second(boxes=[[0, 8, 3, 9]]),
            r"^sample 1: boxes\[0\] is \[0.0, 8.0, .* outside the image",
        ),
        (second(boxes=[[3, 0, 1, 2]]), r"^sample 1: boxes\[0\] is .* with y2 > y1 and x2 > x1"),
        (second(boxes=[1, 2, 3, 4]), r"^sample 1: boxes is int64 \[4\]; they must be \[N, 4\]"),
        (second(boxes=[["a"] * 4]), r"^sample 1: boxes is <U1 \[1, 4\]; it must be numbers"),
        ([(PIXELS[0], np.full((6, 8), 3))], "sample 0: label_map is 3; class_names has 3, 0 to 2;"),
        ([(PIXELS[0], np.zeros((6, 7), int))], r"label_map is int64 \[6, 7\]; .*\[6, 8\]"),
        ([PIXELS[0]], "^sample 0 is a ndarray; it is a dict with the keys"),
        ([{"image": PIXELS[0]}], "^sample 0 has no label, boxes, masks or label_map"),
        ([], "^the data set has no samples"),
    ],
)
def test_a_bad_sample_is_named_and_nothing_is_left(tmp_path, samples, message):
    with pytest.raises(errors.DataError, match=message):
        datasets.from_tf(samples, output=tmp_path / "out", class_names=NAMES)
    assert not (tmp_path / "out").exists()


def test_masks_are_checked_too(tmp_path):
    for masks, message in (
        (np.zeros((1, 6, 7), np.uint8), r"masks is uint8 \[1, 6, 7\]; they must be \[N, H, W\]"),
        (np.full((1, 6, 8), 2), "masks is of 2 somewhere; their values are 0 and 1"),
    ):
        sample = {"image": PIXELS[0], "class_ids": [0], "masks": masks}
        with pytest.raises(errors.DataError, match=message):
            datasets.from_tf([sample], output=tmp_path / "out", class_names=NAMES)


def test_relative_boxes_are_refused(tmp_path):
    with pytest.raises(errors.DataError, match=r"smaller than one pixel .*in pixels"):
        datasets.from_tf(
            second(boxes=[[0.1, 0.2, 0.5, 0.9]])[1:], output=tmp_path, class_names=NAMES
        )


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """Class folders whose order as texts is not that of their numbers."""
    folder = tmp_path_factory.mktemp("numbered")
    class_folders.write(folder, {"": 2}, class_folders.steps(8), names=("10", "9"))
    return folder


def test_keras_directories_keep_their_classes_and_files(numbered, tmp_path):
    made = keras.utils.image_dataset_from_directory(str(numbered), image_size=(4, 4), batch_size=3)
    datasets.from_keras_utils(made, output=tmp_path / "made", name="a")
    datasets.from_keras_utils(numbered, output=tmp_path / "directory", name="a")
    for folder in ("made", "directory"):
        assert datasets.info(tmp_path / folder).class_names == ("10", "9")
        found = records(tmp_path / folder)
        assert sorted(found) == ["10/0.png", "10/1.png", "9/0.png", "9/1.png"]
        for name, features in found.items():
            assert read.values(features, "labels") == [int(name.startswith("9"))]
            assert read.values(features, "image") == [(numbered / name).read_bytes()]


def test_a_keras_subset_of_one_class_finds_its_folder(numbered, tmp_path):
    made = keras.utils.image_dataset_from_directory(str(numbered), batch_size=1)
    made.file_paths = [path for path in made.file_paths if "/9/" in path]
    datasets.from_keras_utils(made, output=tmp_path)
    assert sorted(records(tmp_path)) == ["9/0.png", "9/1.png"]


def test_a_keras_data_set_that_lost_its_files_is_refused(numbered, tmp_path):
    made = keras.utils.image_dataset_from_directory(str(numbered))
    with pytest.raises(errors.UsageError, match="has no file_paths, which Keras sets"):
        datasets.from_keras_utils(made.take(1), output=tmp_path)
    with pytest.raises(errors.UsageError, match="from_keras_utils has no option 'stricd'"):
        datasets.from_keras_utils(made, output=tmp_path, stricd=True)
    with pytest.raises(errors.UsageError, match="from_tf has no option 'images'"):
        datasets.from_tf([(PIXELS[0], 0)], output=tmp_path, class_names=NAMES, images="x")


def test_without_tensorflow_datasets_its_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(errors.UsageError, match=r"pip install 'tfvision\[tfds\]'"):
        datasets.from_tfds("mnist", output=tmp_path)
