"""The embedded data sets: what they hold, and that they are the same every time."""

import json

import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources, synthetic
from tfvision.ops import masks
from tfvision.records import writer
from tfvision.synthetic import drawing, drawn_scenes, outline

SMALL = {"train": 6, "val": 2, "size": (96, 128)}


@pytest.fixture(scope="module")
def balloons(tmp_path_factory):
    output = tmp_path_factory.mktemp("made") / "balloons"
    synthetic.balloons.write(str(output), **SMALL)
    return output


def _files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_outline_fills_to_the_same_bitmap_again():
    rng = np.random.default_rng(0)
    for _ in range(200):
        mask = (rng.random((7, 9)) < 0.6).astype(np.uint8)
        polygons, has_hole = outline.trace(mask)
        filled = masks.from_polygons(polygons, mask.shape)
        assert (filled >= mask).all()
        assert has_hole == (filled != mask).any()


def test_an_outline_runs_from_corner_to_corner():
    mask = np.zeros((4, 5), np.uint8)
    mask[1:3, 1:4] = 1
    (polygon,), has_hole = outline.trace(mask)
    assert sorted(zip(polygon[::2], polygon[1::2], strict=True)) == [(1, 1), (1, 3), (4, 1), (4, 3)]
    assert not has_hole
    mask[1, 2] = 0
    mask[2, 2] = 0
    assert len(outline.trace(mask)[0]) == 2


def test_the_json_says_what_the_scenes_show(balloons):
    content = json.loads((balloons / "annotations" / "instances_train.json").read_text())
    assert [c["name"] for c in content["categories"]] == ["round", "heart", "star"]
    assert len(content["images"]) == 6
    shown = {image["id"]: 0 for image in content["images"]}
    for entry in content["annotations"]:
        shown[entry["image_id"]] += 1
        mask = masks.from_polygons(entry["segmentation"], (96, 128))
        assert masks.area(mask) == entry["area"]
        y1, x1, y2, x2 = masks.bounds(mask)
        assert entry["bbox"] == [x1, y1, x2 - x1, y2 - y1]
    assert all(1 <= count <= 7 for count in shown.values())
    with Image.open(balloons / "images" / "train" / content["images"][0]["file_name"]) as image:
        assert image.size == (128, 96)


def test_every_balloon_shows_enough_to_be_told():
    for seed in range(10):
        scene = drawn_scenes.make(np.random.default_rng(seed), (128, 160), "train")
        assert 1 <= len(scene.kinds) <= 7
        assert set(scene.kinds) <= set(drawing.KINDS)
        assert min(scene.visible) >= 0.35
        assert max(scene.visible) <= 1.0
        assert not scene.clear[scene.owner >= 0].any()


def test_the_same_seed_gives_the_same_bytes(balloons, tmp_path):
    synthetic.balloons.write(str(tmp_path / "again"), **SMALL)
    assert _files(tmp_path / "again") == _files(balloons)
    synthetic.balloons.write(str(tmp_path / "again"), **SMALL, seed=1)  # replaces its own
    other, first = _files(tmp_path / "again"), _files(balloons)
    assert other["images/train/00000.jpg"] != first["images/train/00000.jpg"]


def test_one_set_of_balloons_serves_boxes_masks_and_classes(balloons, tmp_path):
    source = sources.coco.read(
        str(balloons / "images/val"), str(balloons / "annotations"), split="val"
    )
    assert source.groups == ("labels", "objects", "masks")
    report = writer.write(source, str(tmp_path / "scenes"), writer.Options(split="val"))["val"]
    assert report.images == 2
    assert not report.counts
    classes = {path.name for path in (balloons / "classes" / "train").iterdir()}
    assert classes == {"none", "round", "heart", "star"}


def test_digits_are_all_there_and_stratified(tmp_path, unpack):
    synthetic.digits.write(str(tmp_path / "digits"))
    for split, total, least in (("train", 1437, 139), ("val", 360, 34)):
        source = sources.folder.read(str(tmp_path / "digits"), split=split)
        assert source.class_names == [str(n) for n in range(10)]
        samples, _ = unpack(source)
        assert len(samples) == total
        assert np.bincount([s.labels[0] for s in samples]).min() >= least
    with Image.open(samples[0].path) as image:
        assert (image.size, image.mode) == ((8, 8), "L")
    source = sources.folder.read(str(tmp_path / "digits"), split="val")
    report = writer.write(source, str(tmp_path / "records"), writer.Options(split="val"))["val"]
    assert report.images == 360


@pytest.mark.parametrize("name", synthetic.GENERATORS)
def test_nothing_else_is_overwritten(name, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(errors.DataError, match=r"not generated \(mine.txt"):
        synthetic.GENERATORS[name](str(tmp_path), train=10, val=10)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(errors.UsageError, match="train is 0"):
        synthetic.GENERATORS[name](str(tmp_path / "new"), train=0)


def test_label_maps_agree_with_the_instances(balloons):
    names = (balloons / "masks/labels.txt").read_text().split()
    assert names == ["background", "round", "heart", "star"]
    path = balloons / "annotations/instances_train.json"
    content = json.loads(path.read_text())
    for image in content["images"]:
        stem = image["file_name"].removesuffix(".jpg")
        with Image.open(balloons / f"masks/train/{stem}.png") as mask:
            values = np.asarray(mask)
        assert values.shape == (96, 128)
        own = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        for class_id in (1, 2, 3):
            area = sum(a["area"] for a in own if a["category_id"] == class_id)
            found = int((values == class_id).sum())
            assert area <= found <= area + 12 * 8  # what is too small to be an object is left out
