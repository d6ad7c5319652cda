"""What strangers' data sets have in common, in several formats: files, names, numbers, units.

Every data set is `exports.BOXES` unless a test says otherwise.
"""

import collections
import gzip
import io
import os

import exports
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, PngImagePlugin

from tfvision import errors, schema, sources
from tfvision.ops import header
from tfvision.records import encode, image_files, plausible, writer

EXPECTED = {"a.png": [("cat", [2, 4, 12, 24])], "b.png": [("dog", [5, 10, 15, 30])]}


def read(kind, places, **options):
    """({file name: [(class, box y x y x)]}, reasons of the findings, census that adds up)."""
    options = {"split": "train"} | options
    source = sources.read(kind, *places, **options)
    found, reasons = {}, []
    for item in source.items:
        if isinstance(item, schema.Finding):
            reasons.append(item.reason)
            continue
        found[item.filename] = [
            (source.class_names[o.class_id], [round(edge, 3) for edge in o.box])
            for o in item.objects or []
        ]
    census = source.census
    assert census.found == census.used + sum(count for count, _ in census.left.values())
    return found, reasons, census


def left(census):
    return {reason: count for reason, (count, _) in census.left.items()}


# 1. Nothing in the given folders vanishes uncounted.


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_the_same_boxes_come_out_of_every_format(tmp_path, kind):
    found, reasons, census = read(kind, exports.write(kind, tmp_path))
    assert found == EXPECTED
    assert reasons == []
    assert (census.found, census.used, census.left) == (2, 2, {})


@pytest.mark.parametrize("kind", ["coco", "csv", "voc", "yolo", "labelme"])
def test_images_in_folders_are_read_where_their_annotations_follow_them(tmp_path, kind):
    boxes = {f"cam{i}/{name}": found for i, (name, found) in enumerate(exports.BOXES.items())}
    found, _, census = read(kind, exports.write(kind, tmp_path, boxes))
    assert found == {f"cam{i}/{name}": boxes for i, (name, boxes) in enumerate(EXPECTED.items())}
    assert (census.found, census.used) == (2, 2)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("coco", "not listed in coco.json"),
        ("csv", "in no row of table.csv"),
        ("via", "no entry of via.json names it"),
        ("voc", "no xml of its name"),
        ("labelme", None),
        ("label_studio", None),
    ],
)
def test_an_image_that_no_annotation_speaks_of_is_counted(tmp_path, kind, reason):
    places = exports.write(kind, tmp_path)
    exports.picture(tmp_path / "images" / "deep" / "c.jpg", 9, "jpeg")
    found, _, census = read(kind, places)
    assert sorted(found) == ["a.png", "b.png"]
    assert (census.found, census.used) == (3, 2)
    ((said, (count, names)),) = census.left.items()
    assert (count, names) == (1, ["deep/c.jpg"])
    assert reason in (None, said)


def test_an_image_without_a_label_file_is_counted_as_background(tmp_path):
    places = exports.write("yolo", tmp_path)
    exports.picture(tmp_path / "images" / "c.png", 9)
    found, _, census = read("yolo", places)
    assert found == EXPECTED | {"c.png": []}
    assert (census.found, census.used, census.background) == (3, 3, 1)


def test_extensions_are_known_in_any_case(tmp_path):
    for kind, folder, old, new in (
        ("yolo", "labels", ".txt", ".TXT"),
        ("voc", "Annotations", ".xml", ".XML"),
        ("labelme", "jsons", ".json", ".JSON"),
    ):
        root = tmp_path / kind
        places = exports.write(kind, root)
        for path in [*(root / folder).iterdir(), *(root / "images").iterdir()]:
            path.rename(path.with_suffix(new if path.suffix == old else ".PNG"))
        found, _, _ = read(kind, places)
        assert found == {name.replace("png", "PNG"): boxes for name, boxes in EXPECTED.items()}


def test_a_split_whose_folder_is_not_there_is_no_other_split(tmp_path):
    places = exports.write("yolo", tmp_path)
    (tmp_path / "data.yaml").write_text("train: images\nval: valid/images\nnames: [cat, dog]\n")
    with pytest.raises(errors.DataError, match=r"data\.yaml: val: valid/images is not there"):
        read("yolo", (str(tmp_path), places[1]), split="val")


def test_label_files_that_no_image_has_are_named(tmp_path):
    places = exports.write("yolo", tmp_path)
    (tmp_path / "labels" / "cam9").mkdir()
    (tmp_path / "labels" / "cam9" / "z.txt").write_text("0 0.5 0.5 1 1\n")
    _, reasons, _ = read("yolo", places)
    assert reasons == ["image file missing"]


def test_class_folders_are_read_with_what_is_in_them(tmp_path):
    for i, name in enumerate(("cat/x/1.png", "cat/2.png", "dog/3.png", "4.png")):
        exports.picture(tmp_path / name, i)
    source = sources.read("folder", str(tmp_path))
    names = [item.filename for item in source.items if isinstance(item, schema.Sample)]
    assert sorted(names) == ["cat/2.png", "cat/x/1.png", "dog/3.png"]
    assert left(source.census) == {"outside the classes": 1}


# 2. Sources that contradict each other are compared.


@pytest.mark.parametrize("kind", ["coco", "csv", "voc", "labelme", "label_studio"])
def test_a_recorded_size_that_is_wrong_is_told_and_scaled_on_request(tmp_path, kind):
    large = {
        name: [(c, 2 * x, 2 * y, 2 * x2, 2 * y2) for c, x, y, x2, y2 in found]
        for name, found in exports.BOXES.items()
    }
    places = exports.write(kind, tmp_path, large, size=(80, 40))
    for scale, reason, box in (
        (False, "recorded size is wrong", [4, 8, 20, 40]),  # clipped to the image
        (True, "annotations scaled to the image", [2, 4, 12, 24]),
    ):
        source = sources.read(kind, *places)
        sample = next(i for i in source.items if getattr(i, "filename", "") == "a.png")
        data = (tmp_path / "images" / "a.png").read_bytes()
        encoded = encode.encode(
            sample, image_files.normalise(data), source.class_names, source.groups, scale=scale
        )
        assert reason in [finding.reason for finding in encoded.findings]
        (found,) = _boxes(encoded.record)
        np.testing.assert_allclose(found * [20, 40, 20, 40], box, atol=1e-4)


def _boxes(record):
    values = tf.train.Example.FromString(record).features.feature
    edges = ("ymin", "xmin", "ymax", "xmax")
    columns = [values[f"image/object/bbox/{edge}"].float_list.value for edge in edges]
    return np.array(columns).T


def test_coco_boxes_that_are_corners_are_refused_and_read_on_request(tmp_path):
    places = exports.write("coco", tmp_path)
    text = (tmp_path / "coco.json").read_text()
    for box, corners in (("4, 2, 20, 10", "4, 2, 24, 12"), ("10, 5, 20, 10", "10, 5, 30, 15")):
        assert box in text
        text = text.replace(f'"bbox": [{box}]', f'"bbox": [{corners}], "area": 200')
    (tmp_path / "coco.json").write_text(text)
    with pytest.raises(errors.DataError, match=r"2 of 2 annotations as x1, y1, x2, y2.*--boxes=xy"):
        read("coco", places)
    assert read("coco", places, options=sources.Options(boxes="xyxy"))[0] == EXPECTED


@pytest.mark.parametrize("kind", ["coco", "label_studio"])
def test_one_file_under_two_ids_is_told(tmp_path, kind):
    boxes = exports.BOXES | {"images/a.png": exports.BOXES["a.png"]}
    places = exports.write(kind, tmp_path, boxes)
    os.remove(tmp_path / "images" / "images" / "a.png")
    source = sources.read(kind, *places)
    reasons = [item.reason for item in source.items if isinstance(item, schema.Finding)]
    assert {"one file used twice", "image listed twice"} & {*reasons}
    assert (source.census.found, source.census.used) == (2, 2)


def test_one_annotation_of_two_images_is_told(tmp_path):
    places = exports.write("yolo", tmp_path)
    exports.picture(tmp_path / "images" / "a.jpg", 9, "jpeg")
    assert read("yolo", places)[1] == ["one annotation file for two images"]
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in "ab":
        Image.fromarray(np.zeros((20, 40), np.uint8)).save(masks / f"{name}.png")
    (tmp_path / "labels.txt").write_text("x\n")
    source = sources.read("masks", places[0], str(masks), label_file=str(tmp_path / "labels.txt"))
    reasons = [item.reason for item in source.items if isinstance(item, schema.Finding)]
    assert reasons == ["one annotation file for two images"]


def test_one_image_in_two_classes_is_told(tmp_path):
    for name in ("cat/1.png", "dog/1.png", "cat/2.png"):
        exports.picture(tmp_path / "images" / name, "2" in name)
    done = writer.write(
        sources.read("folder", str(tmp_path / "images")), str(tmp_path / "out"), writer.Options()
    )["train"]
    assert done.counts == {("noted", "the same image, labelled otherwise"): 1}
    (finding,) = done.listed
    assert {finding.file, finding.detail.rpartition(" ")[2]} == {"cat/1.png", "dog/1.png"}


# 3. Implausible sets get one line.


@pytest.mark.parametrize("kind", ["coco", "voc", "via"])
def test_boxes_that_are_shares_where_pixels_are_meant_are_refused(tmp_path, kind):
    boxes = {"a.png": [("cat", 0.1, 0.1, 0.6, 0.6)], "b.png": [("dog", 0.2, 0.2, 0.9, 0.9)]}
    places = exports.write(kind, tmp_path, boxes)
    for path in (tmp_path / "Annotations").glob("*.xml"):  # whose corners are 1-based
        path.write_text(path.read_text().replace(">1.", ">0."))
    with pytest.raises(errors.DataError, match=r"smaller than one pixel \(first: .*pixels"):
        read(kind, places)


def test_shares_of_coco_are_read_on_request(tmp_path):
    shares = {
        name: [(c, x / 40, y / 20, x2 / 40, y2 / 20) for c, x, y, x2, y2 in found]
        for name, found in exports.BOXES.items()
    }
    places = exports.write("coco", tmp_path, shares)
    assert read("coco", places, options=sources.Options(boxes="xywh_relative"))[0] == EXPECTED


def test_pixels_where_shares_are_meant_are_refused(tmp_path):
    places = exports.write("yolo", tmp_path)
    for name in "ab":
        (tmp_path / "labels" / f"{name}.txt").write_text("0 14 7 20 10\n")
    with pytest.raises(errors.DataError, match=r"outside their images .*YOLO wants shares"):
        read("yolo", places)


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo", "via"])
def test_a_split_without_objects_says_so_and_teaches_nothing(tmp_path, kind):
    places = exports.write(kind, tmp_path, {"a.png": [], "b.png": []})
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    label_file = "" if kind == "coco" else str(tmp_path / "labels.txt")
    source = sources.read(kind, *places, label_file=label_file)
    report = writer.write(source, str(tmp_path / "out"), writer.Options())["train"]
    notes, teaches = plausible.notes(report, source.class_names, source.groups)
    assert notes == ["no image has an object: there is nothing to learn from"]
    assert not teaches


def test_classes_that_a_split_lacks_are_named(tmp_path):
    places = exports.write("coco", tmp_path, {"a.png": exports.BOXES["a.png"]})
    report = writer.write(sources.read("coco", *places), str(tmp_path / "out"), writer.Options())
    assert plausible.notes(report["train"], exports.CLASSES, ("objects",))[0] == [
        "class 'dog' has no object"
    ]
    report = writer.Report(images=3, classes=collections.Counter({0: 3}))
    assert plausible.notes(report, ["cat"], ("labels",))[0] == [
        "there is one class only, 'cat': nothing to tell apart"
    ]
    report = writer.Report(images=3, classes=collections.Counter({255: 6, 1: 2}))
    (text,), teaches = plausible.notes(report, ["sky", "road"], ("label_map",))
    assert text.startswith("class 'sky' has no pixel while 75% of all pixels are void")
    assert teaches


def test_values_of_sixteen_bits_that_use_few_are_told():
    for highest, levels in ((4095, 16), (255, 1), (16383, 64)):
        pixels = np.zeros((2, 2), np.uint16)
        pixels[0, 0] = highest
        assert f"0..{highest}; the high byte keeps {levels} level" in _note(pixels)
    assert _note(np.full((2, 2), 30000, np.uint16)) == ""


def _note(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return image_files.normalise(buffer.getvalue()).note


# 5. Names relative to another root, with backslashes, %20 or blanks are found or explained.


@pytest.mark.parametrize("kind", exports.NAMING)
@pytest.mark.parametrize(
    "spelt",
    [
        "images/{}".format,
        "images\\{}".format,
        "C:\\work\\photos\\{}".format,
        "/home/me/data/{}".format,
        "{} ".format,
    ],
)
def test_names_of_another_root_are_found(tmp_path, kind, spelt):
    found, reasons, _ = read(kind, exports.write(kind, tmp_path, spelt=_only_names(spelt, kind)))
    assert found == EXPECTED
    assert len(reasons) <= 1  # once, for all images


def _only_names(spelt, kind):
    return lambda name: spelt(name).strip() if kind == "voc" else spelt(name)


@pytest.mark.parametrize("kind", ["coco", "csv", "via"])
def test_names_as_addresses_are_found(tmp_path, kind):
    boxes = {"my cat.png": exports.BOXES["a.png"]}
    places = exports.write(kind, tmp_path, boxes, spelt=lambda name: name.replace(" ", "%20"))
    assert list(read(kind, places)[0]) == ["my cat.png"]


@pytest.mark.parametrize("kind", ["coco", "csv", "via", "labelme"])
def test_a_name_that_two_files_fit_is_an_error_that_names_both(tmp_path, kind):
    places = exports.write(kind, tmp_path, images=False)
    for i, name in enumerate(("x/a.png", "y/a.png", "b.png")):
        exports.picture(tmp_path / "images" / name, i)
    with pytest.raises(errors.DataError, match=r"fits x/a\.png and y/a\.png"):
        read(kind, places)


@pytest.mark.parametrize("kind", ["coco", "csv", "via", "voc"])
def test_a_conversion_without_images_names_one_and_what_was_tried(tmp_path, kind):
    places = exports.write(kind, tmp_path, images=False)
    (tmp_path / "images").mkdir()
    with pytest.raises(errors.DataError, match=r"2 left out, the first: .*no a\.png in .*images"):
        writer.write(sources.read(kind, *places), str(tmp_path / "out"), writer.Options())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["coco", "via", "label_studio"])
def test_a_packed_json_is_read(tmp_path, kind):
    images_at, path = exports.write(kind, tmp_path)
    with open(path, "rb") as file, gzip.open(path + ".gz", "wb") as packed:
        packed.write(b"\xef\xbb\xbf" + file.read())
    assert read(kind, (images_at, path + ".gz"))[0] == EXPECTED


def test_pictures_that_are_not_read_are_named(tmp_path):
    heic = b"\0\0\0\x18ftypheic" + bytes(40)
    places = exports.write("coco", tmp_path)
    (tmp_path / "images" / "a.png").write_bytes(heic)
    with pytest.raises(errors.DataError, match=r"a\.png: a HEIF picture .*pillow-heif"):
        writer.write(sources.read("coco", *places), str(tmp_path / "out"), writer.Options())
    exports.picture(tmp_path / "classes" / "cat" / "1.png")
    (tmp_path / "classes" / "cat" / "2.heic").write_bytes(heic)
    source = sources.read("folder", str(tmp_path / "classes"))
    reasons = [item.reason for item in source.items if isinstance(item, schema.Finding)]
    assert reasons == ["HEIF picture (of a phone), which is read where pillow-heif is installed"]
    assert (source.census.found, source.census.used) == (2, 1)


def test_an_input_that_cannot_be_read_is_not_called_the_output(tmp_path):
    def items():
        raise PermissionError(13, "Permission denied", "photos/x.json")
        yield

    source = sources.Source(["cat"], ("labels",), items())
    with pytest.raises(errors.DataError, match=r"^photos/x\.json cannot be read: Permission"):
        writer.write(source, str(tmp_path / "out"), writer.Options())
    assert not (tmp_path / "out").exists()


def test_a_class_of_links_that_lead_outside_says_so(tmp_path):
    exports.picture(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "1.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    source = sources.read("folder", str(tmp_path / "photos"))
    with pytest.raises(errors.DataError, match=r"cat/1\.png is a link that leads out of the"):
        list(source.items)


# 7. A reader's metadata limit is not a broken picture; litter is not data.


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
def test_metadata_harms_no_picture(tmp_path, kind):
    places = exports.write(kind, tmp_path)
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", "x" * 1_500_000, zip=True)
    exports.picture(tmp_path / "images" / "a.png", 0, pnginfo=texts)
    exports.picture(tmp_path / "images" / "b.png", 1, icc_profile=bytes(1_500_000))
    report = writer.write(sources.read(kind, *places), str(tmp_path / "out"), writer.Options())
    assert (report["train"].images, report["train"].objects) == (2, 2)


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
def test_xmps_orientation_turns_no_picture(tmp_path, kind):
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/'
        b'22-rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
        b' tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    options = {"xmp": xmp}
    if kind == "png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options = {"pnginfo": texts}
    path = tmp_path / f"a.{kind}"
    exports.picture(path, 0, kind, **options)
    with Image.open(path) as image:
        assert image.getexif().get(0x0112) == 6  # Pillow does find it
    image = image_files.normalise(path.read_bytes())
    assert (image.height, image.width) == (exports.HEIGHT, exports.WIDTH)
    assert header.sizes(str(path)) == ((exports.HEIGHT, exports.WIDTH),) * 2


def test_a_fourth_channel_that_no_tag_calls_alpha_hides_nothing(tmp_path):
    from PIL import TiffImagePlugin

    pixels = np.full((2, 3, 4), 90, np.uint8)
    pixels[..., 3] = 0  # as alpha it would hide everything
    info = TiffImagePlugin.ImageFileDirectory_v2()
    Image.fromarray(pixels, "RGBA").save(tmp_path / "a.tif", tiffinfo=info)
    data = (tmp_path / "a.tif").read_bytes()
    white = image_files.normalise(data)
    assert np.asarray(Image.open(io.BytesIO(white.data))).min() == 255
    tag = (338).to_bytes(2, "little")
    assert data.count(tag) >= 1
    found = image_files.normalise(data.replace(tag, (65000).to_bytes(2, "little"), 1))
    assert np.asarray(Image.open(io.BytesIO(found.data))).max() == 90
    assert found.note.startswith("fourth channel left out")


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
def test_litter_of_archives_is_counted_and_not_used(tmp_path, kind):
    places = exports.write(kind, tmp_path)
    (tmp_path / "images" / "__MACOSX").mkdir()
    (tmp_path / "images" / "__MACOSX" / "._a.png").write_bytes(b"Mac OS X")
    (tmp_path / "images" / "._a.png").write_bytes(b"Mac OS X")
    found, _, census = read(kind, places)
    assert found == EXPECTED
    assert left(census) == {"folder left by an archive or a system": 1, "hidden file": 1}


def test_our_own_records_among_the_images_are_no_class(tmp_path):
    for i, name in enumerate(("cat/1.png", "dog/2.png")):
        exports.picture(tmp_path / name, i)
    for split in ("train", "val"):
        source = sources.read("folder", str(tmp_path), split=split)
        assert source.class_names == ["cat", "dog"]
        writer.write(source, str(tmp_path / "records"), writer.Options(split=split))


# 8. Numbers as text, as 1.0, as empty; marks of the byte order.


def test_numbers_are_read_as_they_are_written(tmp_path):
    places = exports.write("coco", tmp_path)
    text = (tmp_path / "coco.json").read_text()
    for number in (1, 2):
        text = text.replace(f'"category_id": {number}', f'"category_id": "{number}.0"')
    text = text.replace("[4, 2, 20, 10]", '["4", " 2.0", "20", 10]').replace(
        '"width": 40', '"width": "40", "license": ""'
    )
    (tmp_path / "coco.json").write_text(text)
    assert read("coco", places)[0] == EXPECTED
    places = exports.write("via", tmp_path)
    path = tmp_path / "via.json"
    path.write_text(path.read_text().replace('"x": 4', '"x": "4.0"'))
    assert read("via", places)[0] == EXPECTED
    places = exports.write("yolo", tmp_path)
    path = tmp_path / "labels" / "a.txt"
    path.write_text(path.read_text().replace("0 ", "0.0 ", 1))
    (tmp_path / "data.yaml").write_text('train: images\nnc: "2"\nnames: {"0": cat, "1": dog}\n')
    assert read("yolo", places)[0] == EXPECTED


@pytest.mark.parametrize("kind", exports.FORMATS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_the_byte_order_are_no_text(tmp_path, kind, encoding):
    places = exports.write(kind, tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".json", ".csv", ".txt", ".yaml", ".xml"):
            path.write_text(path.read_text(), encoding=encoding)
    assert read(kind, places)[0] == EXPECTED


def test_class_folders_of_numbers_are_in_the_order_of_the_numbers(tmp_path):
    for number in range(12):
        exports.picture(tmp_path / str(number) / "1.png", number)
    source = sources.read("folder", str(tmp_path))
    assert source.class_names == [str(number) for number in range(12)]
    (finding,) = (item for item in source.items if isinstance(item, schema.Finding))
    assert finding.reason == "class folders in the order of their numbers"
