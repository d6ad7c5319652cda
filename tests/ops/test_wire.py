"""TFRecord files and Examples as TensorFlow writes them, read without it."""

import contextlib
import gzip
import struct

import numpy as np
import pytest
import tensorflow as tf

from tfvision import errors
from tfvision.ops import wire


def _write(path, *payloads):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for payload in payloads:
            writer.write(payload)
    return str(path)


def _bytes(path, *payloads):
    _write(path, *payloads)
    return path.read_bytes()


def test_records_come_with_their_offsets(tmp_path):
    payloads = [b"", b"abc", bytes(100_000)]
    path = _write(tmp_path / "a.tfrecord", *payloads)
    found = list(wire.records(path))
    assert [data for _, data in found] == payloads
    assert [offset for offset, _ in found] == [12, 28, 47]  # 12 before and 4 after each
    whole = (tmp_path / "a.tfrecord").read_bytes()
    assert all(whole[at : at + len(data)] == data for at, data in found)
    assert list(wire.records(_write(tmp_path / "empty"))) == []


def test_a_file_that_is_cut_names_itself_and_the_offset(tmp_path):
    whole = _bytes(tmp_path / "a", b"abc", b"defg")
    for size in (len(whole) - 1, len(whole) - 5, 25):
        (tmp_path / "b").write_bytes(whole[:size])
        with pytest.raises(errors.DataError, match=r"b: the file is truncated.* offset 19"):
            list(wire.records(str(tmp_path / "b")))
    (tmp_path / "b").write_bytes(whole[:19])
    assert len(list(wire.records(str(tmp_path / "b")))) == 1


def test_what_is_no_record_file_is_named_with_the_way_out(tmp_path):
    whole = _bytes(tmp_path / "a", b"abc", b"defg")
    cases = {
        gzip.compress(whole): "gunzip",
        b"this is only some text": "is not a TFRecord file",
        whole[:20] + b"\xff" + whole[21:]: "is damaged: .* offset 19",
    }
    for data, message in cases.items():
        (tmp_path / "b").write_bytes(data)
        with pytest.raises(errors.DataError, match=message):
            list(wire.records(str(tmp_path / "b")))
    with pytest.raises(errors.DataError, match="cannot be read"):
        list(wire.records(str(tmp_path / "none")))


def test_an_example_is_tensorflows():
    feature = {
        "bytes": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"", b"x" * 300])),
        "ints": tf.train.Feature(int64_list=tf.train.Int64List(value=[0, 300, -1, 2**62])),
        "floats": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5, -1e30])),
        "empty": tf.train.Feature(float_list=tf.train.FloatList()),
        "none": tf.train.Feature(),
        "größe": tf.train.Feature(int64_list=tf.train.Int64List(value=[7])),
    }
    data = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    found = wire.example(data)
    assert set(found) == set(feature)
    assert [data[s] for s in found["bytes"]] == [b"", b"x" * 300]
    assert found["ints"] == [0, 300, -1, 2**62]
    np.testing.assert_array_equal(found["floats"], np.float32([0.5, -1e30]))
    assert len(found["empty"]) == 0
    assert found["none"] == []
    assert found["größe"] == [7]
    assert wire.example(b"") == {}


def _field(number, payload):
    return bytes([number << 3 | 2, len(payload)]) + payload


def test_unpacked_lists_and_unknown_fields_are_read():
    floats = b"\x0d" + struct.pack("<f", 1.5) + b"\x0d" + struct.pack("<f", 2.5)
    ints = b"\x08\x05\x08\x06" + b"\x10\x01" + b"\x19" + bytes(8)
    entries = _field(1, _field(1, b"f") + _field(2, _field(2, floats)))
    entries += _field(1, _field(1, b"i") + _field(2, _field(3, ints)))
    found = wire.example(_field(1, entries) + b"\x10\x07")
    assert found["f"].tolist() == [1.5, 2.5]
    assert found["i"] == [5, 6]


# A float list whose value comes as a whole number of 2**62.
FLOATS_AS_NUMBERS = _field(
    1, _field(1, _field(1, b"f") + _field(2, _field(2, b"\x08" + b"\x80" * 8 + b"\x40")))
)


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x05a",
        b"\x0b",
        b"\xff" * 11,
        b"\x08\x01\x0a\x01\x08",
        b"\x0d\x00",
        b"plain",
        FLOATS_AS_NUMBERS,
    ],
)
def test_bytes_that_are_no_example_raise(data):
    with pytest.raises(ValueError, match=r"field|number|wire|message"):
        wire.example(data)


def test_random_damage_raises_nothing_but_value_errors():
    feature = {"a": tf.train.Feature(int64_list=tf.train.Int64List(value=range(50)))}
    whole = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    rng = np.random.default_rng(0)
    for _ in range(500):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        with contextlib.suppress(ValueError):
            wire.example(bytes(data))
