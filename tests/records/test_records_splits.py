"""Splits by shares: stratified, seeded, groups kept together; and images in two splits."""

import collections

import class_folders
import numpy as np
import pytest

from tfvision import errors, schema, sources
from tfvision.records import dataset, splits, writer
from tfvision.records.spool import Spool


@pytest.fixture
def spooled(tmp_path):
    """A function: samples -> a finished spool of them."""
    opened = []

    def make(samples, seed=0):
        spool = Spool(str(tmp_path / f"spool{len(opened)}"), seed)
        opened.append(spool)
        for sample in samples:
            spool.add(sample)
        spool.finish()
        return spool

    yield make
    for spool in opened:
        spool.close()


def labelled(counts):
    """counts[c] samples of class c."""
    return [
        schema.Sample("x", f"{c}/{i}.png", f"{c}/{i}", labels=[c])
        for c, count in enumerate(counts)
        for i in range(count)
    ]


def names(spool, indices):
    return [spool.sample(i).filename for i in indices]


def test_the_flag_is_a_name_or_shares_of_one():
    assert splits.parse("val") == {"val": 1.0}
    assert splits.parse("train:0.7, val:0.2,test:0.1") == {"train": 0.7, "val": 0.2, "test": 0.1}
    for text, message in (
        ("train:0.8,val:0.1", "add up to 1"),
        ("train:0.8", "add up to 1"),
        ("train,val", "add up to 1"),
        ("train:x,val:0.1", "the share is a number"),
        ("train:0.5,train:0.5", "twice"),
        ("a/b", "file name"),
        ("", "file name"),
    ):
        with pytest.raises(errors.UsageError, match=message):
            splits.parse(text)


def test_every_class_keeps_its_share_and_nothing_is_lost(spooled):
    spool = spooled(labelled([100, 50, 10]))
    parts, findings = splits.assign(spool, {"train": 0.7, "val": 0.2, "test": 0.1}, 0, None)
    assert findings == []
    assert [len(p) for p in parts.values()] == [112, 32, 16]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(160))
    for name, wanted in (("train", [70, 35, 7]), ("val", [20, 10, 2]), ("test", [10, 5, 1])):
        found = collections.Counter(spool.sample(i).labels[0] for i in parts[name])
        assert [found[c] for c in range(3)] == wanted


def test_the_seed_decides_and_the_reading_order_does_not(spooled):
    samples = labelled([20, 20])
    shares = {"train": 0.5, "val": 0.5}
    found = []
    for given, seed in ((samples, 0), (samples[::-1], 0), (samples, 1)):
        spool = spooled(given, seed)
        parts, _ = splits.assign(spool, shares, seed, None)
        found.append(names(spool, parts["train"]))
    assert found[0] == found[1]
    assert set(found[0]) != set(found[2])


def test_groups_stay_together(spooled):
    samples = [
        schema.Sample("x", f"video{v:02d}_frame{f}.png", f"{v}/{f}", labels=[v % 2])
        for v in range(20)
        for f in range(5)
    ]
    spool = spooled(samples)
    parts, _ = splits.assign(spool, {"train": 0.75, "val": 0.25}, 0, r"^(video\d+)_")
    videos = {k: {n[:7] for n in names(spool, p)} for k, p in parts.items()}
    assert len(videos["train"]) == 15
    assert not videos["train"] & videos["val"]
    assert len(parts["val"]) == 25
    with pytest.raises(errors.DataError, match=r"video\d\d_frame\d.png does not match"):
        splits.assign(spool, {"train": 0.75, "val": 0.25}, 0, "film")
    with pytest.raises(errors.UsageError, match="group pattern"):
        splits.assign(spool, {"train": 0.75, "val": 0.25}, 0, "(")


def grouped(sizes, classes=None):
    """A group g00, g01, ... of sizes[i] images of class classes[i] each."""
    classes = classes or [0] * len(sizes)
    return [
        schema.Sample("x", f"g{g:02d}_{i}.png", f"{g}/{i}", labels=[c])
        for g, (size, c) in enumerate(zip(sizes, classes, strict=True))
        for i in range(size)
    ]


@pytest.mark.parametrize(
    ("sizes", "shares", "images", "groups"),
    [
        ([50, *[5] * 10], (0.8, 0.2), [80, 20], [7, 4]),  # 50 + 6 x 5, and 4 x 5
        ([50, *[5] * 10], (0.5, 0.5), [50, 50], [1, 10]),
        ([30, 30, 20, 20], (0.8, 0.2), [80, 20], [3, 1]),
        ([60, 20, 10, 10], (0.6, 0.2, 0.2), [60, 20, 20], [1, 1, 2]),
        ([50, 50], (0.9, 0.1), [50, 50], [1, 1]),
        ([95, 5], (0.8, 0.2), [95, 5], [1, 1]),
    ],
)
def test_shares_of_groups_are_shares_of_their_images(spooled, sizes, shares, images, groups):
    spool = spooled(grouped(sizes))
    shares = dict(zip(("train", "val", "test"), shares, strict=False))
    parts, findings = splits.assign(spool, shares, 0, r"g\d+")
    assert [len(p) for p in parts.values()] == images
    assert [len({n[:3] for n in names(spool, p)}) for p in parts.values()] == groups
    asked = [round(share * sum(sizes)) for share in shares.values()]
    assert bool(findings) == (images != asked)


def test_shares_that_groups_do_not_allow_are_told(spooled):
    _, (finding,) = splits.assign(
        spooled(grouped([50, 30, 20])), {"train": 0.9, "val": 0.1}, 0, r"g\d+"
    )
    assert (finding.kind, finding.reason) == ("noted", "groups do not allow the shares")
    assert finding.detail == "of the images: train 0.80, val 0.20, in 2 and 1 groups"
    with pytest.raises(errors.DataError, match="makes 1 groups for 2 splits"):
        splits.assign(spooled(grouped([9])), {"train": 0.5, "val": 0.5}, 0, r"g\d+")


def test_groups_are_divided_by_their_rarest_class_and_the_seed(spooled):
    samples = grouped([5] * 20, [0] * 16 + [1] * 4)
    found = []
    for given, seed in ((samples, 0), (samples[::-1], 0), (samples, 1)):
        spool = spooled(given, seed)
        parts, findings = splits.assign(spool, {"train": 0.75, "val": 0.25}, seed, r"g\d+")
        assert findings == []
        counts = collections.Counter(spool.sample(i).labels[0] for i in parts["val"])
        assert counts == {0: 20, 1: 5}  # 4 of 16 groups, 1 of 4
        found.append(set(names(spool, parts["val"])))
    assert found[0] == found[1] != found[2]


def test_objects_are_divided_by_their_rarest_class_and_rare_ones_are_reported(spooled):
    def scene(i, classes):
        objects = [schema.Object(c) for c in classes]
        return schema.Sample("x", str(i), str(i), objects=objects)

    samples = [scene(i, [0, 1] if i < 10 else [0]) for i in range(40)]
    spool = spooled([*samples, scene(40, [2]), scene(41, [])])
    parts, (finding,) = splits.assign(spool, {"train": 0.8, "val": 0.2}, 0, None)
    assert finding.detail.startswith("2 classes have too few images")
    rare = [n for n in names(spool, parts["val"]) if int(n) < 10]
    assert len(rare) == 2


def test_too_few_images_for_a_split_are_an_error(spooled):
    with pytest.raises(errors.DataError, match="leaves a split without any"):
        splits.assign(spooled(labelled([2])), {"train": 0.9, "val": 0.1}, 0, None)
    parts, _ = splits.assign(spooled(labelled([1, 1, 1])), {"train": 0.6, "val": 0.4}, 0, None)
    assert sorted(len(p) for p in parts.values()) == [1, 2]


@pytest.fixture
def photos(tmp_path):
    pixels = class_folders.noise(4, 5)
    class_folders.write(tmp_path / "photos", {"": 10}, pixels, ("cat", "dog"))
    return tmp_path / "photos"


def test_one_conversion_writes_all_splits(photos, tmp_path):
    source = sources.folder.read(str(photos), split="")
    options = writer.Options(split="train:0.8,val:0.2")
    reports = writer.write(source, str(tmp_path / "out"), options)
    assert {k: r.images for k, r in reports.items()} == {"train": 16, "val": 4}
    data = dataset.read(tmp_path / "out")
    assert {k: s.records for k, s in data.splits.items()} == {"train": 16, "val": 4}
    assert all(not report.counts for report in reports.values())


def test_an_image_in_two_splits_is_reported(photos, tmp_path):
    output = str(tmp_path / "out")
    for split in ("train", "val"):
        (photos.parent / "both").mkdir(exist_ok=True)
        (photos.parent / "both" / split).symlink_to(photos)
        for name in ("cat", "dog"):
            (photos.parent / "own" / split / name).mkdir(parents=True)
    for i, (split, name) in enumerate((("train", "cat"), ("train", "dog"), ("val", "cat"))):
        data = (photos / "cat" / f"{i}.png").read_bytes()
        (photos.parent / "own" / split / name / "a.png").write_bytes(data)
    data = (photos / "cat" / "1.png").read_bytes()  # what train has as dog/a.png
    (photos.parent / "own" / "val" / "dog" / "b.png").write_bytes(data)
    for split in ("train", "val"):
        source = sources.folder.read(str(photos.parent / "own"), split=split)
        report = writer.write(source, output, writer.Options(split=split))[split]
    assert dict(report.counts) == {("noted", "image in two splits"): 1}
    assert report.listed[0].file == "dog/b.png"
    assert report.listed[0].detail == "the same bytes as dog/a.png of split 'train'"
    text = (tmp_path / "out" / "report.txt").read_text()
    assert "image in two splits: 1\n      dog/b.png  the same bytes as dog/a.png" in text
    source = sources.folder.read(str(photos.parent / "own"), split="val")
    with pytest.raises(errors.DataError, match=r"image in two splits.*--strict"):
        writer.write(source, output, writer.Options(split="val", strict=True))


def test_two_samples_of_one_id_are_refused(spooled):
    with pytest.raises(errors.DataError, match=r"a.png and b.png have the same id '7'"):
        spooled([schema.Sample("x", "a.png", "7"), schema.Sample("x", "b.png", "7")])
