"""One split of a data set -> TFRecord shards and dataset.json: streaming, all or nothing.

Everything is written aside and renamed when it is complete, dataset.json last. The bytes depend
on the data, the seed and the number of shards, never on the number of workers.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfvision import errors, schema
from tfvision.records import aside, dataset, encode, images, merge, workers
from tfvision.records.options import Options, Report, Source

__all__ = ["Options", "Report", "Source", "write"]

SHARD_BYTES = 128 << 20


def write(source: Source, output: str, options: Options) -> Report:
    """Writes one split into the folder `output` and says what was done.

    A split of that name that is there already is replaced; other splits stay, if their class
    names agree. On any error the folder is as it was before. Raises DataError for bad data,
    UsageError for a wrong option."""
    _check_options(source, options)
    with aside.folder(output) as folder:
        before = merge.existing(source, output, options)
        default = os.path.basename(os.path.abspath(output))
        report = Report(options.name or (before["name"] if before else default))
        report.add(source.findings, options.strict)
        _write_shards(source, folder, options, report)
        if report.images == 0:
            first = f"; first: {report.listed[0].reason}" if report.listed else ""
            raise errors.DataError(f"there is no image to write ({_count(report)} left out{first})")
        raw = merge.merged(source, before, options, report)
        replaced = merge.files(before, options.split) - {shard.file for shard in report.shards}
        for shard in report.shards:
            os.replace(os.path.join(folder, shard.file), os.path.join(output, shard.file))
        dataset.write(output, raw)
        for file in replaced:
            with contextlib.suppress(OSError):
                os.remove(os.path.join(output, file))
    return report


def _count(report: Report) -> int:
    return sum(n for (kind, _), n in report.counts.items() if kind == "skipped")


def _check_options(source: Source, options: Options) -> None:
    for what, text in (("split", options.split), ("name", options.name)):
        if text is not None and (not text or text.startswith(".") or "/" in text or "\\" in text):
            raise errors.UsageError(f"{what} '{text}' cannot be part of a file name")
    if options.workers < 1:
        raise errors.UsageError(f"workers is {options.workers}; it must be at least 1")
    if options.shards is not None and not 1 <= options.shards <= max(len(source.samples), 1):
        raise errors.UsageError(
            f"shards is {options.shards}; it must be from 1 to the number of images"
            f" ({len(source.samples)})"
        )


def _write_shards(source: Source, folder: str, options: Options, report: Report) -> None:
    count = len(source.samples)
    shards = options.shards or _default_shards(source.samples)
    order = np.random.default_rng(options.seed).permutation(count)
    work = functools.partial(
        _work,
        class_names=tuple(source.class_names),
        groups=tuple(source.groups),
        bake_orientation=options.bake_orientation,
        skip_unreadable=options.skip_unreadable,
    )
    items = (source.samples[i] for i in order)
    results = workers.ordered_map(work, items, workers=options.workers)
    with contextlib.closing(results), _progress(count, options.split) as advance:
        for at in range(shards):
            file = f"{report.name}-{options.split}-{at:05d}-of-{shards:05d}.tfrecord"
            size = (at + 1) * count // shards - at * count // shards
            records = _write_shard(
                os.path.join(folder, file), results, size, options, report, advance
            )
            report.shards.append(_shard(folder, file, records))


def _default_shards(samples: Sequence[schema.Sample]) -> int:
    total = 0
    for sample in samples:
        with contextlib.suppress(OSError):
            total += os.path.getsize(sample.path)
    return max(min(round(total / SHARD_BYTES), len(samples)), 1)


def _write_shard(
    path: str, results: Iterator, size: int, options: Options, report: Report, advance: Any
) -> int:
    """Takes `size` results, writes those that are records, returns how many those were."""
    import tensorflow as tf

    records = 0
    try:
        with tf.io.TFRecordWriter(path) as writer:
            for result in itertools.islice(results, size):
                advance()
                if isinstance(result, schema.Finding):
                    report.add([result], options.strict)
                    continue
                report.add(result.findings, options.strict)
                writer.write(result.record)
                records += 1
                report.images += 1
                report.objects += result.objects
                report.max_objects = max(report.max_objects, result.objects)
    except tf.errors.OpError as error:  # such as a full disk
        raise errors.DataError(f"{path} cannot be written: {error.message}") from error
    return records


def _shard(folder: str, file: str, records: int) -> dataset.Shard:
    path = os.path.join(folder, file)
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
        os.fsync(stream.fileno())
    return dataset.Shard(file, records, os.path.getsize(path), digest.hexdigest())


@contextlib.contextmanager
def _progress(total: int, split: str) -> Iterator[Any]:
    """Yields a function that counts one image; a bar on stderr if that is a terminal."""
    import tqdm

    with tqdm.tqdm(
        total=total, desc=split, unit="image", disable=not sys.stderr.isatty(), leave=False
    ) as bar:
        yield bar.update


def _work(
    sample: schema.Sample,
    *,
    class_names: tuple[str, ...],
    groups: tuple[str, ...],
    bake_orientation: bool,
    skip_unreadable: bool,
) -> encode.Encoded | schema.Finding:
    """One image's record; a finding where it is unreadable and may be left out."""
    try:
        with open(sample.path, "rb") as file:
            data = file.read()
        image = images.normalise(data, sample.path, bake_orientation=bake_orientation)
    except (OSError, errors.DataError) as error:
        if skip_unreadable:
            return schema.Finding("skipped", "unreadable image", sample.filename, str(error))
        raise errors.DataError(
            f"{error}; mend or remove the file, or leave such images out with --skip_unreadable"
        ) from error
    return encode.encode(sample, image, class_names, groups)
