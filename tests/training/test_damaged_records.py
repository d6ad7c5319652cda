"""A byte of a shard that is wrong: shard, record and image are named, wherever it is met."""

import shutil
import struct

import pytest
import tensorflow as tf
import test_trainer

from tfvision import errors
from tfvision.records import damage
from tfvision.tools import runs
from tfvision.training import start_checks

records = test_trainer.records
trainer, small = test_trainer.trainer, test_trainer.small


@pytest.fixture(scope="module")
def made(records, small_model, tmp_path_factory):
    """A Trainer on records of its own, each a pixel of color apart, that are then damaged."""
    place = tmp_path_factory.mktemp("damaged") / "records"
    shutil.copytree(records, place)
    return trainer(small(place), tmp_path_factory.mktemp("damaged") / "run"), place


def frames(content):
    """(start, length) of the data of each record."""
    at = 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        yield at + 12, length
        at += 12 + length + 4


def flip_in_image(shard, number):
    """Flips a byte of the image in a record; returns the record's image."""
    content = bytearray(shard.read_bytes())
    start, length = list(frames(content))[number]
    example = tf.train.Example.FromString(bytes(content[start : start + length]))
    feature = example.features.feature
    encoded = feature["image/encoded"].bytes_list.value[0]
    content[start + content[start : start + length].index(encoded) + len(encoded) // 2] ^= 255
    shard.write_bytes(content)
    return feature["image/filename"].bytes_list.value[0].decode()


def undecodable(shard, number):
    """Writes a record whose checksum is right and whose image is none; returns its image."""
    rows = [r.numpy() for r in tf.data.TFRecordDataset(str(shard))]
    example = tf.train.Example.FromString(rows[number])
    feature = example.features.feature["image/encoded"].bytes_list
    feature.value[0] = b"\x89PNG\r\n\x1a\n" + b"x" * (len(feature.value[0]) - 8)
    rows[number] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for row in rows:
            writer.write(row)
    return example.features.feature["image/filename"].bytes_list.value[0].decode()


@pytest.mark.parametrize("harm", [flip_in_image, undecodable])
@pytest.mark.parametrize("split", ["train", "val"])
def test_shard_record_and_image_are_named(made, split, harm):
    run, place = made
    assert damage.first(run.data, split) is None
    shard = sorted(place.glob(f"*{split}*.tfrecord"))[1]
    sound = shard.read_bytes()
    image = harm(shard, 2)
    assert "/" in image
    try:
        named = rf"{shard.name}: record 2 \({image}\).*`tfvision verify {place}`"
        with pytest.raises(errors.DataError, match=named) as caught:
            run.fit() if split == "train" else run.evaluate()
        assert "\n" not in str(caught.value)
    finally:
        shard.write_bytes(sound)


def test_what_looks_at_the_first_records_names_them_too(made, tmp_path):
    run, place = made
    shard = sorted(place.glob("*val*.tfrecord"))[0]
    sound = shard.read_bytes()
    image = flip_in_image(shard, 0)
    named = rf"{shard.name}: record 0 \({image}\)"
    try:
        with pytest.raises(errors.DataError, match=named):
            start_checks.samples(run.task, run.data, "val", run.config, training=False)
        with pytest.raises(errors.DataError, match=named):
            runs.samples(run.config, 3)
    finally:
        shard.write_bytes(sound)
