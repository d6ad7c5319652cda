"""Files of predictions that are whole after every batch, also when the disk is full."""

import csv
import json
import os
import resource
import signal

import pytest

from tfvision import errors
from tfvision.serving import results

NAMES = ("cat", "dog")
ROWS = [
    {
        "file": f"{i}.png",
        "size": [10, 20],
        "boxes": [[1.0, 2.0, 3.0, 4.0]],
        "scores": [0.5],
        "class_ids": [1],
        "class_names": ["dog"],
    }
    for i in range(40)
]


def rows_in(writer):
    """The number of images that a finished file tells of."""
    if writer.path.endswith("labels"):
        there = os.path.isdir(writer.path)
        found = [name for name in os.listdir(writer.path) if name[0] != "."] if there else []
        for name in found:
            with open(os.path.join(writer.path, name)) as file:
                assert len(file.read().split()) == 6
        return len(found)
    with open(writer.path, newline="") as file:
        if writer.path.endswith(".csv"):
            lines = list(csv.reader(file))
            assert {len(line) for line in lines} == {8}
            return len(lines) - 1
        text = file.read()
    if writer.path.endswith(".jsonl"):
        return len([json.loads(line) for line in text.splitlines()])
    return len(json.loads(text))


@pytest.fixture
def limited():
    """A function that lets no file of this process grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("kind", list(results.FORMATS))
def test_what_was_written_stays_whole_where_the_disk_refuses_more(tmp_path, limited, kind):
    writer = results.opened(kind, str(tmp_path / "out"), NAMES, {}, True)
    writer.add(ROWS[:3])
    assert rows_in(writer) == 3
    one = ROWS[3] | {"boxes": ROWS[3]["boxes"] * 9000, "scores": [0.5] * 9000}
    one |= {"class_ids": [1] * 9000, "class_names": ["dog"] * 9000}
    limited(100_000)
    with pytest.raises(errors.DataError, match="cannot be written: File too large"):
        writer.add([one])
    assert rows_in(writer) == 3
    writer.add(ROWS[4:6])
    writer.close()
    assert rows_in(writer) == 5
    assert not list((tmp_path / "out").rglob("*.aside"))


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "coco"])
def test_an_older_file_stays_until_there_is_something_new(tmp_path, kind):
    first = results.opened(kind, str(tmp_path), NAMES, {}, True)
    first.add(ROWS[:2])
    first.close()
    second = results.opened(kind, str(tmp_path), NAMES, {}, True)
    assert rows_in(first) == 2
    second.close()  # stopped before the first batch
    assert rows_in(first) == 2
    third = results.opened(kind, str(tmp_path), NAMES, {}, True)
    third.add([{"file": "broken.png", "error": "no image"}])
    third.close()
    assert rows_in(first) == (1 if kind in ("json", "jsonl") else 0)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("card", "number"), [({}, 2), ({"category_ids": [3, 90]}, 90)])
def test_coco_has_the_data_sets_category_ids(tmp_path, card, number):
    writer = results.opened("coco", str(tmp_path), NAMES, card, True)
    writer.add(ROWS[:1])
    writer.close()
    (entry,) = json.loads((tmp_path / "predictions.json").read_text())
    assert entry["category_id"] == number
    assert entry["bbox"] == [2.0, 1.0, 2.0, 2.0]
    assert entry["file_name"] == "0.png"
