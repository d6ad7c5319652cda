"""Writing: deterministic, all or nothing, split by split; and reading dataset.json back."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import class_folders
import pytest
import tensorflow as tf
from PIL import Image

from tfvision import errors, sources
from tfvision.records import aside, dataset, listing, writer


@pytest.fixture
def animals(tmp_path):
    """Class folders train/ and val/ with 6 and 2 images of 2 classes."""
    counts, pixels = {"train": 3, "val": 1}, class_folders.noise(8, 9)
    class_folders.write(tmp_path / "animals", counts, pixels, ("cat", "dog"))
    return tmp_path / "animals"


def _convert(images, output, split="train", **options):
    source = sources.folder.read(str(images), split=split)
    reports = writer.write(source, str(output), writer.Options(split=split, **options))
    return reports[split]


def _bytes(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def _records(path):
    return [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(path)]


def _feature(record, key):
    feature = record.features.feature[key]
    return list(getattr(feature, feature.WhichOneof("kind")).value)


def test_shards_and_their_description_agree(animals, tmp_path):
    report = _convert(animals, tmp_path / "out", name="zoo", shards=4)
    assert report.images == 6
    data = dataset.read(tmp_path / "out")
    assert (data.name, data.class_names, data.groups) == ("zoo", ("cat", "dog"), ("labels",))
    assert data.category_ids is None
    split = data.split("train")
    assert [s.records for s in split.shards] == [1, 2, 1, 2]
    assert (split.records, split.objects, split.max_objects) == (6, 0, 0)
    assert [s.file for s in split.shards] == [
        f"zoo-train-0000{i}-of-00004.tfrecord" for i in range(4)
    ]
    seen = []
    for shard, path in zip(split.shards, data.files("train"), strict=True):
        with open(path, "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() == shard.sha256
        seen += [_feature(record, "image/filename")[0].decode() for record in _records(path)]
    assert sorted(seen) == sorted(f"{c}/{i}.png" for c in ("cat", "dog") for i in range(3))
    assert seen != sorted(seen)  # mixed
    assert "nothing was left out" in (tmp_path / "out" / "report.txt").read_text()
    assert (tmp_path / "out" / "labels.txt").read_text() == "cat\ndog\n"


def test_a_file_lists_the_images_in_the_order_of_the_records(animals, tmp_path):
    (tmp_path / "animals" / "train" / "dog" / "1.png").write_bytes(b"none")
    odd = tmp_path / "animals" / "train" / "dog" / 'a, "b".png'
    os.rename(tmp_path / "animals" / "train" / "dog" / "2.png", odd)
    output = tmp_path / "out"
    _convert(animals, output, name="zoo", shards=3, skip_unreadable=True)
    records = [r for path in dataset.read(output).files("train") for r in _records(path)]
    keys = ("image/source_id", "image/filename", "image/key/sha256", "image/class/label")
    found = [[_feature(record, key)[0] for key in keys] for record in records]
    assert [list(row) for row in listing.rows(output / "zoo-train.images.csv")] == [
        [str(i), source.decode(), name.decode(), digest.decode(), str(label)]
        for i, (source, name, digest, label) in enumerate(found, 1)
    ]
    assert len(found) == 5
    assert {name.decode() for _, name, *_ in found} >= {'dog/a, "b".png'}
    (output / "zoo-train.sha256").write_text("of an older conversion")
    _convert(animals, output, name="zoo", shards=2, skip_unreadable=True)
    assert sorted(path.suffix for path in output.iterdir()) == [
        *(".csv", ".json", ".tfrecord", ".tfrecord", ".txt", ".txt"),
    ]


def test_a_record_holds_the_files_own_bytes(animals, tmp_path):
    _convert(animals, tmp_path / "out")
    for record in _records(dataset.read(tmp_path / "out").files("train")[0]):
        name = _feature(record, "image/filename")[0].decode()
        data = (animals / "train" / name).read_bytes()
        assert _feature(record, "image/encoded") == [data]
        assert _feature(record, "image/key/sha256") == [hashlib.sha256(data).hexdigest().encode()]
        assert _feature(record, "image/class/text") == [name.split("/")[0].encode()]


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(animals, tmp_path):
    for workers in (1, 2, 4):
        _convert(animals, tmp_path / f"out{workers}", name="a", shards=2, workers=workers)
    assert _bytes(tmp_path / "out1") == _bytes(tmp_path / "out2") == _bytes(tmp_path / "out4")


def test_the_seed_decides_the_order(animals, tmp_path):
    for i, seed in enumerate((0, 0, 1)):
        _convert(animals, tmp_path / str(i), name="a", seed=seed)
    assert _bytes(tmp_path / "0") == _bytes(tmp_path / "1")
    assert _bytes(tmp_path / "0") != _bytes(tmp_path / "2")


def test_a_second_split_joins_the_first(animals, tmp_path):
    _convert(animals, tmp_path / "out")
    before = _bytes(tmp_path / "out")
    _convert(animals, tmp_path / "out", "val")
    data = dataset.read(tmp_path / "out")
    assert {name: split.records for name, split in data.splits.items()} == {"train": 6, "val": 2}
    after = _bytes(tmp_path / "out")
    assert all(after[n] == b for n, b in before.items() if n not in (dataset.FILE, "report.txt"))


def test_a_split_is_replaced_and_its_old_shards_removed(animals, tmp_path):
    _convert(animals, tmp_path / "out", "val")
    _convert(animals, tmp_path / "out", shards=3)
    (animals / "train" / "cat" / "0.png").unlink()
    _convert(animals, tmp_path / "out", shards=2)
    data = dataset.read(tmp_path / "out")
    assert data.split("train").records == 5
    assert data.split("val").records == 2
    assert len(list((tmp_path / "out").glob("*-train-*.tfrecord"))) == 2


def test_other_class_names_are_refused_and_both_are_named(animals, tmp_path):
    _convert(animals, tmp_path / "out")
    before = _bytes(tmp_path / "out")
    (animals / "val" / "cat").rename(animals / "val" / "cow")
    with pytest.raises(errors.DataError, match=r"2 \(cat, dog\).* 2 \(cow, dog\)"):
        _convert(animals, tmp_path / "out", "val")
    assert _bytes(tmp_path / "out") == before
    with pytest.raises(errors.DataError, match="'out', not 'zoo'"):
        _convert(animals / "train", tmp_path / "out", "test", name="zoo")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_unreadable_image_leaves_nothing_half_written(animals, tmp_path, workers):
    bad = animals / "train" / "dog" / "bad.jpg"
    bad.write_bytes(b"no image")
    output = tmp_path / "new" / "out"
    with pytest.raises(errors.DataError, match=r"dog/bad.jpg: not an image.*--skip_unreadable"):
        _convert(animals, output, workers=workers)
    assert not output.parent.exists()
    _convert(animals, output, "val")
    before = _bytes(output)
    with pytest.raises(errors.DataError, match=r"bad\.jpg"):
        _convert(animals, output, workers=workers)
    assert _bytes(output) == before
    report = _convert(animals, output, workers=workers, skip_unreadable=True)
    assert report.images == 6
    assert dict(report.counts) == {("skipped", "unreadable image"): 1}
    listed = dataset.read(output).raw["splits"]["train"]["findings"]
    assert listed["counts"] == [{"kind": "skipped", "reason": "unreadable image", "count": 1}]
    assert listed["listed"][0]["file"] == "dog/bad.jpg"
    assert bad.read_bytes() == b"no image"


def test_other_category_ids_are_refused(animals, tmp_path):
    for split, ids in (("train", [1, 2]), ("val", [0, 1])):
        source = sources.folder.read(str(animals), split=split)
        source.category_ids = ids
        if split == "train":
            writer.write(source, str(tmp_path / "out"), writer.Options(split=split))
    assert dataset.read(tmp_path / "out").category_ids == (1, 2)
    with pytest.raises(errors.DataError, match=r"category ids differ: .*\(1, 2\).*\(0, 1\)"):
        writer.write(source, str(tmp_path / "out"), writer.Options(split="val"))


def test_strict_makes_every_finding_an_error(animals, tmp_path):
    (animals / "train" / "dog" / "notes.txt").write_text("x")
    with pytest.raises(errors.DataError, match=r"dog/notes.txt: skipped, not an image \(--strict"):
        _convert(animals, tmp_path / "out", strict=True)
    assert not (tmp_path / "out").exists()


def test_wrong_options_are_usage_errors(animals, tmp_path):
    for options, message in (
        ({"shards": 7}, "shards is 7"),
        ({"workers": -1}, "workers is -1"),
        ({"name": "a/b"}, "name 'a/b'"),
    ):
        with pytest.raises(errors.UsageError, match=message):
            _convert(animals, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.DataError, match="cannot be written"):
        _convert(animals, tmp_path / "file")


def test_without_apache_beam_a_runner_is_refused(animals, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(errors.UsageError, match=r"pip install 'tfvision\[beam\]'"):
        _convert(animals, tmp_path / "out", runner="DirectRunner")
    with pytest.raises(errors.UsageError, match="beam_option goes with runner"):
        _convert(animals, tmp_path / "out", beam_options=("direct_num_workers=2",))
    assert not (tmp_path / "out").exists()


_KILLED = """
import sys, time
from tfvision import sources
from tfvision.records import encode, writer
if __name__ == "__main__":
    normal = encode.encode
    def slow(*arguments, **options):
        print("at work", flush=True)
        time.sleep(60)
        return normal(*arguments, **options)
    encode.encode = slow
    source = sources.folder.read(sys.argv[1], split="train")
    writer.write(source, sys.argv[2], writer.Options())
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_trace_after_the_next(animals, tmp_path):
    output = tmp_path / "out"
    _convert(animals, output, "val")
    before = _bytes(output)
    command = [sys.executable, "-c", _KILLED, str(animals), str(output)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout.readline() == "at work\n"
        with pytest.raises(errors.DataError, match="another conversion is writing"):
            _convert(animals, output)
        process.kill()
    left = [name for name in os.listdir(output) if name.startswith(".")]
    assert len(left) == 1
    assert _bytes_of_files(output) == before
    _convert(animals, output)
    assert not [name for name in os.listdir(output) if name.startswith(".")]
    assert dataset.read(output).split("train").records == 6


def _bytes_of_files(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file()}


def test_folders_made_on_the_way_go_on_an_error(tmp_path):
    def fail():
        with aside.folder(str(tmp_path / "a" / "b")) as folder:
            assert os.path.isdir(folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_reading_names_what_is_wrong(animals, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(errors.DataError, match="does not exist"):
        dataset.read(output)
    output.mkdir()
    with pytest.raises(errors.DataError, match=r"contains no dataset.json"):
        dataset.read(output)
    _convert(animals, output)
    assert dataset.read(output / "dataset.json") == dataset.read(output)
    with pytest.raises(errors.DataError, match=r"no split 'trian'; did you mean 'train'\?"):
        dataset.read(output).split("trian")
    sound = (output / "dataset.json").read_text()
    raw = json.loads(sound)
    for text, message in (
        (sound[:40], "not valid JSON"),
        ("[]", "its content is \\[\\], and must be an object"),
        ("{}", "version is None"),
        (json.dumps(raw | {"version": 99}), "version is 99, this tfvision reads 1"),
        (json.dumps({k: v for k, v in raw.items() if k != "groups"}), "field groups is missing"),
    ):
        (output / "dataset.json").write_text(text)
        with pytest.raises(errors.DataError, match=message):
            dataset.read(output)
    (output / "dataset.json").write_text(sound)
    (shard,) = dataset.read(output).files("train")
    with open(shard, "ab") as file:
        file.write(b"x")
    with pytest.raises(errors.DataError, match=r"has \d+ bytes, dataset.json says"):
        dataset.read(output)
    os.remove(shard)
    with pytest.raises(errors.DataError, match="is missing"):
        dataset.read(output)


def test_what_is_not_ours_in_the_output_is_never_touched(tmp_path):
    """Into a folder of images with files of the names that a conversion writes."""
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4), (name == "cat" and "red") or "blue").save(
            tmp_path / name / "1.png"
        )
    (tmp_path / ".tmp-mine").mkdir()
    (tmp_path / ".tmp-mine" / "x").write_text("mine")

    def convert():
        source = sources.read("folder", str(tmp_path), split="train")
        return writer.write(source, str(tmp_path), writer.Options())

    for file in ("labels.txt", "report.txt"):
        (tmp_path / file).write_text("mine")
        with pytest.raises(errors.DataError, match=rf"{file} is there already, and of no conv"):
            convert()
        assert (tmp_path / file).read_text() == "mine"
        (tmp_path / file).unlink()
    (tmp_path / ".tmp-unfinished").mkdir()
    (tmp_path / ".tmp-unfinished" / "x").write_text("mine")
    with pytest.raises(errors.DataError, match=r"\.tmp-unfinished is there and not of tfvision"):
        convert()
    shutil.rmtree(tmp_path / ".tmp-unfinished")
    assert convert()["train"].images == 2
    assert convert()["train"].images == 2  # over its own files
    assert (tmp_path / ".tmp-mine" / "x").read_text() == "mine"
