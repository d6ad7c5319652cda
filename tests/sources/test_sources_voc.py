"""Pascal VOC xml: splits, class lists, boxes and the rules for broken annotations."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources

BOX = "<bndbox><xmin>3</xmin><ymin>2</ymin><xmax>8</xmax><ymax>6</ymax></bndbox>"
SIZE = "<size><width>20</width><height>10</height><depth>3</depth></size>"
read = sources.FORMATS["voc"]


def _object(name="cat", box=BOX, more=""):
    return f"<object><name>{name}</name>{box}{more}</object>"


@pytest.fixture
def voc(tmp_path):
    """An empty VOC folder and a function that adds an image of 10 x 20 pixels with its xml."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)

    def add(stem, *objects, filename=None, size=SIZE, image=True):
        if image:
            Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(
                tmp_path / "JPEGImages" / f"{stem}.png"
            )
        name = f"{stem}.png" if filename is None else filename
        text = f"<annotation><filename>{name}</filename>{size}{''.join(objects)}</annotation>"
        (tmp_path / "Annotations" / f"{stem}.xml").write_text(text)
        return tmp_path

    return add


def test_boxes_lose_their_one_and_keep_their_flags(voc, unpack):
    part = f"<part><name>head</name>{BOX}</part>"
    difficult = "<difficult>1</difficult>"
    other = BOX.replace("<xmax>8", "<xmax>8.5")
    root = voc("a", _object(more=part), _object("dog", more=difficult), _object(box=other))
    source = read(str(root), split="")
    (sample,), findings = unpack(source)
    assert (source.class_names, source.groups) == (["cat", "dog"], ("labels", "objects"))
    assert (sample.filename, sample.source_id, sample.size) == ("a.png", "a", (10, 20))
    assert sample.labels == [0, 1]
    assert [o.box for o in sample.objects] == [(1, 2, 6, 8), (1, 2, 6, 8), (1, 2, 6, 8.5)]
    assert [o.difficult for o in sample.objects] == [False, True, False]
    assert [o.name for o in sample.objects] == ["object 1", "object 2", "object 3"]
    assert findings == []


def test_a_split_is_its_list_and_classes_are_those_of_all_xmls(voc, unpack):
    voc("a", _object("dog"))
    boxes = [BOX.replace("<xmax>8", f"<xmax>{n}") for n in (7, 8, 9)]
    voc("b b", *map(_object, ("Cat", "cat ", "cat"), boxes))
    root = voc("c")
    (root / "ImageSets/Main/train.txt").write_text("b b  1\nc -1\nb b\nmissing\n../a\n\n")
    (root / "ImageSets/Main/val.txt").write_text("a\n")
    source = read(str(root), split="train")
    samples, findings = unpack(source)
    assert source.class_names == ["cat", "dog"]
    assert [(s.source_id, s.labels) for s in samples] == [("b b", [0]), ("c", [])]
    assert [(f.kind, f.reason, f.file) for f in findings] == [
        ("noted", "class name matched loosely", "b b.png"),
        ("noted", "class name matched loosely", "b b.png"),
        ("noted", "image listed twice", "b b"),
        ("skipped", "image without an annotation file", "missing.xml"),
        ("skipped", "path that leaves the annotation folder", "../a.xml"),
    ]
    assert read(str(root), split="val").class_names == ["cat", "dog"]
    assert len(unpack(read(str(root), split=""))[0]) == 3
    with pytest.raises(errors.DataError, match=r"split 'test' \(it has: train, val\)"):
        read(str(root), split="test")


def test_lists_of_segmentation_do_where_there_are_no_others(voc, unpack):
    voc("a", _object())
    root = voc("b", _object())
    (root / "ImageSets/Segmentation").mkdir()
    (root / "ImageSets/Segmentation/val.txt").write_text("b\n")
    (sample,), _ = unpack(read(str(root), split="val"))
    assert sample.source_id == "b"


def test_without_lists_the_split_does_not_matter(voc, unpack):
    root = voc("a", _object())
    shutil.rmtree(root / "ImageSets")
    assert len(unpack(read(str(root), split="val"))[0]) == 1
    folders = str(root / "JPEGImages"), str(root / "Annotations")
    assert len(unpack(read(*folders, split="val"))[0]) == 1


def test_a_class_list_beside_the_folders_or_the_users_fixes_the_ids(voc, unpack):
    root = voc("a", _object(" Dog\n"))
    (root / "labels.txt").write_text("eel\ndog\n")
    source = read(str(root), split="")
    (sample,), (finding,) = unpack(source)
    assert (source.class_names, sample.labels) == (["eel", "dog"], [1])
    assert finding.reason == "class name matched loosely"
    with pytest.raises(errors.DataError, match=r"a\.xml: object 1: class 'Dog' is not in"):
        unpack(read(str(root), split="", labels=["eel"]))


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        ("a.png", None),
        ("a", None),
        ("", None),
        ("b.png", "filename disagrees with the file's name"),
        ("gone.png", "filename disagrees with the file's name"),
        ("a.jpg", "filename disagrees with the file's name"),
    ],
)
def test_the_image_is_that_of_filename_else_of_the_xmls_name(voc, unpack, filename, reason):
    root = voc("a", filename=filename)
    Image.new("RGB", (20, 10)).save(root / "JPEGImages" / "b.png")
    samples, findings = unpack(read(str(root), split="", labels=["cat"]))
    assert [s.filename for s in samples] == ["b.png" if filename == "b.png" else "a.png"]
    assert [f.reason for f in findings] == ([reason] if reason else [])


@pytest.mark.parametrize(
    "size",
    ["", "<size><width>x</width></size>", "<size><width>9</width><height>nan</height></size>"],
)
def test_a_size_that_says_nothing_is_noted(voc, unpack, size):
    (sample,), (finding,) = unpack(read(str(voc("a", size=size)), split="", labels=["cat"]))
    assert sample.size is None
    assert finding.reason == ("recorded size is wrong" if size else "no recorded size")


def test_unusable_folders_say_what_is_wrong(voc, tmp_path):
    with pytest.raises(errors.DataError, match="Annotations does not exist"):
        read(str(tmp_path / "JPEGImages"), str(tmp_path / "no" / "Annotations"))
    with pytest.raises(errors.DataError, match="there are no classes"):
        read(str(voc("a")), split="")


REASONS = {
    "swapped_x": "box without area",
    "outside_wholly": "box outside the image",
    "nan_coords": "broken box",
    "text_coords": "broken box",
    "empty_coord": "broken box",
    "no_bndbox": "broken box",
    "no_name": "no class name",
    "empty_name": "no class name",
    "duplicate_box": "the same object twice",
    "missing_image": "image file missing",
    "path_traversal": "path that leaves the image folder",
    "cut_xml": "broken annotation file",
    "empty_xml": "broken annotation file",
    "not_voc": "not a Pascal VOC annotation",
    "billion_laughs": "annotation file with entities",
    "xxe": "annotation file with entities",
}
# Objects that stay, where not one.
OBJECTS = {"with_part": 2, "no_objects": 0, "BloodImage_00338": 13}


def test_every_broken_xml_ends_as_its_manifest_expects(shared_data, tmp_path, manifest, outcome):
    rows = manifest("voc/")
    assert len(rows) == 33
    for path, kinds in rows.items():
        stem = path.removeprefix("voc/Annotations/").removesuffix(".xml")
        root = tmp_path / stem
        for folder, extension in (("Annotations", "xml"), ("JPEGImages", "jpg")):
            (root / folder).mkdir(parents=True)
            file = shared_data / "broken_annotations/voc" / folder / f"{stem}.{extension}"
            if file.exists():
                shutil.copy(file, root / folder)
        labels = ["RBC", "WBC", "Platelets"] if stem.startswith("Blood") else ["raccoon"]
        findings, records = outcome(read, str(root), labels=labels)
        assert {f.kind for f in findings} == kinds, (path, findings)
        if stem in REASONS:
            assert [f.reason for f in findings] == [REASONS[stem]], path
        if kinds & {"skipped", "error"}:
            assert records == {}, path
        elif stem != "BloodImage_00343":
            left = 0 if kinds == {"dropped"} and stem != "duplicate_box" else 1
            assert list(records.values()) == [OBJECTS.get(stem, left)], path


@pytest.mark.parametrize(
    ("name", "split", "count", "classes"),
    [
        ("voc_raccoon", "train", 96, ["raccoon"]),
        ("voc_raccoon", "val", 30, ["raccoon"]),
        ("voc_bccd", "train", 130, ["Platelets", "RBC", "WBC"]),
        ("voc_bccd", "val", 41, ["Platelets", "RBC", "WBC"]),
    ],
)
def test_real_sets_have_the_counts_of_their_lists(shared_data, unpack, name, split, count, classes):
    source = read(str(shared_data / name), split=split)
    samples, findings = unpack(source)
    assert (len(samples), source.class_names) == (count, classes)
    assert {f.reason for f in findings} <= {
        "box without area",
        "filename disagrees with the file's name",
    }
