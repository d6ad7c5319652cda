"""What the user or another tool says of a data set: class lists, masks' codes, frames, exports."""

import json

import exports
import numpy as np
import pytest
from PIL import Image

from tfvision import errors, schema, sources
from tfvision.records import image_files, label_maps
from tfvision.sources import labels


def unpacked(source):
    """(samples by name, reasons of the findings)."""
    items = list(source.items)
    samples = [item for item in items if isinstance(item, schema.Sample)]
    reasons = [item.reason for item in items if isinstance(item, schema.Finding)]
    return sorted(samples, key=lambda sample: sample.filename), reasons


# Class lists.


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("labels.txt", "cat\ndog\n", ["cat", "dog"]),
        ("labels.txt", "# name\n# another line\ncat\ndog\n\n", ["cat", "dog"]),
        ("labels.txt", "#1\n#2\n", ["#1", "#2"]),
        ("labels.csv", "id,name\n1,dog\n0,cat\n", ["cat", "dog"]),
        ("labels.csv", "name;r;g;b\ncat;1;2;3\ndog;4;5;6\n", ["cat", "dog"]),
        ("labels.csv", "cat\ndog\n", ["cat", "dog"]),
        ("_classes.csv", "Pixel Value, Class\n0, cat\n1, dog\n", ["cat", "dog"]),
        ("labelmap.txt", "# label:color_rgb:parts:actions\ncat:0,0,0::\ndog:1,2,3::\n",
         ["cat", "dog"]),
        ("label_colors.txt", "64 128 64\tcat\n192 0 128\t\tdog\n", ["cat", "dog"]),
        ("data.yaml", "names: {0: cat, 1: dog}\n", ["cat", "dog"]),
        ("map.pbtxt", 'item { id: 1 name: "c\\141t" }\nitem { id: 2 name: "dog" }', ["cat", "dog"]),
    ],
)  # fmt: skip
def test_class_lists_of_many_tools_are_read_without_their_headers(tmp_path, name, text, names):
    (tmp_path / name).write_text(text)
    assert sources.read_labels(str(tmp_path / name)) == names


def test_a_class_list_that_cannot_be_one_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    for text, message in (
        ("id,name\n1,cat\n3,dog\n", "ids of its names are not 0 to 1"),
        ("id,name\nx,cat\n", "line 2: id 'x' is not a whole number"),
        ("0,cat\n1,dog\n", "the first line must name the columns"),
        ("name,r,g,b\ncat,1,2,300\n", "color 1, 2, 300 is not three of 0..255"),
    ):
        path.write_text(text)
        with pytest.raises(errors.DataError, match=message):
            sources.read_labels(str(path))
    with pytest.raises(errors.UsageError, match="'255' is not VALUE:CLASS"):
        labels.parse_values("0:cat,255")


# Masks: what values and colors mean.

COLORS = np.array([[[0, 0, 0], [200, 0, 0]], [[0, 0, 255], [200, 0, 0]]], np.uint8)


@pytest.fixture
def masks(tmp_path):
    """A function: the mask's picture, files beside it -> (class names, label map [2, 2])."""

    def function(picture, options=None, label_file="", **texts):
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "images" / "a.png")
        picture.save(tmp_path / "masks" / "a.png")
        for name, text in texts.items():
            (tmp_path / name.replace("_txt", ".txt").replace("_csv", ".csv")).write_text(text)
        source = sources.read(
            "masks",
            str(tmp_path / "images"),
            str(tmp_path / "masks"),
            label_file=label_file and str(tmp_path / label_file),
            options=options or sources.Options(),
        )
        ((sample,), reasons) = unpacked(source)
        assert reasons == []
        assert (source.census.found, source.census.used) == (1, 1)
        image = image_files.normalise((tmp_path / "images" / "a.png").read_bytes())
        mask = label_maps.read(sample.label_map.path, None, [(2, 2)])
        png, _ = label_maps.label_map(sample.label_map, mask, image, len(source.class_names))
        return source.class_names, label_maps.read("x", png, [(2, 2)]).pixels.tolist()

    return function


def test_cvats_labelmap_says_what_colors_mean(masks):
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:200,0,0::\nvoid:0,0,255::\n"
    names, pixels = masks(Image.fromarray(COLORS), labelmap_txt=text)
    assert (names, pixels) == (["background", "car"], [[0, 1], [255, 1]])
    palette = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    palette.putpalette([0, 0, 0, 200, 0, 0, 0, 0, 255])
    names, pixels = masks(palette, sources.Options(mask_colors=""), label_file="labelmap.txt")
    assert (names, pixels) == (["background", "car"], [[0, 1], [255, 1]])


def test_a_table_of_colors_is_taken_where_the_user_says_so(masks, tmp_path):
    table = tmp_path / "colors.csv"
    table.write_text("id,name,r,g,b\n0,car,200,0,0\n1,sky,0,0,255\n2,sky,0,0,0\n")
    names, pixels = masks(Image.fromarray(COLORS), sources.Options(mask_colors=str(table)))
    assert (names, pixels) == (["car", "sky"], [[1, 0], [1, 0]])
    table.write_text("name,r,g,b\ncar,200,0,0\nsky,0,0,0\n")
    with pytest.raises(errors.DataError, match=r"color \(0, 0, 255\) is not a class"):
        masks(Image.fromarray(COLORS), sources.Options(mask_colors=str(table)))
    # A list that numbers its classes means the numbers, and its colors are decoration.
    table.write_text("id,name,r,g,b\n0,car,200,0,0\n1,sky,0,0,255\n2,road,0,0,0\n")
    with pytest.raises(errors.DataError, match=r"3 colors: \(0, 0, 0\), .* --mask_colors"):
        masks(Image.fromarray(COLORS), label_file="colors.csv")


def test_values_are_what_the_user_says(masks):
    grey = Image.fromarray(np.array([[0, 255], [7, 255]], np.uint8))
    names, pixels = masks(grey, sources.Options(mask_values="0:a,255:b,7:ignore"))
    assert (names, pixels) == (["a", "b"], [[0, 1], [255, 1]])
    names, pixels = masks(
        grey, sources.Options(mask_values="0:a,255:b,7:a"), "order.txt", order_txt="b\na\n"
    )
    assert (names, pixels) == (["b", "a"], [[1, 0], [1, 0]])
    with pytest.raises(errors.DataError, match="class 'c' is not in --labels"):
        masks(grey, sources.Options(mask_values="0:a,255:c,7:a"), "order.txt")
    with pytest.raises(errors.UsageError, match="--mask_values goes with --format=masks"):
        sources.read("coco", "x", "y", options=sources.Options(mask_values="0:a"))


def test_three_equal_channels_are_grey(masks):
    grey = np.array([[0, 1], [1, 0]], np.uint8)
    picture = Image.merge("RGBA", [Image.fromarray(grey)] * 3 + [Image.new("L", (2, 2), 255)])
    assert masks(picture, labels_txt="a\nb\n") == (["a", "b"], [[0, 1], [1, 0]])


# The pixels that annotations of EXIF-rotated images speak of.


def _rotated(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exports.picture(path, orientation, "jpeg", exif=exif)


@pytest.mark.parametrize("kind", ["coco", "voc", "labelme"])
@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_images_whose_recorded_size_tells_decide_for_the_others(tmp_path, kind, frame):
    boxes = {f"{n}.jpg": [("cat", 1, 2, 11, 12)] for n in (3, 6)}
    sizes = {"stored": (40, 20), "upright": (20, 40)}
    places = exports.write(kind, tmp_path, boxes, size=sizes[frame])
    _rotated(tmp_path / "images" / "3.jpg", 3)
    _rotated(tmp_path / "images" / "6.jpg", 6)
    source = sources.read(kind, *places)
    unpacked(source)
    assert source.frame == frame


@pytest.mark.parametrize("kind", ["coco", "voc", "via"])
def test_where_no_size_tells_the_guess_is_told(tmp_path, kind):
    places = exports.write(kind, tmp_path, {"3.jpg": [("cat", 1, 2, 11, 12)]})
    _rotated(tmp_path / "images" / "3.jpg", 3)
    source = sources.read(kind, *places)
    reason = "cannot know whether annotations are of the stored or the upright image"
    assert unpacked(source)[1] == [reason]
    assert source.frame == ""
    said = sources.Options(annotations_of="stored")
    source = sources.read(kind, *places, options=said)
    assert unpacked(source)[1] == []
    assert source.frame == "stored"


def test_shares_of_yolo_are_of_the_frame_that_the_user_says(tmp_path):
    places = exports.write("yolo", tmp_path, {"6.jpg": [("cat", 4, 2, 24, 12)]})
    _rotated(tmp_path / "images" / "6.jpg", 6)
    for frame, size in (("", (40, 20)), ("upright", (40, 20)), ("stored", (20, 40))):
        options = sources.Options(annotations_of=frame)
        source = sources.read("yolo", *places, options=options)
        ((sample,), reasons) = unpacked(source)
        assert (sample.size, reasons, source.frame) == (size, [], frame or "upright")


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_mask_files_are_turned_by_the_frame(tmp_path, orientation, frame):
    _rotated(tmp_path / "a.jpg", orientation)
    image = image_files.normalise((tmp_path / "a.jpg").read_bytes())
    stored = np.zeros((20, 40), np.uint8)
    stored[2:12, 4:24] = 1
    drawn = stored if frame == "stored" else image_files.upright(stored, orientation)
    mask = label_maps.Indices(np.ascontiguousarray(drawn), False, None)
    png, pixels = label_maps.label_map(schema.LabelMap("m"), mask, image, 2, frame)
    size = (image.height, image.width)
    np.testing.assert_array_equal(
        label_maps.read("x", png, [size]).pixels, image_files.upright(stored, orientation)
    )
    assert pixels == {0: 600, 1: 200}


# Exports as they unpack.


def test_roboflows_coco_export_is_found_and_its_dummy_category_is_no_class(tmp_path):
    for split in ("train", "valid"):
        exports.write("coco", tmp_path / split)
        (tmp_path / split / "images" / "a.png").rename(tmp_path / split / "a.png")
        (tmp_path / split / "images" / "b.png").rename(tmp_path / split / "b.png")
        (tmp_path / split / "images").rmdir()
        with open(tmp_path / split / "coco.json", encoding="utf-8") as file:
            content = json.load(file)
        for category in content["categories"]:
            category["supercategory"] = "pets"
        content["categories"].insert(0, {"id": 0, "name": "pets", "supercategory": "none"})
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(content))
        (tmp_path / split / "coco.json").unlink()
    for split in ("train", "val"):
        source = sources.read("coco", str(tmp_path), split=split)
        samples, reasons = unpacked(source)
        assert source.class_names == ["cat", "dog"]
        assert source.category_ids == [1, 2]
        assert [sample.labels for sample in samples] == [[0], [1]]
        assert reasons == ["category without annotations that names the others' group"]
        assert source.census.left["of another split"][0] == 2


def test_roboflows_voc_export_has_its_xmls_among_the_images(tmp_path):
    for split in ("train", "valid"):
        exports.write("voc", tmp_path / split)
        for folder in ("images", "Annotations"):
            for path in (tmp_path / split / folder).iterdir():
                path.rename(tmp_path / split / path.name)
            (tmp_path / split / folder).rmdir()
    source = sources.read("voc", str(tmp_path), split="train")
    samples, reasons = unpacked(source)
    assert [sample.filename for sample in samples] == ["a.png", "b.png"]
    assert reasons == []
    assert source.census.left["of another split"][0] == 2


def test_lists_of_a_split_may_give_paths_and_extensions(tmp_path):
    exports.write("voc", tmp_path)
    (tmp_path / "images").rename(tmp_path / "JPEGImages")
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    lines = "JPEGImages/a.png\r\n\r\n./b.png 1\n"
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text(lines, encoding="utf-8-sig")
    source = sources.read("voc", str(tmp_path))
    samples, reasons = unpacked(source)
    assert [sample.filename for sample in samples] == ["a.png", "b.png"]
    assert reasons == []


def test_cvats_yolo_exports_name_their_images_in_lists(tmp_path):
    exports.write("yolo", tmp_path)
    (tmp_path / "images").rename(tmp_path / "obj_train_data")
    for path in (tmp_path / "labels").iterdir():
        path.rename(tmp_path / "obj_train_data" / path.name)
    exports.picture(tmp_path / "obj_train_data" / "c.png", 9)
    (tmp_path / "obj.names").write_text("cat\ndog\n\n")
    (tmp_path / "obj.data").write_text(
        "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    )
    lines = [f"data/obj_train_data/{name}\n" for name in ("a.png", "b.png")]
    (tmp_path / "train.txt").write_text("".join(lines))
    (tmp_path / "data.yaml").write_text("train: train.txt\nnames: {0: cat, 1: dog}\n")
    for file in ("obj.data", "data.yaml"):
        source = sources.read("yolo", str(tmp_path), str(tmp_path / file))
        samples, reasons = unpacked(source)
        assert [sample.filename for sample in samples] == [
            "obj_train_data/a.png",
            "obj_train_data/b.png",
        ]
        assert [sample.labels for sample in samples] == [[0], [1]]
        assert reasons == ["file names hold a folder that --images has already"]
        assert source.census.left == {"not in the list of the split": (1, ["obj_train_data/c.png"])}
    (tmp_path / "train.txt").write_text("data/obj_train_data/none.png\n")
    with pytest.raises(errors.DataError, match=r"no data/obj_train_data/none\.png in .*the list"):
        sources.read("yolo", str(tmp_path), str(tmp_path / "obj.data"))


def test_a_class_attribute_is_the_one_that_the_user_names(tmp_path):
    places = exports.write("via", tmp_path)
    path = tmp_path / "via.json"
    path.write_text(path.read_text().replace('{"class": ', '{"size": 3, "kind of pet": '))
    source = sources.read("via", *places, options=sources.Options(class_attribute="Kind of pet"))
    assert source.class_names == ["cat", "dog"]
    with pytest.raises(errors.UsageError, match=r"class_attribute is 'x'.*kind of pet, size"):
        sources.read("via", *places, options=sources.Options(class_attribute="x"))
