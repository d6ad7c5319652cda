"""Several workers that read shards of their own: what each sees, and where it goes on."""

import types

import pytest
import tensorflow as tf

from tfvision import config as configs
from tfvision import errors
from tfvision.inputs import pipeline
from tfvision.records import dataset, example
from tfvision.training import training_batches


def write(folder, counts):
    """A shard of each count; record p of shard s has the id 100 s + p."""
    files = [str(folder / f"shard-{number}") for number in range(len(counts))]
    for number, (file, count) in enumerate(zip(files, counts, strict=True)):
        with tf.io.TFRecordWriter(file) as shard:
            for place in range(count):
                name = str(100 * number + place).encode()
                shard.write(example.serialize({"image/source_id": ("string", [name])}))
    return files


def prepare(record):
    number = tf.strings.to_number(record["source_id"], tf.int32)
    return {"id": number, "index": record["seed"][1]}


def samples(order, worker, workers, steps, start=0):
    """[(ids, their numbers in the stream)] of a worker's batches."""
    made = pipeline.train(order, (), prepare, start_step=start, worker=worker, workers=workers)
    return [(b["id"].numpy().tolist(), b["index"].numpy().tolist()) for b in made.take(steps)]


@pytest.mark.addons
def test_every_record_comes_once_an_epoch_and_a_shard_changes_its_worker(tmp_path):
    files = write(tmp_path, [3, 3, 3, 3])
    order = pipeline.Order(files, 12, 6, seed=1, shuffle_buffer=4, counts=(3, 3, 3, 3))
    both = [samples(order, worker, 2, 12) for worker in (0, 1)]  # an epoch is 2 batches of 3
    assert [index for _, index in both[1]][:2] == [[1, 3, 5], [7, 9, 11]]
    shards = set()
    for epoch in range(6):
        seen = [[i for ids, _ in b[2 * epoch : 2 * epoch + 2] for i in ids] for b in both]
        assert sorted(seen[0] + seen[1]) == [100 * s + p for s in range(4) for p in range(3)]
        own = {i // 100 for i in seen[0]}
        assert len(own) == 2
        shards.add(tuple(own))
    assert len(shards) > 2


@pytest.mark.addons
def test_workers_with_unequal_shards_go_on_at_any_step_and_tell_the_images(tmp_path):
    counts = (5, 1, 3, 2, 4)
    files = write(tmp_path, counts)
    order = pipeline.Order(files, 15, 4, seed=2, shuffle_buffer=3, counts=counts)
    whole = [samples(order, worker, 2, 40) for worker in (0, 1)]
    for step in (4, 29):
        for worker in (0, 1):
            assert samples(order, worker, 2, 5, step) == whole[worker][step : step + 5]
        names = [int(name) for name in pipeline.source_ids(order, step, 2)]
        assert names == whole[0][step][0] + whole[1][step][0]
    # 160 samples are ten epochs of 15 and a part of another; workers may be an epoch apart.
    all_ids = [i for part in whole for ids, _ in part for i in ids]
    times = [all_ids.count(100 * s + p) for s, count in enumerate(counts) for p in range(count)]
    assert min(times) >= 8
    assert max(times) <= 13


def test_one_worker_reads_as_without_the_setting(tmp_path):
    files = write(tmp_path, [3, 4, 5])
    plain = pipeline.Order(files, 12, 4, seed=1)
    own = pipeline.Order(files, 12, 4, seed=1, counts=(3, 4, 5))
    assert samples(own, 0, 1, 6) == samples(plain, 0, 1, 6)


def test_more_workers_than_shards_are_refused():
    shards = tuple(dataset.Shard(f"train-{n}", 6, 1, "") for n in range(2))
    split = types.SimpleNamespace(shards=shards, records=12)
    data = types.SimpleNamespace(split=lambda name: split, files=lambda name: ["a", "b"])
    config = configs.config(inputs={"by_files": True})

    def batches(count):
        workers = types.SimpleNamespace(number=0, count=count)
        return training_batches.TrainingBatches(None, config, data, workers, count)

    assert batches(2)._order.counts == (6, 6)
    assert batches(1)._order.counts == ()
    with pytest.raises(errors.UsageError, match=r"by_files: split 'train' has 2 shards for 3"):
        batches(3)


def test_batches_of_one_orientation_and_shards_of_ones_own_do_not_go_together():
    from tfvision.inputs import orientation

    inputs = configs.config(inputs={"by_files": True, "image_size": (32, 64)}).inputs
    with pytest.raises(errors.UsageError, match="by_files gives each worker an order of its own"):
        orientation.check(inputs, (32, 64))
