"""`datasets.convert` does what the command does, and its errors name arguments."""

import class_folders
import pytest
import verbs
from PIL import Image

from tfvision import datasets, errors


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    class_folders.write(folder, {"": 5}, class_folders.steps(8))
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_python_writes_and_says_what_the_command_does(photos, tmp_path, capsys):
    split = {"train": 0.6, "val": 0.4}
    summary = datasets.convert(
        format="folder", images=photos, output=tmp_path / "python", name="zoo", split=split
    )
    assert capsys.readouterr().out == ""
    verbs.run(
        *("convert", "--format=folder", f"--images={photos}", "--split=train:0.6,val:0.4"),
        *(f"--output={tmp_path / 'command'}", "--name=zoo"),
    )
    said = capsys.readouterr().out
    assert said.replace("/command", "/python") == f"{summary}\n"
    assert content(tmp_path / "python") == content(tmp_path / "command")
    assert {name: done.images for name, done in summary.splits.items()} == {"train": 6, "val": 4}
    assert summary.class_names == ("dark", "light")


def test_names_of_classes_may_be_a_list(photos, tmp_path):
    names = ["light", "dark"]
    summary = datasets.convert(format="folder", images=photos, output=tmp_path, labels=names)
    assert summary.class_names == ("light", "dark")


def test_a_conversion_is_iterated_and_ends_with_its_summary(photos, tmp_path):
    work = datasets.converting(format="folder", images=photos, output=tmp_path / "out")
    seen = [(progress.step, progress.done, progress.total) for progress in work]
    assert seen == [
        *(("reading", done, None) for done in range(1, 11)),
        *(("writing", done, 10) for done in range(1, 11)),
    ]
    assert work.summary.splits["train"].images == 10
    assert next(work, None) is None
    assert work.summary is not None


def test_a_conversion_that_is_left_early_leaves_nothing(photos, tmp_path):
    for progress in datasets.converting(format="folder", images=photos, output=tmp_path / "out"):
        if progress.step == "writing" and progress.done == 3:
            break
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "foldr"}, "unknown format 'foldr'; did you mean 'folder'"),
        ({"output": ""}, "^output is missing"),
        ({"spilt": "val"}, "datasets.convert has no option 'spilt'; did you mean 'split'"),
        ({"boxes": "xyxy"}, "^boxes goes with format='coco', not with folder"),
        ({"quality": 5}, "quality='5' is of shrunk images; give max_side too"),
        ({"seed": -1}, "^seed is -1; it must be at least 0"),
        ({"seed": "1"}, "seed is '1', a str"),
        ({"annotations_of": "store"}, "unknown annotations_of 'store'; did you mean 'stored'"),
        ({"split": {"train": 0.5}}, "split 'train:0.5': give one name, or shares"),
        ({"runner": "DirectRunner", "workers": 2}, "^workers goes without runner;"),
    ],
)
def test_a_wrong_argument_is_named(photos, tmp_path, options, message):
    options = {"format": "folder", "images": photos, "output": tmp_path / "out", **options}
    with pytest.raises(errors.UsageError, match=message):
        datasets.convert(**options)
    assert not (tmp_path / "out").exists()


def test_errors_of_data_name_arguments_too(photos, tmp_path):
    images = tmp_path / "photos"
    class_folders.write(images, {"": 1}, class_folders.steps(8))
    (images / "dark" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    options = {"format": "folder", "images": images, "output": tmp_path / "out"}
    with pytest.raises(errors.DataError, match="leave such images out with skip_unreadable=True"):
        datasets.convert(**options)
    with pytest.raises(errors.DataError, match=r"unreadable image.* \(strict=True\)$"):
        datasets.convert(**options, strict=True, skip_unreadable=True)
    assert not (tmp_path / "out").exists()
    Image.new("L", (8, 8)).save(images / "dark" / "broken.png")
    assert datasets.convert(**options).splits["train"].images == 3
