"""Builders of TensorFlow Datasets, made here from a few drawn images, become records."""

import io

import class_folders
import numpy as np
import pytest
from PIL import Image

from tfvision import datasets, errors
from tfvision.records import read

tfds = pytest.importorskip(
    "tensorflow_datasets", reason="the extra tfds is not installed (make install)"
)
pytestmark = pytest.mark.filterwarnings("default")  # of its own and of etils'

NAMES = ["cat", "dog"]
BOXES = [tfds.features.BBox(0.25, 0.5, 0.75, 1.0), tfds.features.BBox(0.5, 0.5, 0.5, 1.0)]


def jpeg(shade):
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 12, 3), shade, np.uint8)).save(buffer, "jpeg")
    buffer.seek(0)
    return buffer


class Scenes(tfds.core.GeneratorBasedBuilder):
    """Two images with objects, labels and a label map."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        label = tfds.features.ClassLabel(names=NAMES)
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "image/filename": tfds.features.Text(),
            "labels": tfds.features.Sequence(label),
            "objects": tfds.features.Sequence(
                {
                    "bbox": tfds.features.BBoxFeature(),
                    "label": label,
                    "is_difficult": np.bool_,
                    "pose": tfds.features.Text(),
                }
            ),
            "segmentation_mask": tfds.features.Image(shape=(None, None, 1)),
            "fine": tfds.features.ClassLabel(names=["a", "b", "c"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        label_map = np.zeros((8, 12, 1), np.uint8)
        label_map[:4] = 1
        for i in range(2):
            objects = [
                {"bbox": box, "label": n, "is_difficult": n == 1, "pose": ""}
                for n, box in enumerate(BOXES[: i + 1])
            ]
            yield (
                i,
                {
                    "image": jpeg(100 * i),
                    "image/filename": f"{i}.jpg",
                    "labels": [i],
                    "objects": objects,
                    "segmentation_mask": label_map,
                    "fine": 2,
                },
            )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    builder = Scenes(data_dir=str(tmp_path_factory.mktemp("tfds")))
    tfds.disable_progress_bar()
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    return builder


def records(folder, split="train"):
    """{file name: features} of a split."""
    data = datasets.info(folder)
    found = [read.features(r) for file in data.files(split) for r in read.records(file)]
    return {read.text(features, "filename"): features for features in found}


def test_everything_that_a_builder_has_is_written(scenes, tmp_path):
    summary = datasets.from_tfds(scenes, output=tmp_path, keys={"label": None})
    assert summary.splits["train"].counts == {("dropped", "box without area"): 1}
    data = datasets.info(tmp_path)
    assert (data.name, data.class_names) == ("scenes", ("cat", "dog"))
    assert data.groups == ("labels", "objects", "label_map")
    found = records(tmp_path)
    for i in range(2):
        features = found[f"{i}.jpg"]
        assert read.values(features, "image") == [jpeg(100 * i).getvalue()]
        assert read.values(features, "labels") == [i]
        boxes = np.array(read.values(features, "boxes")) * [8, 12, 8, 12]
        np.testing.assert_allclose(boxes, [[2, 6, 6, 12]])
        assert read.values(features, "class_ids") == [0]
        assert read.values(features, "difficult") == [0]
        pixels = read.png(read.values(features, "label_map")[0])
        np.testing.assert_array_equal(pixels[:, 0], [1] * 4 + [0] * 4)


def test_keys_say_what_a_feature_is(scenes, tmp_path):
    left = dict.fromkeys(("labels", "boxes", "class_ids", "difficult", "label_map"))
    keys = {"label": "fine", **left}
    options = {"split": {"train": 0.5, "val": 0.5}, "tfds_split": "train", "name": "fine"}
    summary = datasets.from_tfds(scenes, output=tmp_path, keys=keys, **options)
    assert summary.class_names == ("a", "b", "c")
    assert {name: done.images for name, done in summary.splits.items()} == {"train": 1, "val": 1}
    (features,) = records(tmp_path, "val").values()
    assert read.values(features, "labels") == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "fine and labels have other classes: class 0 is 'a' here and 'cat' there"),
        ({"keys": {"label": "fin"}}, "no feature 'fin'; did you mean 'fine'"),
        ({"keys": {"lable": "fine"}}, "keys has no option 'lable'; did you mean 'label'"),
        ({"keys": {"label": None}, "split": "test"}, "^split 'test' of scenes: "),
        ({"split": "train:0.5,val:0.5"}, "^tfds_split is missing"),
        ({"keys": {"label": None}, "stricd": True}, "from_tfds has no option 'stricd'"),
        ({"keys": {"image": None}}, "^the data set has no image"),
    ],
)
def test_what_is_open_or_wrong_is_refused(scenes, tmp_path, options, message):
    with pytest.raises(errors.UsageError, match=message):
        datasets.from_tfds(scenes, output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_image_folders_of_theirs_are_read(tmp_path):
    class_folders.write(tmp_path / "photos", {"train": 2}, class_folders.steps(8))
    builder = tfds.folder_dataset.ImageFolder(str(tmp_path / "photos"))
    datasets.from_tfds(builder, output=tmp_path / "out")
    assert datasets.info(tmp_path / "out").class_names == ("dark", "light")
    found = records(tmp_path / "out")
    assert sorted(found) == ["dark/0.png", "dark/1.png", "light/0.png", "light/1.png"]
    for name, features in found.items():
        assert read.values(features, "image") == [(tmp_path / "photos/train" / name).read_bytes()]


def test_unknown_builders_are_refused(tmp_path):
    with pytest.raises(errors.UsageError, match="builder 'no_such_data': "):
        datasets.from_tfds("no_such_data", output=tmp_path)


def test_a_data_set_that_cannot_be_prepared_is_one_line(tmp_path, monkeypatch):
    def fail(self):
        raise OSError("no network\nat all")

    monkeypatch.setattr(Scenes, "download_and_prepare", fail)
    monkeypatch.setattr(tfds, "builder", lambda name: Scenes(data_dir=str(tmp_path)))
    with pytest.raises(errors.DataError, match=r"^builder 'scenes' cannot be prepared: .*network"):
        datasets.from_tfds("scenes", output=tmp_path / "out")
