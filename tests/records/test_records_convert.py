"""Real and broken data sets through `tfvision convert`."""

import csv
import hashlib
import subprocess
import sys

import pytest
import warm

from tfvision import errors, sources
from tfvision.records import dataset, writer


def _convert(format, images, annotations, output, *, split="train", **options):
    source = sources.FORMATS[format](images, annotations, split=split)
    writer.write(source, output, writer.Options(split=split, **options))
    return dataset.read(output)


def _command(verb, *arguments):
    """Runs the command line in a process of its own, because flags are global to one."""
    return warm.run("tfvision.cli", verb, *arguments)


def _kinds(data):
    counts = data.raw["splits"]["train"]["findings"]["counts"]
    return {(c["kind"], c["reason"]): c["count"] for c in counts}


# What each case must leave in the report, besides what its manifest says.
_REASONS = {
    "polygon_outside": "polygon beyond the image",
    "bbox_beyond": "box beyond the image",
    "bbox_outside": "box outside the image",
    "wrong_size": "recorded size is wrong",
    "rle_short_counts": "broken run lengths",
    "rle_wrong_size": "run lengths of another size",
    "missing_image_file": "image file missing",
    "path_in_file_name": "path that leaves the image folder",
    "duplicate_image_entry": "image listed twice",
}


def test_every_broken_coco_file_ends_as_its_manifest_expects(shared_data, tmp_path):
    root = shared_data / "broken_annotations"
    with open(root / "MANIFEST.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].startswith("coco/")]
    assert len(rows) == 34
    for row in rows:
        name = row["path"].removeprefix("coco/").removesuffix(".json")
        outcome = _outcome(root, row["path"], tmp_path / name)
        expected = row["expected"]
        if expected == "error":
            assert outcome is None, row
            assert not (tmp_path / name).exists()
            continue
        assert outcome is not None, row
        kinds = {kind for kind, _ in _kinds(outcome)}
        wanted = {"clip": "clipped", "drop-object": "dropped", "skip-image": "skipped"}
        wanted |= {"ok-reported": "noted"}
        assert kinds == ({wanted[expected]} if expected != "ok" else set()), (row, _kinds(outcome))
        assert _REASONS.get(name) in {None, *(reason for _, reason in _kinds(outcome))}
        split = outcome.split("train")
        has_crowd = "rle" in name
        images = 4 + has_crowd - (name in ("missing_image_file", "path_in_file_name"))
        assert split.records == images, row
        objects = 28 + has_crowd - (expected == "drop-object") - 28 * (name.startswith("image_w"))
        objects -= 4 * (name in ("missing_image_file", "path_in_file_name"))
        assert split.objects == objects, row
        if expected != "ok":
            with pytest.raises(errors.DataError, match="--strict"):
                _one(root, row["path"], tmp_path / "strict", strict=True)


def _one(root, path, output, **values):
    return _convert(
        format="coco",
        images=str(root / "coco" / "images"),
        annotations=str(root / path),
        output=str(output),
        **values,
    )


def _outcome(root, path, output):
    try:
        return _one(root, path, output)
    except errors.DataError as error:
        if "\n" in str(error):
            raise
        return None


@pytest.mark.slow
def test_hymenoptera_converts_with_one_command_a_split(shared_data, tmp_path):
    images = shared_data / "cls_hymenoptera"
    output = tmp_path / "bees"
    for split in ("train", "val"):
        flags = (f"--images={images}", f"--split={split}", f"--output={output}", "--workers=2")
        done = _command("convert", "--format=folder", *flags)
        assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == [
        f"split val -> {output}",
        "  images   60",
        "  classes  2",
    ]
    data = dataset.read(tmp_path / "bees")
    assert {n: s.records for n, s in data.splits.items()} == {"train": 140, "val": 60}
    assert data.class_names == ("ants", "bees")


def test_coco128_converts_whole(shared_data, tmp_path):
    root = shared_data / "coco128"
    before = _digests(root / "images" / "val2017")
    for split, records, objects in (("train", 66, 470), ("val", 30, 294)):
        data = _convert(
            format="coco",
            images=str(root / "images" / f"{split}2017"),
            annotations=str(root / "annotations" / f"instances_{split}2017.json"),
            split=split,
            output=str(tmp_path / "coco"),
        )
        assert (data.split(split).records, data.split(split).objects) == (records, objects)
        assert data.raw["splits"][split]["findings"]["counts"] == []
    assert data.groups == ("labels", "objects", "masks")
    assert len(data.class_names) == 80
    assert data.category_ids[-1] == 90
    assert _digests(root / "images" / "val2017") == before


def _digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).digest() for p in folder.iterdir()}


def test_the_official_sample_converts_whole(shared_data, tmp_path):
    root = shared_data / "coco_official_sample"
    data = _convert(
        format="coco",
        images=str(root / "images"),
        annotations=str(root / "instances_person_keypoints.json"),
        output=str(tmp_path / "out"),
    )
    assert (data.split("train").records, data.split("train").objects) == (3, 13)
    assert (data.class_names, data.category_ids) == (("person",), (1,))
    assert _kinds(data) == {}


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ((), 2, "--format is missing"),
        (("--format=foldr", "--images=x", "--output=y"), 2, "did you mean 'folder'"),
        (("--format=folder", "--images=nowhere", "--output=y"), 1, "nowhere does not exist"),
        (("--format=coco", "--images=.", "--output=y"), 2, "format coco needs annotations"),
        (("--format=folder", "--images=x", "--output=y", "train"), 2, "argument 'train'"),
        (
            ("--format=folder", "--images=x", "--output=y", "--runner=DirectRunner", "--workers=2"),
            2,
            "--workers goes without --runner",
        ),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(flags, code, message):
    # As a shell starts it, so that nothing else is written before the line; it is over at once.
    command = [sys.executable, "-m", "tfvision.cli", "convert", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stderr.startswith("tfvision: ")
    assert done.stderr.count("\n") == 1


def test_synthesize_says_what_it_wrote(tmp_path):
    done = _command("synthesize", "--name=digits", f"--output={tmp_path / 'digits'}")
    assert (done.returncode, done.stdout) == (0, f"digits -> {tmp_path / 'digits'}\n"), done.stderr


@pytest.mark.parametrize("name", ["tools.convert", "tools.synthesize", "records.writer"])
def test_tensorflow_is_imported_only_when_work_starts(name):
    code = f"import sys, tfvision.{name}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
