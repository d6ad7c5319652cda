"""Inputs that failed once, as strangers' data sets hold them: each ends as its text says."""

import re
import shlex
import shutil

import pytest
import tensorflow as tf

from tfvision import errors, sources
from tfvision.records import plausible, writer

# case -> (images, objects or None, class names or None, what must be said); or the error's text.
CASES = {
    "coco_backslash": (2, 2, None, "file names hold a folder that --images has already"),
    "coco_bboxstr": (2, 2, None, ""),
    "coco_floatid": (2, 2, None, ""),
    "coco_iscrowd_string": (3, 3, None, ""),
    "coco_normalised_boxes": r"boxes are all smaller than one pixel .*COCO wants .* in pixels",
    "coco_one_bad_part": (2, 2, None, "part of a polygon left out"),
    "coco_prefix": (2, 2, None, "file names hold a folder that --images has already"),
    "csv_objdet_table": (2, 3, ["cat", "dog"], ""),
    "folder_macosx": (4, None, ["ants", "bees"], "folder left by an archive"),
    "gray16_12bit": (3, None, None, r"use only 0\.\.3504; the high byte keeps 14 levels"),
    "mask_255": (2, None, None, r"class 'b' has no pixel while 50% of all .* --mask_values="),
    "mask_rgb": r"0\.png: color-coded mask .*\(0, 0, 0\), \(255, 0, 0\).* --mask_colors=FILE",
    "mask_rgba": (2, None, None, "class 'a' has no pixel"),
    "masks_labels_flag_csv": (3, None, ["background", "cat", "dog"], ""),
    "masks_other_prefix": (2, None, None, ""),
    "nfd_class_names": (3, 3, ["caf\u00e9"], ""),
    "pbtxt_octal_escape": (1, 1, ["caf\u00e9", "dog"], ""),
    "png_big_ztxt": (5, None, ["a", "b"], ""),
    "seg_all_void": (4, None, None, "every pixel of every mask is void: there is nothing to"),
    "via_two_attributes": r"attributes damage, severity, .* --class_attribute=damage",
    "voc_exif_6_and_3": (4, 4, None, ""),
    "voc_gb": (1, 1, ["\u732b"], ""),
    "voc_list_with_extension": (3, 3, None, ""),
    "voc_upper_xml": (3, 3, None, ""),
    "yolo_conf": (2, 2, None, "confidence left out"),
    "yolo_kpt": (2, 2, None, "key points left out"),
    "yolo_labels_beside_and_apart": (4, 4, None, ""),
    "yolo_nested": (5, 5, None, ""),
    "yolo_same_stem": (2, 2, None, r"one annotation file for two images.*a\.jpg"),
    "yolo_upper": (2, 2, None, ""),
}


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """A function: a folder with the file `cmd`, more options -> (source, report, what is said)."""

    def function(folder, **options):
        monkeypatch.chdir(folder)
        words = shlex.split((folder / "cmd").read_text())
        flags = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
        source = sources.read(
            flags["format"],
            flags["images"],
            flags.get("annotations"),
            split=flags["split"],
            label_file=flags.get("labels", ""),
            options=sources.Options(**options),
        )
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        report = writer.write(source, str(out), writer.Options(split=flags["split"]))["train"]
        notes, _ = plausible.notes(report, source.class_names, source.groups)
        return source, report, (out / "report.txt").read_text() + " ".join(notes)

    return function


def _accounted(report):
    census = report.census
    assert census.used == report.images
    assert census.found == census.used + sum(count for count, _ in census.left.values())


@pytest.mark.parametrize("name", CASES)
def test_a_case_ends_as_its_text_says(shared_data, convert, name):
    folder = shared_data.parent / "cases" / name
    if isinstance(CASES[name], str):
        with pytest.raises(errors.DataError, match=CASES[name]):
            convert(folder)
        return
    images, objects, classes, said = CASES[name]
    source, report, text = convert(folder)
    assert report.images == images
    assert objects in (None, report.objects)
    assert classes in (None, source.class_names)
    assert re.search(said, text, re.DOTALL)
    _accounted(report)


def test_every_case_is_in_the_table(shared_data):
    folders = {path.name for path in (shared_data.parent / "cases").iterdir() if path.is_dir()}
    # Its records are not there: tests/sources/test_sources_tfrecord.py makes them.
    assert folders - {"tfrecord_text_disagrees"} == set(CASES)


def test_values_and_colors_of_masks_are_what_the_user_says(shared_data, convert, tmp_path):
    cases = shared_data.parent / "cases"
    source, report, _ = convert(cases / "mask_255", mask_values="0:a,255:b")
    assert source.class_names == ["a", "b"]
    assert report.classes[0] == report.classes[1] > 0
    table = tmp_path / "colors.csv"
    names = (cases / "mask_rgb" / "labels.txt").read_text().split()
    table.write_text(f"name,r,g,b\n{names[0]},0,0,0\n{names[1]},255,0,0\n")
    source, report, _ = convert(cases / "mask_rgb", mask_colors=str(table))
    assert source.class_names == names
    assert report.classes[0] > 0
    assert report.classes[1] > 0
    assert 255 not in report.classes


def test_one_rule_of_a_data_set_turns_every_rotated_image(shared_data, convert, tmp_path):
    """The red square is at 10..30 x 5..25 of the 96 x 64 stored pixels in every file."""
    _, report, text = convert(shared_data.parent / "cases" / "voc_exif_6_and_3")
    (shard,) = (tmp_path / "out").glob("*.tfrecord")
    found = {}
    for record in tf.data.TFRecordDataset(str(shard)):
        values = tf.train.Example.FromString(record.numpy()).features.feature
        edges = [values[f"image/object/bbox/{e}"].float_list.value[0]
                 for e in ("ymin", "xmin", "ymax", "xmax")]  # fmt: skip
        size = [values[f"image/{s}"].int64_list.value[0] for s in ("height", "width")]
        name = values["image/filename"].bytes_list.value[0].decode()
        found[name] = [round(e * s) for e, s in zip(edges, size * 2, strict=True)]
    assert found["o3.jpg"] == [64 - 25, 96 - 30, 64 - 5, 96 - 10]  # turned by 180 degrees
    assert found["o2.jpg"] == [5, 96 - 30, 25, 96 - 10]  # mirrored
    assert found["o6.jpg"] == [10, 64 - 25, 30, 64 - 5]  # a quarter clockwise
    assert found["o8.jpg"] == [96 - 30, 5, 96 - 10, 25]
    assert report.objects == 4
    assert "cannot know" not in text
