"""Index masks: pairing by name, folders, class lists, and the presets."""

import csv
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, schema, sources
from tfvision.records import encode, image_files
from tfvision.sources import index_masks, pairs

PIXELS = np.zeros((2, 3), np.uint8)


@pytest.fixture
def tree(tmp_path):
    """A function that makes files: images for names with a suffix, else text."""

    def make(*paths, **texts):
        for path in paths:
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix in (".png", ".jpg", ".tif"):
                Image.fromarray(PIXELS).save(file)
            else:
                file.write_text("{}")
        for name, text in texts.items():
            (tmp_path / f"{name}.txt").write_text(text)
        return tmp_path

    return make


def _read(unpack, root, annotations=None, *, labels=("a", "b"), split="train"):
    source = index_masks.read(
        str(root), annotations and str(annotations), split=split, labels=labels
    )
    samples, findings = unpack(source)
    found = {s.filename: os.path.relpath(s.label_map.path, root) for s in samples}
    return found, sorted((f.kind, f.reason, f.file) for f in findings)


def test_names_pair_without_their_suffixes(tree, unpack):
    root = tree(
        *("i/a.jpg", "i/b_image.png", "i/c_leftImg8bit.png", "i/d_sat.jpg", "i/e_image.png"),
        *("m/a_L.png", "m/b_mask.png", "m/c_gtFine_labelIds.png", "m/d_annotation.tif"),
        *("m/e_image.png", "m/c_gtFine_color.png", "m/c_gtFine_instanceIds.png", "m/notes.md"),
        *("m/c_gtFine_polygons.json",),
    )
    found, findings = _read(unpack, root / "i", root / "m")
    assert {name: os.path.basename(path) for name, path in found.items()} == {
        "a.jpg": "a_L.png",
        "b_image.png": "b_mask.png",
        "c_leftImg8bit.png": "c_gtFine_labelIds.png",
        "d_sat.jpg": "d_annotation.tif",
        "e_image.png": "e_image.png",
    }
    assert findings == []


def test_images_and_masks_may_share_a_folder(tree, unpack):
    root = tree("a.jpg", "a_mask.png", "b.png", "b_labels.png", "b_color.png", "labels.txt")
    found, findings = _read(unpack, root)
    assert found == {"a.jpg": "a_mask.png", "b.png": "b_labels.png"}
    assert findings == []


def test_what_has_no_partner_is_reported(tree, unpack):
    root = tree("i/a.png", "i/b.png", "i/x/c.png", "m/b.png", "m/b_mask.png", "m/y/d.png")
    found, findings = _read(unpack, root / "i", root / "m")
    assert found == {"b.png": "../m/b.png"}
    assert findings == [
        ("noted", "mask that no image uses", "b_mask.png"),
        ("noted", "mask that no image uses", "y/d.png"),
        ("skipped", "no mask", "a.png"),
        ("skipped", "no mask", "x/c.png"),
    ]


def test_folders_are_walked_and_the_masks_folder_is_not_taken_for_images(tree, unpack):
    root = tree("i/x/a.png", "i/b.png", "i/masks/b.png", "i/masks/x/a.png", "i/.hidden")
    found, findings = _read(unpack, root / "i", root / "i" / "masks")
    assert found == {"b.png": "masks/b.png", "x/a.png": "masks/x/a.png"}
    assert findings == [("skipped", "hidden file", ".hidden")]


def test_a_split_chooses_its_folders(tree, unpack):
    root = tree("train/a.png", "trainannot/a.png", "val/b.png", "valannot/b.png")
    assert _read(unpack, root, split="val")[0] == {"b.png": "valannot/b.png"}
    assert _read(unpack, root, root, split="val")[0] == {"b.png": "valannot/b.png"}
    assert _read(unpack, root / "train", split="x")[0] == {"a.png": "../trainannot/a.png"}
    everything = {"train/a.png": "trainannot/a.png", "val/b.png": "valannot/b.png"}
    assert _read(unpack, root, split="")[0] == everything
    root = tree("i/train/a.png", "m/train/a.png", "i/val/b.png", "m/val/b.png")
    assert _read(unpack, root / "i", root / "m")[0] == {"a.png": "../m/train/a.png"}
    both = {"train/a.png": "../m/train/a.png", "val/b.png": "../m/val/b.png"}
    assert _read(unpack, root / "i", root / "m", split="")[0] == both


def _values(names):
    class_names, coding = index_masks.classes([], names)
    return class_names, {k: v for k, v in coding.values.items() if k != 255}


def test_a_last_class_called_void_is_none():
    assert _values(["a", "b", "Unlabelled"]) == (["a", "b"], {0: 0, 1: 1, 2: schema.VOID})
    assert _values(["void", "a"]) == (["void", "a"], {0: 0, 1: 1})


def test_a_class_table_may_have_gaps_and_255(tree, unpack):
    root = tree("i/a.png", "m/a.png")
    table = root / "classes.csv"
    table.write_text("name,ID,r\nroad,7,1\nsky,3,2\nignore,255,0\n\n")
    source = index_masks.read(str(root / "i"), str(root / "m"))
    (sample,), _ = unpack(source)
    assert source.class_names == ["sky", "road"]
    assert sample.label_map.values == {3: 0, 7: 1, 255: schema.VOID}
    table.write_text("name\nroad\nsky\n")
    assert index_masks.read(str(root / "i"), str(root / "m")).class_names == ["road", "sky"]
    for text, message in (
        ("0,Sky\n", "columns"),
        ("id,name\nx,Sky\n", "line 2: id 'x'"),
        ("id,name\n1,Sky\n1,Road\n", "id 1 of class"),
        ("id,name\n1,Sky\n2,Sky\n", "'Sky' appears twice"),
        ("id,name\n255,Sky\n1,Road\n", "id 255"),
        ("", "no classes"),
    ):
        table.write_text(text)
        with pytest.raises(errors.DataError, match=message):
            index_masks.read(str(root / "i"), str(root / "m"))


def test_the_nearest_class_list_wins_and_a_missing_one_is_an_error(tree):
    root = tree("d/i/a.png", "d/m/a.png", labels="far\n")
    read = index_masks.read
    assert read(str(root / "d/i"), str(root / "d/m")).class_names == ["far"]
    (root / "d" / "classes.txt").write_text("near\nvoid\n")
    assert read(str(root / "d/i"), str(root / "d/m")).class_names == ["near"]
    assert read(str(root / "d/i"), str(root / "d/m"), labels=["x"]).class_names == ["x"]
    (root / "labels.txt").unlink()
    (root / "d" / "classes.txt").unlink()
    with pytest.raises(errors.DataError, match="give one with --labels"):
        read(str(root / "d/i"), str(root / "d/m"))


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(errors.DataError, match=r"image folder .* does not exist"):
        index_masks.read(str(tmp_path / "i"), labels=["a"])
    with pytest.raises(errors.DataError, match=r"mask folder .* does not exist"):
        index_masks.read(str(tmp_path), str(tmp_path / "m"), labels=["a"])


def test_only_one_folder_is_listed_at_a_time(tree, monkeypatch):
    root = tree("i/x/a.png", "i/y/b.png", "m/x/a.png", "m/y/b.png")
    listed = []
    listing = pairs._list
    monkeypatch.setattr(pairs, "_list", lambda f, r: listed.append(f) or listing(f, r))
    walk = pairs.walk(str(root / "i"), str(root / "m"))
    next(walk)
    assert not any(folder.endswith("y") for folder in listed)


def test_cityscapes_ids_become_the_19_classes(tree, unpack):
    root = tree(
        "leftImg8bit/val/ulm/ulm_0_leftImg8bit.png",
        "gtFine/val/ulm/ulm_0_gtFine_labelIds.png",
        "gtFine/val/ulm/ulm_0_gtFine_color.png",
    )
    source = sources.FORMATS["cityscapes"](str(root), None, split="val")
    (sample,), findings = unpack(source)
    assert findings == []
    assert sample.filename == "ulm/ulm_0_leftImg8bit.png"
    assert len(source.class_names) == 19
    values = sample.label_map.values
    assert [k for k, v in sorted(values.items()) if v != schema.VOID][:3] == [7, 8, 11]
    assert (source.class_names[values[26]], source.class_names[values[33]]) == ("car", "bicycle")
    assert (values[0], values[29], values[255]) == (schema.VOID,) * 3
    with pytest.raises(errors.DataError, match="does not exist"):
        sources.FORMATS["cityscapes"](str(root), None, split="train")
    with pytest.raises(errors.UsageError, match="own class list"):
        sources.FORMATS["cityscapes"](str(root), None, labels=["a"])


def test_ade20k_counts_from_one(tree, unpack):
    root = tree("images/training/a.jpg", "annotations/training/a.png")
    table = "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1\t9\t1\t1\twall\n2\t0\t1\t1\t1\tsky, air\n"
    (root / "objectInfo150.txt").write_text(table)
    source = sources.FORMATS["ade20k"](str(root), None, split="train")
    (sample,), findings = unpack(source)
    assert (findings, sample.filename) == ([], "a.jpg")
    assert source.class_names == ["wall", "sky"]
    assert sample.label_map.values == {0: schema.VOID, 1: 0, 2: 1, 255: schema.VOID}
    (root / "objectInfo150.txt").unlink()
    with pytest.raises(errors.DataError, match="--labels"):
        sources.FORMATS["ade20k"](str(root), None)


@pytest.mark.parametrize(
    ("format", "options", "count"),
    [
        ("masks", {"images": "train", "annotations": "trainannot"}, 50),
        ("masks", {"images": "", "split": "train"}, 50),
        ("camvid", {"images": "", "split": "val"}, 16),
        ("camvid", {"images": "", "split": ""}, 66),
    ],
)
def test_camvid_has_the_counts_of_its_readme(shared_data, unpack, format, options, count):
    paths = {k: str(shared_data / "seg_camvid" / v) for k, v in options.items() if k != "split"}
    split = options.get("split", "train")
    annotations = paths.pop("annotations", None)
    source = sources.FORMATS[format](paths["images"], annotations, split=split)
    samples, findings = unpack(source)
    assert (len(samples), findings) == (count, [])
    assert len(source.class_names) == 11
    assert samples[0].label_map.values[11] == schema.VOID


def _rows():
    root = os.environ.get("TFVISION_TEST_DATA")
    if not root:
        return []
    with open(f"{root}/data/broken_annotations/MANIFEST.csv", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["path"].startswith("masks/")]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["path"])
def test_every_broken_mask_ends_as_its_manifest_expects(shared_data, tmp_path, row):
    root = shared_data / "broken_annotations"
    path = root / row["path"]
    shutil.copy(shared_data / "seg_camvid" / "classes.csv", tmp_path)
    shutil.copy(path, tmp_path)
    image = path.with_name(path.stem.replace("_mask", "_image") + ".png")
    own = image if image.exists() else root / "masks" / "ok_control_image.png"
    shutil.copy(own, tmp_path / image.name)
    outcome = _outcome(index_masks.read(str(tmp_path)))
    assert outcome == row["expected"], row


def _outcome(source):
    (item,) = source.items
    try:
        if isinstance(item, schema.Sample):
            with open(item.path, "rb") as file:
                image = image_files.normalise(file.read(), item.path)
            item = encode.encode(item, image, source.class_names, source.groups)
    except errors.DataError:
        return "error"
    if isinstance(item, schema.Finding):
        return {"skipped": "skip-image"}[item.kind]
    return "ok-reported" if item.findings else "ok"
