"""Class folders: names, splits, what is skipped and what is refused."""

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources


def _image(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 6, 3), value, np.uint8)).save(path, "png")


@pytest.fixture
def animals(tmp_path):
    for name in ("dog", "cat"):
        for i in range(2):
            _image(tmp_path / "animals" / name / f"{i}.png", i)
    return tmp_path / "animals"


def test_class_ids_follow_the_sorted_folder_names(animals, unpack):
    source = sources.FORMATS["folder"](str(animals), None)
    samples, _ = unpack(source)
    assert source.class_names == ["cat", "dog"]
    assert source.groups == ("labels",)
    assert source.category_ids is None
    assert [(s.filename, s.labels) for s in samples] == [
        ("cat/0.png", [0]),
        ("cat/1.png", [0]),
        ("dog/0.png", [1]),
        ("dog/1.png", [1]),
    ]
    assert all(s.objects is None and s.source_id == s.filename for s in samples)


def test_a_folder_of_the_splits_name_is_used_if_it_holds_classes(tmp_path, animals, unpack):
    root = tmp_path / "both"
    _image(root / "val" / "cat" / "a.png")
    _image(root / "train" / "dog" / "b.png")
    (sample,), _ = unpack(sources.folder.read(str(root), split="val"))
    assert sample.filename == "cat/a.png"
    _image(animals / "train" / "thomas.png")  # a class of that name
    assert sources.folder.read(str(animals), split="train").class_names == ["cat", "dog", "train"]


def test_what_is_no_image_is_skipped_with_a_finding(animals, tmp_path, unpack):
    (animals / "cat" / ".hidden.png").write_bytes(b"x")
    (animals / "cat" / "notes.txt").write_text("no image")
    (animals / "cat" / "more").mkdir()
    _image(animals / "cat" / "no_extension")
    _image(tmp_path / "elsewhere.png")
    (animals / "cat" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (animals / "cat" / "twin.png").symlink_to(animals / "cat" / "0.png")
    samples, findings = unpack(sources.folder.read(str(animals)))
    assert {(f.file, f.reason) for f in findings} == {
        ("cat/.hidden.png", "hidden file"),
        ("cat/notes.txt", "not an image"),
        ("cat/more", "folder without images"),
        ("cat/link.png", "link that leads out of the folder"),
    }
    names = {s.filename for s in samples}
    assert {"cat/no_extension", "cat/twin.png"} <= names


def test_a_broken_image_is_left_for_the_writer_to_refuse(animals, unpack):
    (animals / "cat" / "empty.jpg").write_bytes(b"")
    samples, _ = unpack(sources.folder.read(str(animals)))
    assert "cat/empty.jpg" in [s.filename for s in samples]


def test_a_label_file_fixes_the_class_ids(animals, unpack):
    source = sources.folder.read(str(animals), labels=["eel", "Dog", "cat"])
    assert source.class_names == ["eel", "Dog", "cat"]
    samples, findings = unpack(source)
    assert [s.labels for s in samples] == [[2], [2], [1], [1]]
    assert [f.reason for f in findings] == ["class name matched loosely"]
    with pytest.raises(errors.DataError, match="class 'cat' is not in the class list of --labels"):
        sources.folder.read(str(animals), labels=["dog", "cats"])


def test_unusable_folders_say_what_is_wrong(animals, tmp_path, unpack):
    with pytest.raises(errors.DataError, match="does not exist"):
        sources.folder.read(str(tmp_path / "nowhere"))
    with pytest.raises(errors.DataError, match="no class folders"):
        sources.folder.read(str(animals / "cat"))
    with pytest.raises(errors.UsageError, match="no annotations"):
        sources.folder.read(str(animals), "x.json")
    (animals / "eel").mkdir()
    with pytest.raises(errors.DataError, match="class 'eel' has no images"):
        unpack(sources.folder.read(str(animals)))


def test_a_split_that_was_not_named_is_suggested(tmp_path, unpack):
    _image(tmp_path / "training" / "cat" / "a.png")
    with pytest.raises(errors.DataError, match="--split=training"):
        unpack(sources.folder.read(str(tmp_path), split="train"))


def test_hymenoptera_has_the_counts_of_its_readme(shared_data, unpack):
    for split, count in (("train", 140), ("val", 60)):
        source = sources.folder.read(str(shared_data / "cls_hymenoptera"), split=split)
        assert source.class_names == ["ants", "bees"]
        samples, findings = unpack(source)
        assert len(samples) == count
        assert findings == []
