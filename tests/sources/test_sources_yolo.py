"""YOLO text files: boxes, polygons, folders, names, the yaml, broken lines."""

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources

read = sources.FORMATS["yolo"]


@pytest.fixture
def yolo(tmp_path):
    """A function: (path of an image of 10 x 20 pixels, text of its labels or None) -> root."""

    def add(name, text, root=tmp_path):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(path)
        if text is not None:
            label = (root / name.replace("images", "labels")).with_suffix(".txt")
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(text)
        return root

    return add


def _one(root, **options):
    return read(str(root / "images"), **{"labels": ["cat", "dog"]} | options)


def test_boxes_and_polygons_become_pixels(yolo, unpack):
    yolo("images/b.png", "")
    root = yolo("images/a.png", "1 0.5 0.5 0.5 0.2\n\n0 0 0 1 0 1 1\r\n")
    source = _one(root)
    (a, b), findings = unpack(source)
    assert (source.class_names, source.category_ids) == (["cat", "dog"], None)
    assert source.groups == ("labels", "objects", "masks")
    assert (a.filename, a.source_id, a.size, a.labels) == ("a.png", "a.png", (10, 20), [0, 1])
    assert a.objects[0].box == pytest.approx((4, 5, 6, 15))  # y x y x, 10 wide and 2 high
    assert (a.objects[1].box, a.objects[1].mask) == (None, [[0, 0, 20, 0, 20, 10]])
    assert [o.name for o in a.objects] == ["line 1", "line 3"]
    assert (b.objects, b.labels, findings) == ([], [], [])


def test_boxes_alone_announce_no_masks(yolo, unpack):
    source = _one(yolo("images/a.png", "0 0.5 0.5 1 1\n"))
    assert source.groups == ("labels", "objects")


def test_numbers_refer_to_the_upright_image(yolo, unpack):
    root = yolo("images/a.jpg", "0 0.5 0.5 1 0.5\n")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(root / "images" / "a.jpg", exif=exif)
    (sample,), _ = unpack(_one(root))
    assert sample.size == (20, 10)
    assert sample.objects[0].box == (5, 0, 15, 10)


def test_an_unreadable_image_is_left_for_the_writer_to_refuse(yolo, unpack):
    root = yolo("images/a.png", "0 0.5 0.5 1 1\n")
    (root / "images/a.png").write_bytes(b"no image")
    (sample,), findings = unpack(_one(root))
    assert (sample.size, sample.objects, findings) == (None, [], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 1", "broken line"),
        ("0 0 0 1 0 1 1 1", "broken line"),
        ("cat 0.5 0.5 1 1", "broken line"),
        ("0 nan 0.5 1 1", "broken line"),
        ("0 0.5 0.5 0 1", "box without area"),
        ("0 0.5 0.5 1 -1", "box without area"),
        ("1 0.5 0.5 1 1", "the same object twice"),
    ],
)
def test_a_broken_line_is_dropped_and_the_others_stay(yolo, unpack, line, reason):
    (sample,), (finding,) = unpack(_one(yolo("images/a.png", f"1 0.5 0.5 1 1\n{line}\n")))
    assert [o.class_id for o in sample.objects] == [1]
    assert (finding.kind, finding.reason, finding.file) == ("dropped", reason, "a.png")
    assert finding.detail.startswith("line 2: ")


@pytest.mark.parametrize("number", ["2", "-1", "0.5"])
def test_a_class_id_without_a_name_is_an_error(yolo, unpack, number):
    root = yolo("images/a.png", f"{number} 0.5 0.5 1 1\n")
    with pytest.raises(errors.DataError, match=rf"a\.txt, line 1: class id {number} has no name"):
        unpack(_one(root))


def test_what_has_no_partner_is_background_or_skipped(yolo, unpack):
    yolo("images/a.png", None)
    root = yolo("images/b.png", "")
    (root / "labels/c.txt").write_text("")
    (root / "labels/classes.txt").write_text("cat\n")
    (root / "labels/d.txt").write_bytes(b"\xe9\n")
    yolo("images/d.png", None)
    samples, findings = unpack(_one(root))
    assert [(s.filename, s.objects) for s in samples] == [("a.png", []), ("b.png", [])]
    assert [(f.kind, f.reason, f.file) for f in findings] == [
        ("skipped", "broken label file", "d.png"),
        ("skipped", "image file missing", "c.txt"),
    ]


@pytest.mark.parametrize("layout", ["images/{}/a.png", "{}/images/a.png"])
def test_a_split_is_a_folder_in_either_order(yolo, unpack, layout):
    yolo(layout.format("train"), "0 0.5 0.5 1 1\n")
    root = yolo(layout.format("val"), "1 0.5 0.5 1 1\n")
    (root / "classes.txt").write_text("cat\ndog\n")
    for split, labels in (("train", [0]), ("val", [1])):
        (sample,), findings = unpack(read(str(root), split=split))
        assert (sample.filename, sample.labels, findings) == ("a.png", labels, [])
    samples, _ = unpack(read(str(root), split=""))
    assert [s.filename for s in samples] == [layout.format("train"), layout.format("val")]


def test_label_files_may_lie_beside_the_images_or_in_a_named_folder(yolo, unpack, tmp_path):
    root = yolo("all/a.png", "0 0.5 0.5 1 1\n")
    (root / "all/obj.names").write_text("cat\n")
    (sample,), findings = unpack(read(str(root / "all")))
    assert (sample.labels, findings) == ([0], [])
    (root / "other/train").mkdir(parents=True)
    (root / "all/a.txt").rename(root / "other/train/a.txt")
    assert unpack(read(str(root / "all"), str(root / "other/train")))[0] == [sample]
    (root / "all").rename(root / "train")
    assert unpack(read(str(root), str(root / "other"), labels=["cat"]))[0][0].labels == [0]
    with pytest.raises(errors.DataError, match=r"no label files .* with --annotations"):
        read(str(root), labels=["cat"])


def test_missing_names_and_images_say_what_is_wrong(yolo, tmp_path):
    root = yolo("deep/er/images/a.png", "")
    with pytest.raises(errors.DataError, match=r"no class names; give them with --labels"):
        read(str(root / "deep/er/images"))
    with pytest.raises(errors.DataError, match="no images of split 'train'"):
        read(str(root / "deep/er/labels"))


def _yaml(root, text):
    (root / "data.yaml").write_text(text)
    return str(root / "data.yaml")


def test_a_yaml_gives_folders_and_names_whose_ids_may_have_gaps(yolo, unpack):
    yolo("images/t/a.png", "90 0.5 0.5 1 1\n")
    root = yolo("images/v/b.png", "3 0.5 0.5 1 1\n")
    yolo("images/v/c.png", None)
    path = _yaml(root, "path: .\ntrain: images/t\nval: [images/v]\nnames: {90: brush, 3: car}\n")
    source = read(str(root), path, split="val")
    (b, c), _ = unpack(source)
    assert (source.class_names, source.category_ids) == (["car", "brush"], [3, 90])
    assert (b.filename, b.labels, c.labels) == ("b.png", [0], [])
    (a,), _ = unpack(read(str(root), path, split="train"))
    assert a.labels == [1]
    assert len(unpack(read(str(root), path, split=""))[0]) == 3
    assert len(unpack(read(str(root / "images/v"), split="val"))[0]) == 2  # names from two up
    with pytest.raises(errors.DataError, match=r"no split 'test' \(it has \['train', 'val'\]\)"):
        read(str(root), path, split="test")
    _yaml(root, "val: ../images/v\nnames: [a, b, c, d]\nskip_if_label_file_missing: true\n")
    samples, (finding,) = unpack(read(str(root), path, split="val"))
    assert [s.filename for s in samples] == ["b.png"]
    assert (finding.kind, finding.reason) == ("skipped", "image without a label file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: {0: cat, 1: no}\n", "put quotes around yes, no"),
        ("names: {-1: cat}\n", "expected a class id and a name"),
        ("nc: 3\nnames: [a, b]\n", "nc is 3, but there are 2 names"),
        ("names: [a, a]\n", "class name 'a' appears twice"),
        ("names: [\n", "not valid YAML"),
        ("hello\n", "there are no keys in it"),
        ("train: list.txt\nnames: [a]\n", "train: list.txt is not there"),
        ("names: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ],
)
def test_an_unusable_yaml_is_an_error(yolo, text, message):
    root = yolo("images/a.png", "0 0.5 0.5 1 1\n")
    with pytest.raises(errors.DataError, match=message):
        read(str(root), _yaml(root, text))


def test_a_label_list_may_be_a_yaml_without_gaps(tmp_path):
    assert sources.read_labels(_yaml(tmp_path, "names: {1: b, 0: a}\n")) == ["a", "b"]
    with pytest.raises(errors.DataError, match="not 0 to 1"):
        sources.read_labels(_yaml(tmp_path, "names: {1: b, 2: a}\n"))


@pytest.mark.parametrize(("split", "images"), [("train", 66), ("val", 30)])
def test_coco128_boxes_lie_on_the_boxes_of_its_json(shared_data, unpack, split, images):
    root = shared_data / "coco128"
    folder = str(root / "images" / f"{split}2017")
    names = sources.read_labels(str(root / "upstream_object_detection_config.yaml"))
    source = read(folder, str(root / "yolo_boxes" / f"{split}2017"), split=split, labels=names)
    samples, findings = unpack(source)
    lines = sum(len(p.read_text().split("\n")) - 1 for p in _labels(root, "yolo_boxes", split))
    assert (len(samples), source.groups, findings) == (images, ("labels", "objects"), [])
    assert sum(len(s.objects) for s in samples) == lines
    coco, _ = unpack(sources.FORMATS["coco"](folder, str(root / "annotations"), split=split))
    ious = []
    for ours, theirs in zip(samples, coco, strict=True):
        assert (ours.filename, ours.size) in {(theirs.filename, s) for s in (theirs.size, None)}
        for item in ours.objects:
            same = [o for o in theirs.objects if o.class_id == item.class_id and not o.is_crowd]
            ious += [max((_iou(item.box, o.box) for o in same), default=0.0)]
    assert np.median(ious) > 0.95


def _labels(root, kind, split):
    return (root / kind / f"{split}2017").glob("*.txt")


def _iou(a, b):
    def area(box):
        return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)

    shared = area((*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:])))
    return shared / (area(a) + area(b) - shared)


def test_coco128_polygons_keep_cocos_ids(shared_data, tmp_path, unpack):
    root = shared_data / "coco128"
    for kind, name in (("images", "images"), ("yolo_polygons", "labels")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "val2017").symlink_to(root / kind / "val2017")
    path = str(root / "upstream_instance_segmentation_config.yaml")
    source = read(str(tmp_path / "images/val2017"), path, split="val")
    samples, findings = unpack(source)
    assert (len(samples), findings) == (30, [])
    assert (len(source.class_names), source.category_ids[0], source.category_ids[-1]) == (80, 1, 90)
    assert source.class_names[source.category_ids.index(90)] == "toothbrush"
    assert source.groups == ("labels", "objects", "masks")
    assert all(o.box is None and len(o.mask[0]) >= 6 for s in samples for o in s.objects)
