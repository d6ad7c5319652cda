"""CVAT's xml for images and for videos: shapes, tags, subsets, frames, broken entries."""

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources
from tfvision.ops import masks

META = """<meta><task><id>1</id><size>{frames}</size>{size}<labels>
<label><name>dog</name><color>#fff</color><type>any</type></label>
<label><name>cat</name><type>any</type></label>
<label><name>nose</name><type>points</type><parent>dog</parent></label>
</labels></task></meta>"""
BOX = '<box label="dog" occluded="1" xtl="2.0" ytl="3.0" xbr="6.0" ybr="8.0" z_order="0"/>'


def document(body, frames=4, size=""):
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
    return f"{head}{META.format(frames=frames, size=size)}{body}</annotations>"


def image(body, name="a.png", more=""):
    return f'<image id="0" name="{name}" width="20" height="10" {more}>{body}</image>'


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 10)).save(path)


@pytest.fixture
def cvat(tmp_path, unpack):
    """A function that writes an xml beside a.png and reads it."""
    save(tmp_path / "a.png")

    def function(text, **options):
        (tmp_path / "annotations.xml").write_text(text, encoding="utf-8")
        source = sources.read("cvat", str(tmp_path), **options)
        return source, *unpack(source)

    return function


def test_every_shape_keeps_its_numbers(cvat):
    shapes = (
        BOX
        + '<polygon label="cat" points="1.0,1.0;9.0,1.0;5.0,8.0"/>'
        + '<ellipse label="cat" cx="9" cy="5" rx="4" ry="2" rotation="90"/>'
        + '<mask label="cat" rle="1, 2, 2, 1" left="4" top="2" width="3" height="2"/>'
    )
    source, (sample,), findings = cvat(document(image(shapes)))
    assert source.class_names == ["dog", "cat"]  # the order of <meta>, without the sub label
    assert source.groups == ("labels", "objects", "masks")
    assert (sample.filename, sample.size, sample.labels) == ("a.png", (10, 20), [0, 1])
    box, polygon, ellipse, mask = sample.objects
    assert (box.class_id, box.box, box.mask) == (0, (3, 2, 8, 6), None)  # y x y x
    assert (polygon.class_id, polygon.mask) == (1, [[1, 1, 9, 1, 5, 8]])
    assert ellipse.box == pytest.approx((1, 7, 9, 11))
    # Pixels x 5 and 6 of row 2, x 6 of row 3: columns of ten pixels, 52, 62 and 63.
    assert mask.mask == {"size": [10, 20], "counts": [52, 1, 9, 2, 136]}
    assert [o.name for o in sample.objects] == ["box 1", "polygon 2", "ellipse 3", "mask 4"]
    assert findings == []


def test_a_turned_box_and_a_line_are_told(cvat):
    turned = '<box label="dog" xtl="4" ytl="4" xbr="8" ybr="6" rotation="90.0"/>'
    line = '<polyline label="dog" points="1,1;9,1;5,8"/>'
    _, (sample,), findings = cvat(document(image(turned + line)))
    assert sample.objects[0].box == pytest.approx((3, 5, 7, 7))
    assert [(f.kind, f.reason) for f in findings] == [
        ("noted", "turned box taken as the upright box around it"),
        ("noted", "line closed to a polygon"),
    ]


def test_masks_of_one_group_and_class_are_one_object(cvat):
    mask = '<mask label="cat" rle="0, 1" left="{x}" top="0" width="1" height="1" group_id="1"/>'
    square = '<polygon label="cat" points="4,0;5,0;5,1;4,1" group_id="1"/>'
    other = '<polygon label="dog" points="4,0;5,0;5,1;4,1" group_id="1"/>'
    body = mask.format(x=0) + mask.format(x=2) + square + other + square.replace('"1"', '"0"')
    _, (sample,), findings = cvat(document(image(body)))
    joined, dog, alone = sample.objects
    assert joined.mask["counts"] == [0, 1, 19, 1, 19, 1, 159]  # x 0, 2 and 4 of row 0
    assert (dog.mask, alone.mask) == ([[4, 0, 5, 0, 5, 1, 4, 1]],) * 2
    assert findings == []


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<points label="dog" points="1,1"/>', "shape without area"),
        ('<skeleton label="dog"><points label="nose" points="1,1"/></skeleton>', "shape without"),
        ('<cuboid label="dog" xtl1="1" ytl1="1"/>', "shape without area"),
        (BOX.replace("6.0", "x"), "broken shape"),
        (BOX.replace('xbr="6.0"', ""), "broken shape"),
        (BOX.replace("6.0", "2.0"), "box without area"),
        (BOX.replace("dog", ""), "no class name"),
        ('<polygon label="dog" points="1,1;2,2"/>', "broken polygon"),
        ('<polygon label="dog" points="1,1;2,2;3"/>', "broken polygon"),
        ('<ellipse label="dog" cx="9" cy="5" rx="0" ry="2"/>', "shape without area"),
        ('<mask label="dog" rle="1, 9" left="4" top="2" width="3" height="2"/>', "broken run"),
        ('<mask label="dog" rle="1, x" left="4" top="2" width="3" height="2"/>', "broken run"),
        ('<mask label="dog" rle="1, 2" left="4" top="2" width="3000" height="2"/>', "broken mask"),
        ('<mask label="dog" rle="6" left="4" top="2" width="3" height="2"/>', "mask without"),
    ],
)
def test_a_broken_shape_is_dropped_and_the_others_stay(cvat, shape, reason):
    _, (sample,), (finding,) = cvat(document(image(shape + BOX)))
    assert [o.name for o in sample.objects] == ["box 2"]
    assert finding.kind == "dropped"
    assert finding.reason.startswith(reason)


def test_an_absurd_size_costs_no_memory(cvat):
    mask = '<mask label="cat" rle="0, 1" left="0" top="0" width="1" height="1"/>'
    _, (sample,), (finding,) = cvat(document(image(mask).replace("20", "9" * 22)))
    assert (sample.objects, finding.kind, finding.reason) == ([], "dropped", "broken mask")


def test_tags_are_labels_of_the_image(cvat):
    tag = '<tag label="cat" source="manual"/>'
    source, (sample,), findings = cvat(document(image(tag)))
    assert (source.groups, sample.labels, sample.objects) == (("labels",), [1], None)
    source, (sample,), _ = cvat(document(image(tag + BOX)))
    assert (source.groups, sample.labels) == (("labels", "objects"), [0, 1])
    _, _, findings = cvat(document(image(tag) + image("", name="no.png")))
    assert [(f.kind, f.reason) for f in findings] == [("skipped", "image file missing")]
    source, (sample,), findings = cvat(document(image("")))
    assert (source.groups, sample.objects, findings) == (("labels", "objects"), [], [])


def test_an_attribute_may_hold_the_class(cvat):
    box = BOX.replace("/>", '><attribute name="Breed"> pug </attribute></box>')
    source, (sample,), (finding,) = cvat(
        document(image(box + BOX)), options=sources.Options(class_attribute="breed")
    )
    assert (source.class_names, [o.name for o in sample.objects]) == (["pug"], ["box 1"])
    assert finding.reason == "no class name"
    with pytest.raises(errors.UsageError, match=r"nothing in .*the attributes are: Breed"):
        cvat(document(image(box)), options=sources.Options(class_attribute="color"))


def test_subsets_are_the_splits_and_every_image_is_accounted_for(tmp_path, unpack):
    for name in ("images/Train/a.png", "images/Validation/a.png", "images/b.png"):
        save(tmp_path / name)
    body = image(BOX, more='subset="Train"') + image("", more='subset="Validation"')
    (tmp_path / "annotations.xml").write_text(document(body))
    source = sources.read("cvat", str(tmp_path), split="val")
    (sample,), findings = unpack(source)
    assert (sample.filename, sample.objects, findings) == ("Validation/a.png", [], [])
    assert (source.census.found, source.census.used) == (3, 1)
    samples, _ = unpack(sources.read("cvat", str(tmp_path / "images"), split=""))
    assert [s.filename for s in samples] == ["Train/a.png", "Validation/a.png"]
    with pytest.raises(errors.DataError, match=r"no image has the subset 'test'.*Train, Valid"):
        sources.read("cvat", str(tmp_path), split="test")


def test_a_split_may_be_a_folder_with_its_own_xml(tmp_path, unpack):
    for split in ("train", "val"):
        save(tmp_path / split / "deep" / "a.png")
        (tmp_path / split / "annotations.xml").write_text(document(image(BOX, name="deep/a.png")))
    source = sources.read("cvat", str(tmp_path), split="val")
    (sample,), findings = unpack(source)
    assert (sample.path, findings) == (str(tmp_path / "val/deep/a.png"), [])
    assert (source.census.found, source.census.used) == (2, 1)
    assert list(source.census.left) == ["of another split"]


def test_other_encodings_are_read(cvat, tmp_path):
    text = document(image(BOX.replace("dog", "狗"))).replace("dog", "狗")
    source, _, _ = cvat(text)
    (tmp_path / "annotations.xml").write_bytes(text.replace("utf-8", "gb18030").encode("gb18030"))
    again = sources.FORMATS["cvat"](str(tmp_path))
    assert again.class_names == source.class_names == ["狗", "cat"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(image(BOX))[:-20], "not valid XML"),
        ("<annotation/>", "its root is <annotation>; --format=voc reads it"),
        (document(""), "no images and no tracks"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "with entities"),
        (document(image(BOX.replace("dog", "eel"))), "a.png, box 1: class 'eel' is not in"),
    ],
)
def test_an_unusable_file_is_an_error(cvat, text, message):
    with pytest.raises(errors.DataError, match=message):
        cvat(text)


def test_the_file_must_be_there(tmp_path):
    with pytest.raises(errors.DataError, match=r"there is no annotations\.xml in it"):
        sources.FORMATS["cvat"](str(tmp_path))
    with pytest.raises(errors.DataError, match="does not exist"):
        sources.FORMATS["cvat"](str(tmp_path), str(tmp_path / "a.xml"))


def track(*frames, number=0, more=""):
    boxes = "".join(
        f'<box frame="{f}" outside="{out}" occluded="0" keyframe="{key}" xtl="{f}" ytl="1"'
        f' xbr="{f + 4}" ybr="5" z_order="0">{more}</box>'
        for f, out, key in frames
    )
    return f'<track id="{number}" label="dog" source="manual">{boxes}</track>'


def test_tracks_are_objects_of_the_files_of_their_frames(tmp_path, unpack):
    for number in (0, 1, 2, 9):
        save(tmp_path / "images" / f"frame_{number:06d}.png")
    size = "<original_size><width>20</width><height>10</height></original_size>"
    body = track((0, 0, 1), (1, 0, 0), (2, 1, 1), (3, 0, 1)) + track((1, 0, 1), number=7)
    (tmp_path / "annotations.xml").write_text(document(body, size=size))
    source = sources.read("cvat", str(tmp_path), split="")
    samples, (finding,) = unpack(source)
    assert [s.filename[6:12] for s in samples] == ["000000", "000001", "000002"]
    assert [s.size for s in samples] == [(10, 20)] * 3
    assert [[o.name for o in s.objects] for s in samples] == [
        ["track 0"],
        ["track 0", "track 7"],
        [],
    ]
    assert samples[1].objects[0].box == (1, 1, 5, 5)  # interpolated: keyframe="0"
    assert (finding.kind, finding.reason, finding.file) == (
        "skipped",
        "frame without a file",
        "frame 3",
    )
    assert source.census.left == {
        "not named in annotations.xml": (1, ["frame_000009.png"]),
    }


def test_an_attribute_of_a_track_holds_until_it_is_written_again(tmp_path, unpack):
    for number in range(4):
        save(tmp_path / f"{number}.png")
    more = '<attribute name="breed">pug</attribute>'
    first, second = track((0, 0, 1), more=more), track((1, 0, 1))
    body = first.removesuffix("</track>") + second[second.index("<box") :]
    (tmp_path / "annotations.xml").write_text(document(body))
    options = sources.Options(class_attribute="breed")
    samples, findings = unpack(sources.read("cvat", str(tmp_path), options=options))
    assert [s.labels for s in samples] == [[0], [0], [], []]
    assert findings == []


def test_frames_that_cannot_be_told_are_an_error(tmp_path):
    body = track((0, 0, 1), (1, 0, 1))
    (tmp_path / "annotations.xml").write_text(document(body, frames=2))
    save(tmp_path / "photo.png")
    with pytest.raises(errors.DataError, match="no image's name ends in the number"):
        list(sources.FORMATS["cvat"](str(tmp_path)).items)
    for number in (1, 2):
        save(tmp_path / f"frame_{number}.png")
    with pytest.raises(errors.DataError, match=r"numbered 1 to 2, the frames of .* 0 to 1; number"):
        list(sources.FORMATS["cvat"](str(tmp_path)).items)
    save(tmp_path / "other_1.png")
    with pytest.raises(errors.DataError, match=r"frame_1\.png and other_1\.png are both frame 1"):
        list(sources.FORMATS["cvat"](str(tmp_path)).items)


def test_masks_are_drawn_where_cvat_has_them(tmp_path, outcome):
    save(tmp_path / "a.png")
    mask = '<mask label="cat" rle="1, 2, 2, 1" left="4" top="2" width="3" height="2"/>'
    (tmp_path / "annotations.xml").write_text(document(image(mask)))
    findings, records = outcome(sources.FORMATS["cvat"], str(tmp_path))
    assert (findings, records) == ([], {"a.png": 1})
    (sample,) = sources.FORMATS["cvat"](str(tmp_path)).items
    pixels = np.argwhere(masks.from_rle(sample.objects[0].mask)).tolist()
    assert pixels == [[2, 5], [2, 6], [3, 6]]  # y x
