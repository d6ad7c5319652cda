"""Record shards -> batches (tf.data), in an order that is a function of (seed, epoch, index).

Training is one endless stream of samples: epoch after epoch, each with its own permutation of
shards and its own shuffle; batches run across the ends of epochs. Sample number i of the stream
is augmented with the seed (seed, i). So resuming from step s is arithmetic: the stream from sample
s * batch_size on, skipped as encoded records, before anything is decoded. What mixes the images
of a batch is seeded by (seed, step). With `aspect_ratio_grouping` each shuffled window is
brought into batches of one orientation (`inputs.orientation`); where batches begin in a window is
arithmetic, too.

Several workers see one global order: worker w takes the samples i with i % workers == w. With
`Order.counts` each has an order of its own instead, over its own shards: of the permutation of an
epoch's shards worker w reads those at the places w, w + workers, ... So every record comes once an
epoch, and a worker reads nothing that it does not use.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfvision.inputs import decode, mixing, orientation, seeds

_CYCLE = 16  # shards that are read at once; fixed, because the order depends on it
_MIX = 1 << 20  # tells the seeds of steps from those of samples

# Images are prepared on a pool of their own, with more threads than cores and more images in flight
# than threads: resizing divides each image among TensorFlow's threads and waits for them, and while
# one image waits, the next can use the core. Measured: BUILD_NOTES.md.
_CORES = os.cpu_count() or 1
_THREADS = 2 * _CORES
_IN_FLIGHT = 3 * _CORES

# Nothing here branches on a tensor in Python, and AutoGraph takes longer than the tracing.
_plain = tf.autograph.experimental.do_not_convert

Prepare = Callable[[decode.Example], decode.Example]
Step = int | tf.Tensor  # int64 scalar


def _options(threads: int = _THREADS) -> tf.data.Options:
    """threads: 0 is one a core of the machine that the batches are made on."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.deterministic = True
    return options


def _read(files: tf.Tensor, count: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(files).interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(_CYCLE, count),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


@dataclasses.dataclass(frozen=True)
class Order:
    """Which images come when in training: a function of these numbers alone.

    files, records: a split's shards and their total. batch_size: global. shuffle_buffer: records
    that are shuffled at a time. aspect_ratio_grouping: as far as it goes, a batch's images are all
    upright or none is. counts: the records of each file, where several workers read files of their
    own; not with aspect_ratio_grouping."""

    files: Sequence[str]
    records: int
    batch_size: int
    seed: int
    shuffle_buffer: int = 4096
    aspect_ratio_grouping: bool = False
    counts: Sequence[int] = ()


def _epoch_seed(order: Order, epoch: tf.Tensor) -> tf.Tensor:
    pair = tf.stack([tf.constant(order.seed, tf.int64), epoch])
    return tf.random.experimental.stateless_fold_in(pair, 0)


def _place(order: Order, samples: Step, worker: int, workers: int) -> tuple[Step, Step]:
    """(epoch, samples of it that are done) of a worker that has made `samples`."""
    if workers == 1:
        return samples // order.records, samples % order.records
    for epoch in itertools.count():
        seed = _epoch_seed(order, tf.constant(epoch, tf.int64))
        counts = tf.random.experimental.stateless_shuffle(tf.constant(order.counts), seed=seed)
        count = int(tf.reduce_sum(counts[worker::workers]))
        if samples < count:
            return epoch, samples
        samples -= count


def _stream(order: Order, step: Step, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
    """The endless (index, serialized) stream from the first sample of `step` on.

    Of several workers it is one's own part, where each reads files of its own."""
    paths = tf.constant([os.fsencode(file) for file in order.files])
    start, records = step * order.batch_size // workers, order.records
    first, offset = _place(order, start, worker, workers)
    window = max(min(order.shuffle_buffer, records), 1)
    count = len(order.files[worker::workers])

    @_plain
    def epoch_of(epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = _epoch_seed(order, epoch)
        shards = tf.random.experimental.stateless_shuffle(paths, seed=epoch_seed)
        shards = shards[worker::workers]

        # Shuffled window by window with a seed of its own: tf.data's shuffle mixes in the global
        # seed, and takes no tensor where that is 0. The next window fills while this one is used.
        @_plain
        def shuffled(number: tf.Tensor, group: tf.Tensor) -> tf.Tensor:
            place = tf.random.experimental.stateless_fold_in(epoch_seed, number)
            group = tf.random.experimental.stateless_shuffle(group, seed=place)
            if not order.aspect_ratio_grouping:
                return group
            size = order.batch_size
            lead = -(epoch * records + (number - 1) * window) % size
            flags = orientation.portrait(group)
            return tf.gather(group, orientation.order(flags, lead, size, seeds.fold(place, 1)))

        dataset = _read(shards, count).batch(window).enumerate(1).map(shuffled)
        skipped = tf.where(tf.equal(epoch, first), tf.cast(offset, tf.int64), 0)
        return dataset.prefetch(1).unbatch().skip(skipped)

    epochs = tf.data.Dataset.range(first, tf.int64.max)
    stream = epochs.flat_map(epoch_of).enumerate(start)
    if workers == 1:
        return stream
    return stream.map(_plain(lambda number, record: (number * workers + worker, record)))


def train(
    order: Order,
    fields: Sequence[str],
    prepare: Prepare,
    *,
    start_step: Step = 0,
    mix: mixing.Mix | None = None,
    worker: int = 0,
    workers: int = 1,
    replicas: int = 1,
    turn: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Endless training batches of fixed shape, numeric tensors only.

    A worker's step holds batch_size // workers samples, in as many batches as it has `replicas`.
    With aspect_ratio_grouping examples have `portrait`, a bool: whether most of their batch's
    images are upright. mix: (batch, seed, step) -> batch, over a worker's own images. turn: (k, K)
    makes the batches k, k + K, ... alone, on a machine of any number of cores (`service`). Adds
    `valid` bool [B], all True."""
    size, (first, every) = order.batch_size // workers, turn or (0, 1)
    stream = _part(order, start_step, worker, workers)
    if every > 1:
        stream = stream.batch(size, drop_remainder=True).shard(every, first).unbatch()
    calls, threads = (_IN_FLIGHT, _THREADS) if turn is None else (tf.data.AUTOTUNE, 0)

    @_plain
    def ready(
        index: tf.Tensor, serialized: tf.Tensor, portrait: tf.Tensor | None = None
    ) -> decode.Example:
        example = decode.parse(serialized, fields)
        example["seed"] = tf.stack([tf.constant(order.seed, tf.int64), index])
        if portrait is not None:
            example["portrait"] = portrait
        sample = prepare(example)
        sample = {k: v for k, v in sample.items() if v.dtype != tf.string}
        sample["valid"] = tf.constant(True)
        return sample

    dataset = stream.map(ready, num_parallel_calls=calls, deterministic=True)
    dataset = dataset.batch(size, drop_remainder=True)
    if mix is not None:
        steps = tf.data.Dataset.range(start_step + first, tf.int64.max, every)
        pairs = tf.data.Dataset.zip((steps, dataset))
        dataset = _mixed(pairs, mix, order.seed, _MIX + worker)
    dataset = parts(dataset, replicas)
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(_options(threads))


def _part(order: Order, step: int, worker: int, workers: int) -> tf.data.Dataset:
    """The samples of one worker, (index, serialized) or (index, serialized, portrait)."""
    if order.counts:
        return _stream(order, step, worker, workers)
    stream = _stream(order, step)
    if order.aspect_ratio_grouping:
        stream = orientation.settle(stream, order.batch_size)
    return stream.shard(workers, worker) if workers > 1 else stream


def parts(batches: tf.data.Dataset, replicas: int) -> tf.data.Dataset:
    """Each batch as `replicas` batches of equal size."""
    return batches.flat_map(functools.partial(_cut, replicas)) if replicas > 1 else batches


@_plain
def _cut(count: int, batch: decode.Example) -> tf.data.Dataset:
    shaped = {k: tf.reshape(v, [count, -1, *v.shape[1:]]) for k, v in batch.items()}
    return tf.data.Dataset.from_tensor_slices(shaped)


def _mixed(batches: tf.data.Dataset, mix: mixing.Mix, seed: int, place: int) -> tf.data.Dataset:
    """(step, batch) pairs -> mixed batches, each with a seed of its step and `place`."""

    @_plain
    def mixed(step: tf.Tensor, batch: decode.Example) -> decode.Example:
        pair = tf.stack([tf.constant(seed, tf.int64), step])
        return mix(batch, seeds.fold(pair, place), step)

    return batches.map(mixed, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def passes(
    order: Order,
    fields: Sequence[str],
    prepare: Prepare,
    *,
    steps: int,
    first: int = 0,
    mix: mixing.Mix | None = None,
) -> tf.data.Dataset:
    """The batches of `train` in parts of `steps`: each pass over the data set is the next part.

    Pass number p, counted from `first`, has the batches of the steps from p * steps on."""
    with tf.device("CPU:0"):
        number = tf.Variable(first, trainable=False, dtype=tf.int64)

    @_plain
    def part(_: tf.Tensor) -> tf.data.Dataset:
        start = (number.assign_add(1) - 1) * steps
        return train(order, fields, prepare, start_step=start, mix=mix).take(steps)

    # Options inside flat_map do not count.
    dataset = tf.data.Dataset.range(1).flat_map(part).with_options(_options())
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    dataset._number = number  # a data set does not keep the variables of its functions
    return dataset


def source_ids(order: Order, step: int, workers: int = 1) -> list[str]:
    """The source_ids of the images in the training batch of `step`, found by arithmetic."""
    workers = workers if order.counts else 1
    found: list[str] = []
    for worker in range(workers):
        names = _stream(order, step, worker, workers).take(order.batch_size // workers)
        names = names.map(lambda _, record: decode.parse(record, ())["source_id"])
        names = names.with_options(_options()).as_numpy_iterator()
        found += [os.fsdecode(name) for name in names]
    return found


def evaluation(
    files: Sequence[str],
    fields: Sequence[str],
    prepare: Prepare,
    *,
    batch_size: int,
    worker: int = 0,
    workers: int = 1,
    padded: bool = True,
) -> tf.data.Dataset:
    """Every record once, in the order of the files; the last batch padded, `valid` False there.

    padded: without it the last batch has the records that are left, and there is no `valid`. Of
    several workers each has every so many'th batch, the same as one alone would have. Batches
    hold the sample's tensors (strings too), `source_id` [B] and `filename` [B]."""
    dataset = tf.data.TFRecordDataset([os.fsencode(file) for file in files])
    if workers > 1:
        dataset = dataset.batch(batch_size).shard(workers, worker).unbatch()

    @_plain
    def ready(serialized: tf.Tensor) -> decode.Example:
        example = decode.parse(serialized, [*fields, "filename"])
        names = {name: example[name] for name in ("source_id", "filename")}
        return {**prepare(example), **names}

    @_plain
    def pad(batch: decode.Example) -> decode.Example:
        count = tf.shape(batch["source_id"])[0]

        def full(tensor: tf.Tensor) -> tf.Tensor:
            rest = [[0, batch_size - count]] + [[0, 0]] * (tensor.shape.rank - 1)
            blank = "" if tensor.dtype == tf.string else tf.zeros([], tensor.dtype)
            padded = tf.pad(tensor, rest, constant_values=blank)
            return tf.ensure_shape(padded, [batch_size, *tensor.shape[1:]])

        return {**tf.nest.map_structure(full, batch), "valid": tf.range(batch_size) < count}

    dataset = dataset.map(ready, num_parallel_calls=_IN_FLIGHT, deterministic=True)
    dataset = dataset.batch(batch_size)
    if padded:
        dataset = dataset.map(pad)
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(_options())
