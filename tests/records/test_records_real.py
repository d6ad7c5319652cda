"""Every real data set: converted with one command, whole, and sound afterwards."""

import csv
import shutil
import subprocess
import sys

import pytest

from tfvision import sources
from tfvision.records import dataset, verifier, writer

# format, folder of the images, annotations, {split: images}, objects of all splits, classes
SETS = {
    "voc_raccoon": ("voc", "voc_raccoon", None, {"train": 96, "val": 30}, 137, 1),
    "voc_bccd": ("voc", "voc_bccd", None, {"train": 130, "val": 41}, 2333, 3),
    "inst_balloon": ("via", "inst_balloon", None, {"train": 30, "val": 8}, 174, 1),
    "seg_camvid": ("masks", "seg_camvid", None, {"train": 50, "val": 16}, 0, 11),
    "cls_hymenoptera": ("folder", "cls_hymenoptera", None, {"train": 140, "val": 60}, 0, 2),
    "cls_mnist": ("folder", "cls_mnist", None, {"train": 1200, "val": 300}, 0, 10),
    "cls_imagenet_sample": (
        "csv",
        "cls_imagenet_sample/images",
        "cls_imagenet_sample/labels.csv",
        {"train": 70},
        0,
        70,
    ),
    "coco128": (
        "coco",
        "coco128/images/{split}2017",
        "coco128/annotations",
        {"train": 66, "val": 30},
        764,
        80,
    ),
    "coco128_panoptic": (
        "panoptic",
        "coco128/images/{split}2017",
        "coco128/annotations",
        {"train": 66, "val": 30},
        764,
        133,
    ),
    "coco128_yolo": (
        "yolo",
        "coco128/images/{split}2017",
        "coco128/yolo_boxes/{split}2017",
        {"train": 66, "val": 30},
        None,
        80,
    ),
    "coco_official_sample": (
        "coco",
        "coco_official_sample/images",
        "coco_official_sample/instances_person_keypoints.json",
        {"train": 3},
        13,
        1,
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_a_real_data_set_converts_and_is_sound(shared_data, tmp_path, name):
    kind, images, annotations, counts, objects, classes = SETS[name]
    labels = tmp_path / "labels.txt"
    if kind == "yolo":
        labels.write_text("".join(c["name"] + "\n" for c in _categories(shared_data)))
    for split in counts:
        folder = shared_data / images.format(split=split)
        source = sources.read(
            kind,
            str(folder),
            annotations and str(shared_data / annotations.format(split=split)),
            split=split,
            label_file=str(labels) if labels.exists() else "",
        )
        done = writer.write(source, str(tmp_path / name), writer.Options(split=split))
        census = done[split].census
        assert census.used == counts[split]
        assert census.found == census.used + sum(n for n, _ in census.left.values())
        assert census.found == _pictures(folder)
        assert set(census.left) <= {"of another split", f"not in the list of split '{split}'"}
    data = dataset.read(tmp_path / name)
    assert {k: s.records for k, s in data.splits.items()} == counts
    assert len(data.class_names) == classes
    if objects is not None:
        assert sum(split.objects for split in data.splits.values()) == objects
    found = list(verifier.verify(str(tmp_path / name)))
    assert found == [1] * sum(counts.values())


def _pictures(folder):
    """How many pictures there are in a folder and below, masks aside."""
    names = [p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    return sum(not p.parent.name.endswith("annot") for p in names)


def _categories(shared_data):
    import json

    with open(shared_data / "coco128/annotations/instances_val2017.json", encoding="utf-8") as f:
        return sorted(json.load(f)["categories"], key=lambda c: c["id"])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["bomb", "entities"])
def test_attacks_stay_below_a_gibibyte(shared_data, tmp_path, case):
    if case == "bomb":
        names = ("bomb_16000x16000.png", "header_2e9.png")
        places = [shared_data / "odd_inputs" / "derived" / name for name in names]
        places.append(shared_data / "odd_inputs" / "pillow" / "decompression_bomb.gif")
        places.append(shared_data / "odd_inputs" / "pillow" / "png_decompression_dos.png")
        (tmp_path / "images" / "a").mkdir(parents=True)
        for place in [*places, shared_data / "odd_inputs" / "derived" / "UPPER.JPG"]:
            data = place.read_bytes()
            (tmp_path / "images" / "a" / place.name).write_bytes(data)
        flags = ["--format=folder", f"--images={tmp_path / 'images'}", "--skip_unreadable"]
        skipped = len(places)
    else:
        root = shared_data / "broken_annotations" / "voc"
        (tmp_path / "voc" / "Annotations").mkdir(parents=True)
        (tmp_path / "voc" / "JPEGImages").symlink_to(root / "JPEGImages")
        for name in ("billion_laughs", "xxe", "ok_control"):
            data = (root / "Annotations" / f"{name}.xml").read_bytes()
            (tmp_path / "voc" / "Annotations" / f"{name}.xml").write_bytes(data)
        flags = ["--format=voc", f"--images={tmp_path / 'voc'}"]
        skipped = 2
    output = tmp_path / "out"
    command = [sys.executable, "-m", "tfvision.cli", "convert", *flags, f"--output={output}"]
    # Through a small process: a child's peak starts at what its parent has.
    code = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]).returncode;"
        "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.split("peak ")[1])
    counts = dataset.read(output).raw["splits"]["train"]["findings"]["counts"]
    assert sum(c["count"] for c in counts if c["kind"] == "skipped") == skipped
    assert 10 << 20 < peak * (1 if sys.platform == "darwin" else 1024) < 1 << 30


@pytest.mark.slow
def test_a_folder_of_odd_inputs_converts_and_the_report_names_what_was_left_out(
    shared_data, tmp_path
):
    root = shared_data / "odd_inputs"
    images = tmp_path / "images"
    shutil.copytree(root, images / "odd", ignore=shutil.ignore_patterns("MANIFEST.csv", "*.txt"))
    with open(root / "MANIFEST.csv", encoding="utf-8") as file:
        rows = {row["path"]: row["expected"] for row in csv.DictReader(file)}
    assert len(rows) == 113
    for path in rows:
        (images / "odd" / path).rename(images / "odd" / path.rstrip("/").replace("/", "-"))
    before = {p: p.read_bytes() for p in images.rglob("*") if p.is_file()}
    source = sources.read("folder", str(images), split="")
    options = writer.Options(split="all", skip_unreadable=True, workers=2)
    report = writer.write(source, str(tmp_path / "out"), options)["all"]
    left_out = {f.file.removeprefix("odd/") for f in report.listed if f.kind == "skipped"}
    text = (tmp_path / "out" / "report.txt").read_text()
    for path, expected in rows.items():
        name = path.rstrip("/").replace("/", "-")
        if name in left_out:
            assert expected != "ok", path
            assert f"odd/{name}" in text
        else:
            assert "ok" in expected or "guard" in expected, path
    names = {f for f in rows if f.rstrip("/").replace("/", "-") not in left_out}
    assert report.images == len(names)
    census = report.census
    assert census.used == report.images
    assert census.found == census.used + sum(n for n, _ in census.left.values())
    assert census.found == sum(not path.endswith("/") for path in rows)
    assert {p: p.read_bytes() for p in before} == before
    assert list(verifier.verify(str(tmp_path / "out"))) == [1] * report.images
