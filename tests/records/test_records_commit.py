"""A conversion that is stopped before any of its operations on files, or refused one."""

import functools
import shutil

import file_operations
import numpy as np
import pytest
from PIL import Image

from tfvision import errors, sources
from tfvision.records import aside, dataset, writer


@pytest.fixture(scope="module")
def convert(tmp_path_factory):
    """A function: (output, images, shards) -> converts so many 8 x 8 images."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for count in (2, 4):
        for index in range(count):
            place = folder / str(count) / "ab"[index % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(place / f"{index}.png")

    def function(output, count, shards):
        source = sources.FORMATS["folder"](str(folder / str(count)), None, split="train")
        options = writer.Options(split="train", name="data", shards=shards, workers=1)
        writer.write(source, str(output), options)

    return function


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and not str(p.relative_to(folder)).startswith(".")
    }


def is_sound(folder):
    """Does every shard have the digest that dataset.json says? None where it cannot be read."""
    try:
        data = dataset.read(str(folder))
    except errors.DataError:
        return None
    shards = [(path, shard.sha256) for path, shard in
              zip(data.files("train"), data.split("train").shards, strict=True)]  # fmt: skip
    return all(dataset.digest(path) == wanted for path, wanted in shards)


@pytest.fixture(scope="module", params=["first", "replaced"])
def stopped(request, convert, tmp_path_factory):
    """The output before and after a conversion, and what a kill before each operation leaves."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "replaced":
        convert(folder / "before", 2, 1)
        shutil.copytree(folder / "before", folder / "out")
    kept = []

    def copy(*_):
        kept.append(folder / f"at-{len(kept)}")
        if (folder / "out").is_dir():
            shutil.copytree(folder / "out", kept[-1])

    with file_operations.before_each(copy):
        convert(folder / "out", 4, 3)
    return folder, kept


def test_a_kill_before_any_operation_leaves_the_old_the_new_or_a_clear_word(convert, stopped):
    folder, kept = stopped
    before = contents(folder / "before") if (folder / "before").exists() else {}
    after = contents(folder / "out")
    assert len(kept) > 20
    seen = set()
    for snapshot in kept:
        files = contents(snapshot) if snapshot.exists() else {}
        state = is_sound(snapshot) if snapshot.exists() else None
        seen.add(state if files else "nothing")
        if state is None and files:
            with pytest.raises(errors.DataError, match="stopped while it was put in place"):
                dataset.read(str(snapshot))
        else:
            assert files in (before, after), snapshot
            assert state in (True, None)
        convert(snapshot, 4, 3)
        assert contents(snapshot) == after
        assert not [p for p in snapshot.iterdir() if p.name.startswith(".")]
    assert {True, None} <= seen


def test_a_refused_operation_is_one_line_and_leaves_what_was_there(convert, stopped, tmp_path):
    folder, kept = stopped
    before = contents(folder / "before") if (folder / "before").exists() else {}
    put_in_place = 0
    for at in range(len(kept)):
        output = tmp_path / f"out-{at}"
        if before:
            shutil.copytree(folder / "before", output)
        caught = file_operations.refused(functools.partial(convert, output, 4, 3), at)
        if caught is None:  # only removals are left
            break
        assert isinstance(caught, errors.DataError)
        assert "\n" not in str(caught)
        assert "No space left on device" in str(caught)
        if aside.is_stopped(str(output)):
            put_in_place += 1  # refused a rename of the commit
        else:
            assert (contents(output) if output.exists() else {}) == before
            assert not output.exists() or not [p for p in output.iterdir() if p.name[0] == "."]
        convert(output, 4, 3)
        assert contents(output) == contents(folder / "out")
    assert at > 20
    assert 1 < put_in_place < at / 2
