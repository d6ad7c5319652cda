import os
import tempfile

import pytest

from tfvision import errors, paths

LATIN = os.fsdecode(b"caf\xe9")


@pytest.mark.addons
@pytest.mark.parametrize("name", ["run", "a b", "#1", "50%20", "{x,y}", "猫", "e\u0301", "it's"])
def test_a_plain_path_is_its_own(tmp_path, name):
    with paths.plain(str(tmp_path / name)) as place:
        assert place == str(tmp_path / name)


@pytest.mark.addons
@pytest.mark.parametrize("name", ["lr[0.1]", "a*b", "what?", LATIN])
def test_another_one_is_opened_through_a_link_that_goes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.mkdir(name)
    with paths.plain(name) as place:
        assert paths.is_plain(place)
        with open(os.path.join(place, "file"), "w") as file:
            file.write("here")
    assert os.listdir(name) == ["file"]
    assert not os.path.lexists(place)


def test_a_folder_of_temporary_files_that_is_no_way_out_is_named(tmp_path, monkeypatch):
    (tmp_path / "[1]").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "[1]"))
    with pytest.raises(errors.UsageError, match="set TMPDIR"), paths.plain("lr[0.1]"):
        pass


def test_where_no_link_can_be_made_the_folder_is_to_be_renamed(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError("no privilege")

    monkeypatch.setattr(os, "symlink", refused)
    with pytest.raises(errors.UsageError, match="no privilege"), paths.plain(str(tmp_path / "[")):
        pass


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"cat", "cat"), ("é".encode(), "é"), (b"caf\xe9", "café"), (b"\x80 5", "€ 5"),
     (b"\x81", "\x81")],
)  # fmt: skip
def test_a_name_that_is_no_utf_8_is_read_as_cp1252_or_latin_1(data, text):
    assert paths.readable(os.fsdecode(data)) == text


def test_half_of_a_pair_is_a_replacement():
    assert paths.readable("a\ud83d") == "a\ufffd"
