"""LabelMe: shapes, groups, flags, where the image is, splits, broken files."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources

TRIANGLE = {"label": "cat", "points": [[1, 1], [9, 1], [5, 8]], "shape_type": "polygon"}
BOX = {"label": "dog", "points": [[6, 8], [2, 3]], "shape_type": "rectangle"}


def content(*shapes, image="a.png", **more):
    """What LabelMe 5.5 writes for an image of 10 x 20 pixels."""
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [{"group_id": None, "description": "", "flags": {}} | s for s in shapes],
        "imagePath": image,
        "imageData": None,
        "imageHeight": 10,
        "imageWidth": 20,
    } | more


def save(path, size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def write(path, *shapes, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content(*shapes, **more)))


@pytest.fixture
def labelme(tmp_path, unpack):
    """A function that writes a.png and a.json with some shapes, and reads them."""
    save(tmp_path / "a.png")

    def function(*shapes, labels=None, **more):
        write(tmp_path / "a.json", *shapes, **more)
        source = sources.FORMATS["labelme"](str(tmp_path), labels=labels)
        return source, *unpack(source)

    return function


def test_every_shape_keeps_its_numbers(labelme):
    circle = {"label": "dog", "points": [[9, 5], [12, 5]], "shape_type": "circle"}
    turned = {"label": "dog", "points": [[4, 1], [7, 4], [4, 7], [1, 4]], "shape_type": "rotation"}
    source, (sample,), findings = labelme(TRIANGLE, BOX, circle, turned | {"difficult": True})
    assert source.class_names == ["cat", "dog"]
    assert source.groups == ("labels", "objects", "masks")
    assert (sample.filename, sample.source_id, sample.size) == ("a.png", "a.png", (10, 20))
    polygon, box, disc, diamond = sample.objects
    assert (polygon.class_id, polygon.box, polygon.mask) == (0, None, [[1, 1, 9, 1, 5, 8]])
    assert (box.class_id, box.box, box.mask) == (1, (3, 2, 8, 6), None)  # y x y x
    assert disc.box == pytest.approx((2, 6, 8, 12))  # a radius of 3 around x 9, y 5
    assert diamond.mask == [[4, 1, 7, 4, 4, 7, 1, 4]]
    assert [o.difficult for o in sample.objects] == [False, False, False, True]
    assert [o.name for o in sample.objects] == ["shape 1", "shape 2", "shape 3", "shape 4"]
    assert (sample.labels, findings) == ([0, 1], [])
    assert labelme(BOX)[0].groups == ("labels", "objects")


def test_a_mask_lies_where_its_first_point_is(labelme, tmp_path, outcome):
    pixels = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    mask = {"label": "cat", "points": [[4, 2], [6, 3]], "shape_type": "mask", "mask": text}
    _, (sample,), findings = labelme(mask)
    assert (sample.objects[0].box, findings) == ((2, 4, 4, 7), [])
    assert outcome(sources.FORMATS["labelme"], str(tmp_path)) == ([], {"a.png": 1})
    for broken in ({"mask": "?"}, {"mask": None}, {"mask": "AAAA"}, {"points": []}):
        _, (sample,), (finding,) = labelme(mask | broken, TRIANGLE)
        assert (finding.kind, finding.reason, len(sample.objects)) == ("dropped", "broken mask", 1)


def test_polygons_of_one_group_and_label_are_one_object(labelme):
    other = TRIANGLE | {"points": [[11, 1], [19, 1], [15, 8]], "group_id": 0}
    _, (sample,), findings = labelme(
        TRIANGLE | {"group_id": 0}, BOX | {"group_id": 0}, other, other | {"group_id": 1}
    )
    joined, box, alone = sample.objects
    assert joined.mask == [[1, 1, 9, 1, 5, 8], [11, 1, 19, 1, 15, 8]]
    assert (box.class_id, alone.mask) == (1, [[11, 1, 19, 1, 15, 8]])
    assert findings == []


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"shape_type": "point", "points": [[1, 1]]}, "shape without area"),
        ({"shape_type": "line", "points": [[1, 1], [2, 2]]}, "shape without area"),
        ({"shape_type": "linestrip", "points": [[1, 1], [2, 2]]}, "shape without area"),
        ({"shape_type": "circle", "points": [[1, 1], [1, 1]]}, "shape without area"),
        ({"shape_type": "circle", "points": [[1, 1]]}, "broken shape"),
        ({"shape_type": "rectangle", "points": [[1, 1], [1, 5]]}, "box without area"),
        ({"shape_type": "rectangle", "points": [[1, 1], [2, None]]}, "broken shape"),
        ({"points": [[1, 1], [2, 2]]}, "broken polygon"),
        ({"points": [[1, 1], [2, 2], [float("nan"), 3]]}, "broken polygon"),
        ({"points": "1 2 3"}, "broken polygon"),
        ({"shape_type": "cuboid"}, "unknown shape"),
        ({"label": " "}, "no class name"),
    ],
)
def test_a_broken_shape_is_dropped_and_the_others_stay(labelme, shape, reason):
    _, (sample,), (finding,) = labelme(TRIANGLE | shape, BOX)
    assert [o.name for o in sample.objects] == ["shape 2"]
    assert (finding.kind, finding.reason) == ("dropped", reason)
    assert finding.detail.startswith("shape 1: ")


def test_a_line_of_three_points_is_closed_and_told(labelme):
    _, (sample,), (finding,) = labelme(TRIANGLE | {"shape_type": "linestrip"})
    assert sample.objects[0].mask == [[1, 1, 9, 1, 5, 8]]
    assert (finding.kind, finding.reason) == ("noted", "line closed to a polygon")


def test_names_are_spelt_as_most_often_and_a_list_refuses_others(labelme):
    shapes = [BOX, BOX | {"label": "Dog "}, BOX]
    source, (sample,), (finding,) = labelme(*shapes)
    assert (source.class_names, sample.labels) == (["dog"], [0])
    assert finding.reason == "class name matched loosely"
    with pytest.raises(errors.DataError, match=r"a\.json: a\.png, shape 1: class 'dog' is not in"):
        labelme(BOX, labels=["cat"])
    nose = {"label": "nose", "shape_type": "point", "points": [[1, 1]]}
    assert labelme(nose, BOX)[0].class_names == ["dog"]


def test_flags_are_the_classes_where_there_are_no_shapes(labelme):
    source, (sample,), findings = labelme(flags={"night": True, "rain": False, "fog": True})
    assert (source.class_names, source.groups) == (["fog", "night", "rain"], ("labels",))
    assert (sample.labels, sample.objects, findings) == ([0, 1], None, [])
    _, samples, (finding,) = labelme(flags={"rain": False})
    assert (samples, finding.kind, finding.reason) == ([], "skipped", "no label")
    source, (sample,), (finding,) = labelme(BOX, flags={"night": True})
    assert (source.class_names, sample.labels) == (["dog"], [0])
    assert (finding.kind, finding.reason) == ("noted", "flags beside shapes")


def test_the_image_is_found_from_the_json_by_its_name_and_anywhere(tmp_path, unpack):
    for name in ("sub/a.png", "b.jpg", "c.png"):
        save(tmp_path / "images" / name)
    folder = tmp_path / "json"
    write(folder / "x.json", BOX, image="..\\images\\sub\\a.png")
    write(folder / "b.json", BOX, image="D:\\photos\\b.bmp")
    write(folder / "y.json", BOX, image="../moved/c.png")
    write(folder / "d.json", BOX, image="../../d.png")
    write(folder / "e.json", BOX, image="e.png", imageData="iVBORw0K")
    source = sources.FORMATS["labelme"](str(tmp_path / "images"), str(folder))
    samples, findings = unpack(source)
    assert [s.filename for s in samples] == ["b.jpg", "c.png", "sub/a.png"]
    assert [(f.kind, f.reason, f.file) for f in findings if f.kind == "skipped"] == [
        ("skipped", "image file missing", "d.json"),
        ("skipped", "image inside its json", "e.json"),
    ]
    assert sorted(f.reason for f in findings if f.kind == "noted") == [
        "file names hold a folder that --images has already",
        "filename disagrees with the file's name",
        "filename disagrees with the file's name",
    ]


def test_splits_and_sub_folders_are_read_and_every_image_is_accounted_for(tmp_path, unpack):
    for name in ("train/one/a.png", "train/two/b.png", "train/c.png", "val/a.png"):
        save(tmp_path / name)
    write(tmp_path / "train/one/a.json", BOX)
    write(tmp_path / "train/two/b.json", BOX, image="b.png")
    write(tmp_path / "val/a.json", TRIANGLE)
    source = sources.read("labelme", str(tmp_path), split="train")
    samples, findings = unpack(source)
    assert source.class_names == ["cat", "dog"]
    assert [s.filename for s in samples] == ["one/a.png", "two/b.png"]
    assert (source.census.found, source.census.used, findings) == (4, 2, [])
    assert {reason: n for reason, (n, _) in source.census.left.items()} == {
        "no json names it": 1,
        "of another split": 1,
    }
    samples, _ = unpack(sources.read("labelme", str(tmp_path), split=""))
    assert [s.filename for s in samples] == ["train/one/a.png", "train/two/b.png", "val/a.png"]


def test_a_broken_json_is_skipped_and_foreign_ones_are_told(labelme, tmp_path):
    save(tmp_path / "b.png")
    (tmp_path / "b.json").write_text('{"shapes": [')
    (tmp_path / "c.json").write_text('{"images": []}')
    _, (sample,), findings = labelme(BOX, imageHeight=0)
    assert (sample.filename, sample.size) == ("a.png", None)
    assert [(f.kind, f.reason, f.file) for f in findings] == [
        ("noted", "recorded size is wrong", "a.png"),
        ("skipped", "broken annotation file", "b.json"),
        ("skipped", "not a LabelMe annotation", "c.json"),
    ]
    assert findings[1].path == str(tmp_path / "b.png")


def test_a_folder_without_labelmes_jsons_is_an_error(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(errors.DataError, match="no json in it or below is LabelMe's; give"):
        sources.FORMATS["labelme"](str(tmp_path))
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(errors.DataError, match=r"first fault: a\.json: not a LabelMe annotation"):
        sources.FORMATS["labelme"](str(tmp_path))
    with pytest.raises(errors.DataError, match="does not exist"):
        sources.FORMATS["labelme"](str(tmp_path), str(tmp_path / "no"))
