"""What a weight file is comes from its content: any extension, and what is none by its name."""

import gzip
import io
import struct
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
from torch_files import tensor, write_legacy, write_zip

from tfvision import errors
from tfvision.weights import darknet_weights, formats, native, readers

pytestmark = pytest.mark.addons

TWO = np.array([3, 4], np.float32)
CONTENT = {"fc.weight": tensor((2,), (1,), count=2)}


def _keras(path):
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = TWO
    return path


def _keras_zip(path):
    inner = io.BytesIO()
    _keras(inner)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", '{"class_name": "os.system"}')
        archive.writestr("model.weights.h5", inner.getvalue())
    return path


def _ours(extension):
    def write(path):
        native.save({"fc.weight": TWO}, path.with_suffix(extension))
        return path.with_suffix(extension).rename(path)

    return write


FILES = {
    formats.TORCH_ZIP: lambda path: write_zip(path, CONTENT, {"0": TWO.tobytes()}),
    formats.PICKLE: lambda path: write_legacy(path, CONTENT, {"0": TWO}),
    formats.SAFETENSORS: _ours(".safetensors"),
    formats.NPZ: _ours(".npz"),
    formats.HDF5: _keras,
    formats.KERAS: _keras_zip,
}


@pytest.mark.parametrize("name", ["best.pth.tar", "last.ckpt", "pytorch_model.bin", "weights"])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_read_whatever_it_is_called(tmp_path, kind, name):
    path = FILES[kind](tmp_path / name)
    assert formats.identify(str(path)) == kind
    (array,) = readers.read(path).values()
    np.testing.assert_array_equal(array, TWO)


def _gzip(path):
    path.write_bytes(gzip.compress(b"weights"))


def _tar(path):
    path.with_name("a").write_bytes(b"storages")
    with tarfile.open(path, "w") as archive:
        archive.add(path.with_name("a"), "storages")


def _zip_of_files(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("release/best.pth", b"")


def _bytes(content):
    return lambda path: path.write_bytes(content)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
OTHERS = {
    "html": (_bytes(b"\n<!DOCTYPE html><html>Sign in</html>"), "web page"),
    "lfs": (_bytes(LFS), "git lfs pull"),
    "gzip": (_gzip, "gunzip"),
    "tar": (_tar, "tar archive"),
    "zip": (_zip_of_files, "it contains release/best.pth"),
    "empty": (_bytes(b""), "is empty"),
    "text": (_bytes(b'{"message": "Not found"}'), "is text"),
    "xml": (_bytes(b'<?xml version="1.0"?><Error/>'), "XML page"),
    "npy": (_bytes(b"\x93NUMPY\x01\x00"), "one bare array"),
    "noise": (_bytes(b"\xfe\xed" * 40), "is not a weight file"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_weight_file_is_called_by_its_name(tmp_path, case):
    write, message = OTHERS[case]
    path = tmp_path / "resnet50.pth"
    write(path)
    with pytest.raises(errors.DataError, match=message) as caught:
        readers.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", ["html", "lfs", "gzip", "tar", "empty", "text", "xml"])
def test_what_lies_in_the_place_of_darknets_weights_is_called_by_its_name(tmp_path, case):
    write, message = OTHERS[case]
    path = tmp_path / "yolov3.weights"
    write(path)
    with pytest.raises(errors.DataError, match=message):
        darknet_weights.read(path)


@pytest.mark.parametrize("name", ["saved_model.pb", "ckpt-1.index"])
def test_folders_of_tensorflow_are_called_by_their_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(errors.DataError, match=r"is not read; .*save_weights"):
        readers.read(tmp_path)


def test_a_prefix_of_tensorflow_is_called_by_its_name(tmp_path):
    (tmp_path / "ckpt-1.index").write_bytes(b"")
    (tmp_path / "ckpt-1.data-00000-of-00001").write_bytes(b"1234")
    for name in ("ckpt-1", "ckpt-1.data-00000-of-00001"):
        with pytest.raises(errors.DataError, match="checkpoint of TensorFlow"):
            readers.read(tmp_path / name)


def test_a_file_of_another_source_names_the_source(tmp_path):
    path = tmp_path / "yolo.pth"
    path.write_bytes(struct.pack("<3iq", 0, 2, 5, 7) + TWO.tobytes())
    assert formats.identify(str(path)) == formats.DARKNET
    with pytest.raises(errors.DataError, match="source='darknet'"):
        readers.read(path)
    with pytest.raises(errors.DataError, match="is not a Darknet"):
        darknet_weights.read(write_zip(path, CONTENT, {"0": TWO.tobytes()}))


def test_a_torchscript_program_is_called_by_its_name(tmp_path):
    path = write_zip(tmp_path / "a.pt", CONTENT, {"0": TWO.tobytes()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/constants.pkl", b"")
    with pytest.raises(errors.DataError, match=r"TorchScript.*state_dict"):
        readers.read(path)
