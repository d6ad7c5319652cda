"""Weight files by hand: PyTorch's two layouts, safetensors and npz, whole and broken."""

import json
import struct
import sys
import types
import zipfile

import numpy as np
import pytest
from torch_files import Call, Named, pickled, tensor, write_legacy, write_zip

from tfvision import errors
from tfvision.weights import readers

pytestmark = pytest.mark.addons

TWELVE = np.arange(12, dtype=np.float32)  # the elements of the storage below


def _says(path, *words):
    with pytest.raises(errors.DataError) as caught:
        readers.read(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message


def test_strides_and_offset_of_a_zip_checkpoint_are_honoured(tmp_path):
    content = {
        "whole": tensor((3, 4), (4, 1)),
        "turned": tensor((4, 3), (1, 4)),
        "column": tensor((3,), (4,), offset=1),
        "number": tensor((), (), offset=5),
        "none": tensor((0, 4), (4, 1)),
    }
    arrays = readers.read(write_zip(tmp_path / "a.pth", content, {"0": TWELVE.tobytes()}))
    np.testing.assert_array_equal(arrays["whole"], TWELVE.reshape(3, 4))
    np.testing.assert_array_equal(arrays["turned"], TWELVE.reshape(3, 4).T)
    np.testing.assert_array_equal(arrays["column"], [1, 5, 9])
    assert arrays["number"].shape == ()
    assert arrays["number"] == 5
    assert arrays["none"].shape == (0, 4)


def test_a_legacy_checkpoint_reads_its_storages_in_the_order_of_its_keys(tmp_path):
    content = {
        "late": tensor((2,), (1,), key="b", count=2, kind="LongStorage"),
        "turned": tensor((4, 3), (1, 4), key="a", view=(None,)),
        "view": tensor((2,), (1,), key="a", view=(("v", 4, 2),), offset=0),
    }
    storages = {"a": TWELVE, "b": np.array([7, -8], np.int64)}
    arrays = readers.read(write_legacy(tmp_path / "a.pt", content, storages))
    np.testing.assert_array_equal(arrays["late"], [7, -8])
    np.testing.assert_array_equal(arrays["turned"], TWELVE.reshape(3, 4).T)


def test_the_view_of_an_old_storage_starts_where_it_says(tmp_path):
    content = {"view": tensor((2,), (1,), count=12, view=(("v", 4, 2),))}
    path = write_legacy(tmp_path / "a.pt", content, {"0": TWELVE})
    np.testing.assert_array_equal(readers.read(path)["view"], [4, 5])


def test_bfloat16_and_float16_of_a_checkpoint_become_float32(tmp_path):
    # 1.5 is 0x3FC00000 as float32, so 0x3FC0 as bfloat16; -2 is 0xC000.
    content = {
        "brain": tensor((2,), (1,), kind="BFloat16Storage", key="0", count=2),
        "half": tensor((2,), (1,), kind="HalfStorage", key="1", count=2),
    }
    storages = {
        "0": struct.pack("<2H", 0x3FC0, 0xC000),
        "1": np.array([1.5, -2], np.float16).tobytes(),
    }
    arrays = readers.read(write_zip(tmp_path / "a.pth", content, storages))
    for name in ("brain", "half"):
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], [1.5, -2])


def test_a_state_dict_is_found_inside_and_loses_its_module_prefix(tmp_path):
    inner = {
        "module.fc.weight": tensor((2,), (1,)),
        "module.fc.bias": tensor((1,), (1,)),
    }
    content = {"epoch": 3, "state_dict": inner, "optimizer": {"lr": 0.1}}
    path = write_zip(tmp_path / "a.pth", content, {"0": TWELVE.tobytes()})
    assert list(readers.read(path)) == ["fc.weight", "fc.bias"]
    path = write_legacy(tmp_path / "b.pth", {"model": {"state_dict": inner}}, {"0": TWELVE})
    assert list(readers.read(path)) == ["fc.weight", "fc.bias"]


def test_a_parameter_and_an_ordered_dict_with_metadata_are_read(tmp_path):
    parameter = Call(
        Named("torch._utils", "_rebuild_parameter"),
        tensor((2,), (1,)),
        True,
        {},
    )
    ordered = Call(Named("collections", "OrderedDict"), [("w", parameter)])
    path = write_zip(tmp_path / "a.pth", ordered, {"0": TWELVE.tobytes()})
    np.testing.assert_array_equal(readers.read(path)["w"], [0, 1])


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("tfvision_trap", "spring"),
        ("builtins", "eval"),
        ("os", "system"),
        ("torch.storage", "_load_from_bytes"),
        ("collections", "OrderedDict.__init__.__globals__"),
    ],
)
def test_a_checkpoint_that_calls_code_is_refused_and_runs_nothing(
    tmp_path, monkeypatch, write, module, name
):
    sprung = []
    trap = types.ModuleType("tfvision_trap")
    trap.spring = sprung.append
    monkeypatch.setitem(sys.modules, "tfvision_trap", trap)
    content = {"w": Call(Named(module, name), "sprung.append(1)")}
    path = write(tmp_path / "a.pth", content, {"0": TWELVE} if write is write_legacy else {})
    _says(path, f"'{module}.{name}'", "never run")
    assert not sprung


def test_a_legacy_file_cannot_hide_a_call_in_its_first_pickle(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(pickled(Call(Named("os", "system"), "true")))
    _says(path, "'os.system'", "never run")


def test_a_pickle_cannot_change_what_the_names_stand_for(tmp_path):
    # BUILD sets the state of the object before it: here, of the name itself.
    build = b"ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + build)
    _says(path, "broken")


def test_one_list_inside_itself_many_times_over_is_read_at_once(tmp_path):
    nested = []
    for _ in range(60):  # 2**60 lists, were each met anew
        nested = [nested, nested]
    content = {"model": {"w": tensor((2,), (1,))}, "more": nested}
    path = write_zip(tmp_path / "a.pth", content, {"0": TWELVE.tobytes()})
    assert list(readers.read(path)) == ["w"]


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((3, 4), (4, 1), 1),
        ((13,), (1,), 0),
        ((2,), (12,), 0),
        ((2,), (-1,), 5),
        ((2,), (1,), -1),
        ((-1,), (1,), 0),
        ((2, 2), (1,), 0),
        ((2**40,), (2**40,), 0),
        ((True,), (1,), 0),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(tmp_path, shape, strides, offset):
    content = {"w": tensor(shape, strides, offset=offset)}
    _says(write_zip(tmp_path / "a.pth", content, {"0": TWELVE.tobytes()}), "broken")


def test_a_storage_shorter_than_it_says_is_refused(tmp_path):
    content = {"w": tensor((2,), (1,))}
    _says(
        write_zip(tmp_path / "a.pth", content, {"0": TWELVE[:11].tobytes()}),
        "11 elements",
    )
    _says(write_zip(tmp_path / "b.pth", content, {}), "broken")


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_a_truncated_checkpoint_is_one_line(tmp_path, write):
    storage = TWELVE if write is write_legacy else TWELVE.tobytes()
    whole = write(tmp_path / "a.pth", {"w": tensor((3, 4), (4, 1))}, {"0": storage}).read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        _says(cut, "truncated")


def test_big_endian_checkpoints_are_refused(tmp_path):
    content = {"w": tensor((2,), (1,))}
    storages = {"0": TWELVE.tobytes()}
    _says(write_zip(tmp_path / "a.pth", content, storages, byteorder=b"big"), "big-endian")
    _says(
        write_legacy(tmp_path / "b.pth", content, {"0": TWELVE}, little=False),
        "big-endian",
    )


def test_what_is_no_state_dict_is_refused(tmp_path):
    storages = {"0": TWELVE.tobytes()}
    _says(
        write_zip(tmp_path / "a.pth", [tensor((2,), (1,))], storages),
        "contains a list",
    )
    _says(
        write_zip(tmp_path / "b.pth", {"w": tensor((2,), (1,)), "lr": 0.1}, storages),
        "'lr'",
    )
    _says(write_zip(tmp_path / "c.pth", {}, storages), "no arrays")


def _safetensors(path, entries):
    header, data = {}, b""
    for name, (dtype, shape, content) in entries.items():
        span = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": span}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_safetensors_of_every_float_type_are_read(tmp_path):
    entries = {
        "brain": ("BF16", [2, 1], struct.pack("<2H", 0x3FC0, 0xC000)),
        "half": ("F16", [2, 1], np.array([1.5, -2], np.float16).tobytes()),
        "single": ("F32", [2, 1], np.array([1.5, -2], np.float32).tobytes()),
        "count": ("I64", [], np.array(3, np.int64).tobytes()),
    }
    arrays = readers.read(_safetensors(tmp_path / "a.safetensors", entries))
    for name in ("brain", "half", "single"):
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], [[1.5], [-2]])
    assert arrays["count"] == 3


def test_safetensors_that_are_broken_or_of_a_strange_type_are_refused(tmp_path):
    path = _safetensors(tmp_path / "a.safetensors", {"w": ("F32", [1], b"1234")})
    path.write_bytes(path.read_bytes()[:-1])
    _says(path, "truncated")
    _says(_safetensors(tmp_path / "b.safetensors", {"w": ("U64", [1], b"12345678")}), "U64")


def test_npz_is_read_and_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", **{"fc/kernel": TWELVE, "half": np.float16([1.5])})
    arrays = readers.read(tmp_path / "a.npz")
    np.testing.assert_array_equal(arrays["fc/kernel"], TWELVE)
    assert arrays["half"].dtype == np.float32
    np.savez(tmp_path / "b.npz", w=np.array([{}], object))
    _says(tmp_path / "b.npz", "broken", "allow_pickle")
    np.savez(tmp_path / "c.npz", w=np.array(["text"]))
    _says(tmp_path / "c.npz", "'w'", "not of numbers")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(whole[:-30])
    _says(tmp_path / "d.npz", "truncated")


def test_a_missing_file_and_an_unknown_extension_are_told(tmp_path):
    _says(tmp_path / "none.pth", "not there")
    _says(tmp_path / "a.onnx", "extension", ".safetensors")
