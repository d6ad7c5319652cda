"""VGG Image Annotator: versions, shapes, classes, files of the splits, broken regions."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources

read = sources.FORMATS["via"]
TRIANGLE = {"name": "polygon", "all_points_x": [1, 9, 5], "all_points_y": [1, 1, 8]}
RECT = {"name": "rect", "x": 2, "y": 3, "width": 4, "height": 5}


def _region(shape=TRIANGLE, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


@pytest.fixture
def via(tmp_path, unpack):
    """A function that writes a.png of 10 x 20 pixels and a json with its regions, and reads it."""
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(tmp_path / "a.png")

    def function(*regions, filename="a.png", **options):
        entry = {"filename": filename, "size": 1, "regions": list(regions)}
        (tmp_path / "via_region_data.json").write_text(json.dumps({"a.png1": entry}))
        source = read(str(tmp_path), **options)
        return source, *unpack(source)

    return function


def test_polygons_and_boxes_keep_their_numbers(via):
    line = TRIANGLE | {"name": "polyline"}
    source, (sample,), findings = via(_region(), _region(RECT), _region(line))
    assert (source.class_names, source.groups) == (["object"], ("labels", "objects", "masks"))
    assert (sample.filename, sample.source_id, sample.labels) == ("a.png", "a.png", [0])
    polygon, box, closed = sample.objects
    assert (polygon.box, polygon.mask) == (None, [[1, 1, 9, 1, 5, 8]])
    assert (box.box, box.mask) == ((3, 2, 8, 6), None)  # y x y x of x 2, y 3, w 4, h 5
    assert closed.mask == polygon.mask
    assert [o.name for o in sample.objects] == ["region 1", "region 2", "region 3"]
    assert findings == []
    assert via(_region(RECT))[0].groups == ("labels", "objects")


def test_circles_and_ellipses_become_polygons_with_the_exact_box(via):
    circle = {"name": "circle", "cx": 9, "cy": 5, "r": 3}
    turned = {"name": "ellipse", "cx": 9, "cy": 5, "rx": 4, "ry": 2, "theta": np.pi / 2}
    slanted = turned | {"theta": np.pi / 4}
    _, (sample,), _ = via(*map(_region, (circle, turned, slanted)))
    half = np.sqrt((4**2 + 2**2) / 2)
    expected = [(2, 6, 8, 12), (1, 7, 9, 11), (5 - half, 9 - half, 5 + half, 9 + half)]
    np.testing.assert_allclose([o.box for o in sample.objects], expected)
    for item, area in zip(sample.objects, (9 * np.pi, 8 * np.pi, 8 * np.pi), strict=True):
        points = np.reshape(item.mask, (64, 2))
        x, y = points.T
        shoelace = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert shoelace == pytest.approx(area, rel=0.002)
        assert (points.min(0) >= np.array(item.box)[[1, 0]] - 1e-6).all()


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"name": "point", "cx": 1, "cy": 1}, "shape without area"),
        ({"name": "circle", "cx": 1, "cy": 1, "r": 0}, "shape without area"),
        ({"name": "circle", "cx": 1, "cy": 1, "r": float("nan")}, "broken shape"),
        (RECT | {"x": "two"}, "broken shape"),
        (RECT | {"width": 0}, "box without area"),
        (TRIANGLE | {"all_points_x": [1, 2]}, "broken polygon"),
        (TRIANGLE | {"all_points_x": [1, 2, float("inf")]}, "broken polygon"),
        (TRIANGLE | {"all_points_x": None}, "broken polygon"),
        ({"name": "cuboid"}, "unknown shape"),
        ({}, "unknown shape"),
    ],
)
def test_a_broken_region_is_dropped_and_the_others_stay(via, shape, reason):
    _, (sample,), (finding,) = via(_region(shape), _region())
    assert [o.name for o in sample.objects] == ["region 2"]
    assert (finding.kind, finding.reason) == ("dropped", reason)
    assert finding.detail.startswith("region 1: ")


def test_the_class_is_the_attribute_of_that_name_else_the_only_text(via):
    source, (sample,), findings = via(
        _region(color="red", Class="dog"),
        _region(species="cat"),
        _region(kind={"cat": True, "dog": False}),
        _region(color="red", size="big"),
        _region(),
    )
    assert source.class_names == ["cat", "dog"]
    assert [o.class_id for o in sample.objects] == [1, 0, 0]
    assert [(f.kind, f.reason) for f in findings] == [("dropped", "no class name")] * 2
    assert "color, size" in findings[0].detail


def test_the_users_class_list_names_what_has_no_name(via):
    source, (sample,), _ = via(_region(), labels=["balloon"])
    assert (source.class_names, sample.labels) == (["balloon"], [0])
    with pytest.raises(errors.DataError, match=r"no region has a class, and --labels has 2"):
        via(_region(), labels=["balloon", "kite"])
    with pytest.raises(errors.DataError, match=r"a\.png, region 1: class 'cat' is not in"):
        via(_region(name="cat"), labels=["balloon"])
    _, (sample,), (finding,) = via(_region(name="Kite "), labels=["balloon", "kite"])
    assert (sample.labels, finding.reason) == ([1], "class name matched loosely")


def test_an_image_without_regions_trains_as_background(via):
    source, (sample,), findings = via(labels=["balloon", "kite"])
    assert (source.class_names, sample.objects, sample.labels) == (["balloon", "kite"], [], [])
    assert findings == []
    assert via()[0].class_names == ["object"]


def test_an_image_that_cannot_be_used_is_skipped(via):
    for name, reason in (
        ("../a.png", "path that leaves the image folder"),
        ("b.png", "image file missing"),
        ("", "image file missing"),
    ):
        _, samples, (finding,) = via(_region(), filename=name)
        assert (samples, finding.kind, finding.reason) == ([], "skipped", reason)


def test_a_split_is_a_folder_with_its_own_file(tmp_path, unpack):
    for split in ("train", "val"):
        folder = tmp_path / split
        folder.mkdir()
        Image.new("RGB", (20, 10)).save(folder / "a.png")
        entry = {"filename": "a.png", "regions": {"0": _region(name=split)}}
        (folder / "via_region_data.json").write_text(json.dumps({"a": entry, "again": entry}))
    source = read(str(tmp_path), split="val")
    (sample,), (finding,) = unpack(source)
    assert (source.class_names, sample.filename) == (["val"], "a.png")
    assert (finding.kind, finding.reason) == ("skipped", "image listed twice")
    (same,), _ = unpack(
        read(str(tmp_path), str(tmp_path / "val/via_region_data.json"), split="val")
    )
    assert same == sample
    source = read(str(tmp_path), split="")
    assert source.class_names == ["train", "val"]
    assert [s.filename for s in unpack(source)[0]] == ["train/a.png", "val/a.png"]
    with pytest.raises(errors.DataError, match=r"no via_region_data\.json, nor in test"):
        read(str(tmp_path), split="test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "there are no images in it"),
        ("[]", "contains a list"),
        ('{"a": {"filename"', "not valid JSON"),
        ('{"project": {"pid": 1}, "file": {}}', "is it a json of VIA 1 or 2"),
        ('{"_via_settings": {}, "_via_img_metadata": {}}', "there are no images in it"),
    ],
)
def test_an_unusable_file_is_an_error(tmp_path, text, message):
    (tmp_path / "via_region_data.json").write_text(text)
    with pytest.raises(errors.DataError, match=message):
        read(str(tmp_path))
    with pytest.raises(errors.DataError, match="does not exist"):
        read(str(tmp_path), str(tmp_path / "no.json"))


REASONS = {
    "unequal_points": "broken polygon",
    "two_points": "broken polygon",
    "missing_file": "image file missing",
    "outside": "polygon beyond the image",
}
# Objects of the two images' records; the sound file has 1 and 1.
OBJECTS = {"rect_circle_ellipse": [4, 1], "missing_file": [1]}
OBJECTS |= {stem: [0, 1] for stem in ("unequal_points", "two_points", "no_regions")}


def test_every_broken_json_ends_as_its_manifest_expects(shared_data, tmp_path, manifest, outcome):
    rows = manifest("via/")
    assert len(rows) == 9
    folder = shared_data / "broken_annotations"
    for path in (folder / "via").glob("*.jpg"):
        shutil.copy(path, tmp_path)
    for path, kinds in rows.items():
        stem = path.removeprefix("via/").removesuffix(".json")
        findings, records = outcome(read, str(tmp_path), str(folder / path), labels=["balloon"])
        assert {f.kind for f in findings} == kinds, (path, findings)
        assert [f.reason for f in findings] == ([REASONS[stem]] if stem in REASONS else []), path
        assert [n for _, n in sorted(records.items())] == OBJECTS.get(stem, [1, 1]), path


@pytest.mark.parametrize(("split", "count", "objects"), [("train", 30, 157), ("val", 8, 17)])
def test_balloons_have_the_counts_of_their_readme(shared_data, unpack, split, count, objects):
    source = read(str(shared_data / "inst_balloon"), split=split, labels=["balloon"])
    samples, findings = unpack(source)
    assert (len(samples), source.class_names) == (count, ["balloon"])
    assert {f.kind for f in findings} <= {"clipped"}  # train: the test below
    assert sum(len(s.objects) for s in samples) == objects


def test_points_one_past_the_last_pixel_are_pulled_to_the_edge(shared_data, unpack):
    source = read(str(shared_data / "inst_balloon"), split="train", labels=["balloon"])
    _, findings = unpack(source)
    assert {(f.kind, f.reason) for f in findings} == {("clipped", "polygon beyond the image")}
    named = {"4955354786", "120853323", "155815494"}  # in the manifest; four more are like them
    found = {f.file.split("_")[0] for f in findings}
    assert found == named | {"5013250607", "3945575930", "3342804367", "2354829160"}
