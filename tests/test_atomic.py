import os

import pytest

from tfvision import atomic, errors


def raise_after_writing(path):
    with open(path, "w") as file:
        file.write("half")
    raise KeyError


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "a.txt"
    atomic.write_text(path, "one")
    with pytest.raises(KeyError), atomic.file(path) as aside:
        raise_after_writing(aside)
    assert path.read_text() == "one"
    atomic.write_text(path, "caf\udce9")
    assert path.read_text() == "caf\\udce9"
    assert os.listdir(path.parent) == ["a.txt"]


def test_what_a_killed_process_has_left_is_written_over(tmp_path):
    with atomic.file(tmp_path / "a") as aside:
        name = os.path.basename(aside)
        with open(aside, "w") as file:
            file.write("whole")
    (tmp_path / name).write_text("a rest that is longer than what comes")
    assert atomic.is_aside(name)
    atomic.write_text(tmp_path / "a", "short")
    assert (tmp_path / "a").read_text() == "short"
    assert os.listdir(tmp_path) == ["a"]


def test_folders_made_for_a_file_that_fails_go_again(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(errors.DataError, match=r"file/a/b\.txt cannot be written: Not a directory"):
        atomic.write_text(tmp_path / "file" / "a" / "b.txt", "x")
    with pytest.raises(ValueError, match="no"), atomic.file(tmp_path / "x" / "y" / "z"):
        raise ValueError("no")
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_stays_a_link_and_a_device_is_written_into(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a.txt")
    atomic.write_text(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a.txt").read_text() == "one"
    atomic.write_text("/dev/null", "gone")
    with pytest.raises(errors.DataError, match="/dev/full cannot be written: No space left"):
        atomic.write_text("/dev/full", "x" * 10_000)


def test_tensorflows_words_are_cut_to_the_systems_reason():
    class OpError(Exception):
        """TensorFlow's, by name."""

    for text in (
        "{{function_node x}} a/b.data-00000; No space left on device [Op:SaveV2]",
        "a/events; No space left on device\n\tFailed to flush 1 events\n\tFlushing first event.",
    ):
        with pytest.raises(errors.DataError) as caught, atomic.reported("run/step-1"):
            raise OpError(text)
        assert str(caught.value) == "run/step-1 cannot be written: No space left on device"
