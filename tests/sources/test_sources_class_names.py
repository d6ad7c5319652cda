import json
import os
import unicodedata

import pytest
from PIL import Image

from tfvision import errors, sources
from tfvision.records import verifier, writer
from tfvision.sources import class_names
from tfvision.sources.source import ClassList, check_class_names

LATIN = os.fsdecode(b"caf\xe9")
NFD, NFC = unicodedata.normalize("NFD", "épée"), "épée"
# As somebody writes a name -> as it is stored, and what the report says of it.
ODD = {
    "a b": ("a b", ""),
    "50% #1": ("50% #1", ""),
    'it\'s "so"': ('it\'s "so"', ""),
    "a,b": ("a,b", ""),
    "$x$": ("$x$", ""),
    "<b>": ("<b>", ""),
    "-dash": ("-dash", ""),
    "猫": ("猫", ""),
    NFD: (NFC, ""),
    "traffic\nlight": ("traffic light", "white space in a class name made one blank"),
    "no\tentry": ("no entry", "white space in a class name made one blank"),
    "one\u2028two": ("one two", "white space in a class name made one blank"),
    "bell\x07ring": ("bell ring", "white space in a class name made one blank"),
}
STORED = sorted(name for name, _ in ODD.values())
REASONS = sorted(reason for _, reason in ODD.values() if reason)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (90, 20, 10)).save(path)


def converted(source, folder):
    """The class names that are stored and the reasons of the findings, after a verification."""
    writer.write(source, str(folder), writer.Options())
    assert [found for found in verifier.verify(str(folder)) if found != 1] == []
    with open(folder / "dataset.json", encoding="utf-8") as file:
        found = json.load(file)
    listed = found["splits"]["train"]["findings"]["listed"]
    labels = (folder / "labels.txt").read_text(encoding="utf-8")
    assert labels == "".join(f"{name}\n" for name in found["class_names"])
    reasons = sorted(entry["reason"] for entry in listed if "same image" not in entry["reason"])
    return found["class_names"], reasons


def test_folders_of_odd_names_are_classes(tmp_path):
    for name in ODD:
        picture(tmp_path / "images" / name / f"{name}.png")
    names, reasons = converted(sources.FORMATS["folder"](str(tmp_path / "images")), tmp_path / "o")
    assert sorted(names) == STORED
    assert reasons == REASONS


def test_a_folder_that_is_no_utf_8_is_a_class_and_its_images_keep_their_bytes(tmp_path):
    try:
        picture(tmp_path / "images" / LATIN / f"{LATIN}.png")
    except OSError:
        pytest.skip("this file system has no such names")
    source = sources.FORMATS["folder"](str(tmp_path / "images"))
    finding, sample = source.items
    assert source.class_names == ["café"]
    assert finding.reason == "class name is not UTF-8"
    assert os.fsencode(sample.filename) == b"caf\xe9/caf\xe9.png"
    source = sources.FORMATS["folder"](str(tmp_path / "images"))
    assert converted(source, tmp_path / "out") == (["café"], ["class name is not UTF-8"])


def test_two_unicode_forms_of_a_folder_are_one_class(tmp_path):
    for name in (NFC, NFD):
        picture(tmp_path / "images" / name / "one.png")
    if len(os.listdir(tmp_path / "images")) == 1:
        pytest.skip("this file system has one form alone")
    source = sources.FORMATS["folder"](str(tmp_path / "images"))
    assert source.class_names == [NFC]
    assert [sample.labels for sample in source.items] == [[0], [0]]


def test_coco_categories_of_odd_names(tmp_path):
    picture(tmp_path / "images" / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 8}],
        "categories": [{"id": i, "name": name} for i, name in enumerate(ODD, 1)],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": i, "bbox": [1, 1, 4, 4], "area": 16,
             "iscrowd": 0}
            for i in range(1, len(ODD) + 1)
        ],
    }  # fmt: skip
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    source = sources.FORMATS["coco"](str(tmp_path / "images"), str(path))
    names, reasons = converted(source, tmp_path / "out")
    assert names == [name for name, _ in ODD.values()]
    assert reasons == REASONS


def test_the_names_of_a_yolo_yaml(tmp_path):
    picture(tmp_path / "images" / "train" / "a.png")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    lines = [f"{i} 0.5 0.5 0.5 0.5\n" for i in range(len(ODD))]
    (tmp_path / "labels" / "train" / "a.txt").write_text("".join(lines))
    path = tmp_path / "data.yaml"
    path.write_text(json.dumps({"names": list(ODD), "train": "images/train"}), encoding="utf-8")
    source = sources.FORMATS["yolo"](str(tmp_path / "images"), str(path))
    names, reasons = converted(source, tmp_path / "out")
    assert names == [name for name, _ in ODD.values()]
    assert reasons == REASONS


def test_two_unicode_forms_in_the_rows_of_a_table_are_one_class(tmp_path):
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "images" / "b.png")
    path = tmp_path / "labels.csv"
    path.write_text(f"path,label\na.png,{NFC}\nb.png,{NFD}\n", encoding="utf-8")
    source = sources.FORMATS["csv"](str(tmp_path / "images"), str(path))
    assert source.class_names == [NFC]
    assert [sample.labels for sample in source.items] == [[0], [0]]


def test_a_list_by_id_refuses_two_forms_of_one_name():
    with pytest.raises(errors.DataError, match="'épée' appears twice"):
        check_class_names([NFC, "cat", NFD], "labels.txt")
    with pytest.raises(errors.DataError, match="empty name"):
        check_class_names(["\n"], "labels.txt")


def test_a_name_is_found_in_either_form():
    classes = ClassList([NFD, "traffic\nlight"], "labels.txt")
    assert classes.names == [NFC, "traffic light"]
    assert classes.find(NFC, "") == classes.find(NFD, "") == (0, "")
    assert classes.find("traffic light", "") == (1, "")
    assert classes.find("traffic  light", "") == (1, "name trimmed: 'traffic  light'")
    assert classes.find(NFD.upper(), "")[0] == 0


def test_half_of_a_pair_from_broken_json_is_a_replacement():
    assert class_names.clean("a\ud83d") == "a\ufffd"
