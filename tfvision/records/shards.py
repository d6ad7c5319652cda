"""The shards of one split, one after the other; those that a killed run finished are kept.

A finished shard stands under its name, with a sidecar that says what it contains and a digest of
all that it was made from. Whoever finds both, and the same digest, need not write it again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pickle
from collections.abc import Iterable, Iterator

import numpy as np

from tfvision import atomic, errors, schema
from tfvision.records import dataset, listing, merge, progress, sample_record, shrink, workers
from tfvision.records.convert_options import Options, Report, Source
from tfvision.records.spool import Spool

SHARD_BYTES = 128 << 20


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which samples of a spool each shard of a split contains.

    paths: of the shards, in order. parts: the indices of each. salt: what decides their bytes
    beside the samples."""

    paths: list[str]
    parts: list[np.ndarray]
    salt: str


def plan(
    prefix: str, spool: Spool, indices: np.ndarray, source: Source, folder: str, options: Options
) -> Plan:
    """The shards PREFIX-?????-of-?????.tfrecord of a split, to be written into `folder`."""
    count = options.shards or default_count(spool, indices, options.limit)
    salt = repr((merge.version(), source.class_names, source.groups))
    salt += repr((options.bake_orientation, options.full_masks, source.frame))
    salt += repr((options.scale_annotations, options.limit))
    salt += repr((options.proposals, options.max_proposals))
    files = [f"{prefix}-{at:05d}-of-{count:05d}.tfrecord" for at in range(count)]
    edges = [at * len(indices) // count for at in range(count + 1)]
    parts = [indices[edges[at] : edges[at + 1]] for at in range(count)]
    return Plan([os.path.join(folder, file) for file in files], parts, salt)


def write(
    planned: Plan,
    spool: Spool,
    options: Options,
    run: workers.Map,
) -> progress.Counts[Report]:
    """Writes the shards of a split that are not there yet, each with a `listing.part`.

    run: maps `sample_record.work` over pickled samples."""
    report = Report()
    for path, indices in zip(planned.paths, planned.parts, strict=True):
        part = finished(path, spool, indices, planned.salt)
        if part is None:
            part = yield from _write(path, spool, indices, planned.salt, options, run)
        else:
            report.add([f for f in part.listed if options.strict], options.strict)
            yield len(indices)
        report.absorb(part)
    return report


def default_count(spool: Spool, indices: np.ndarray, limit: shrink.Limit | None = None) -> int:
    """Shards of about SHARD_BYTES, by the sizes of the image files."""
    total = 0
    for index in indices:
        sample = spool.sample(index)
        with contextlib.suppress(OSError):
            if sample.data is not None:
                size = len(sample.data)
            else:
                size = sample.part[1] if sample.part else os.path.getsize(sample.path)
            total += limit.stored_bytes(size) if limit else size
    return max(min(round(total / SHARD_BYTES), len(indices)), 1)


class Digest:
    """Of samples and of the state of their files."""

    def __init__(self, salt: str):
        self._hash = hashlib.blake2b(salt.encode(), digest_size=16)

    def add(self, payload: bytes) -> None:
        """Adds a pickled sample."""
        self._hash.update(payload)
        for path in sample_record.files(pickle.loads(payload)):
            with contextlib.suppress(OSError):
                state = os.stat(path)
                self._hash.update(f"{state.st_size}/{state.st_mtime_ns}".encode())

    def hex(self) -> str:
        """The digest of all that was added."""
        return self._hash.hexdigest()


def finished(path: str, spool: Spool, indices: np.ndarray, salt: str) -> Report | None:
    """The report of a shard that an earlier run finished; None where it is to be written."""
    try:
        with open(sidecar(path), encoding="utf-8") as file:
            raw = json.load(file)
        shard = raw["report"]["shards"][0]
        if os.path.getsize(path) != shard["bytes"]:
            return None
        done = Report.from_json(raw["report"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    digest = Digest(salt)
    for index in indices:
        digest.add(spool.read(index))
    return done if digest.hex() == raw["digest"] else None


def sidecar(path: str) -> str:
    """The file that says what a finished shard contains, and from what it was made."""
    return path + ".json"


def _write(
    path: str,
    spool: Spool,
    indices: Iterable[int],
    salt: str,
    options: Options,
    run: workers.Map,
) -> progress.Counts[Report]:
    digest = Digest(salt)

    def payloads() -> Iterator[bytes]:
        for index in indices:
            payload = spool.read(index)
            digest.add(payload)
            yield payload

    report = yield from fill(path, run(payloads()), options.strict)
    finish(path, report, digest.hex())
    return report


def fill(
    path: str, results: Iterable[sample_record.Result], strict: bool
) -> progress.Counts[Report]:
    """Writes the records of a shard and its `listing.part`, in the order of the results."""
    import tensorflow as tf

    report = Report()
    try:
        with (
            tf.io.TFRecordWriter(os.fsencode(path)) as writer,
            listing.Writer(listing.part(path)) as listed,
        ):
            for names, result in results:
                yield 1
                if isinstance(result, schema.Finding):
                    report.add([result], strict)
                    report.skip(result)
                    continue
                report.add(result.findings, strict)
                writer.write(result.record)
                listed.add(*names, result.sha256, result.classes)
                report.images += 1
                report.shrunk += result.shrunk
                report.objects += result.objects
                report.max_objects = max(report.max_objects, result.objects)
                report.classes.update(result.classes)
    except tf.errors.OpError as error:  # such as a full disk
        raise errors.DataError(f"{path} cannot be written: {atomic.reason(error)}") from error
    report.shards.append(_describe(path, report.images))
    return report


def finish(path: str, report: Report, digest: str) -> None:
    """Writes the sidecar of a shard, from which on it is finished."""
    text = json.dumps({"digest": digest, "report": report.to_json()})
    atomic.write_text(sidecar(path), text)


def _describe(path: str, records: int) -> dataset.Shard:
    return dataset.Shard(
        os.path.basename(path), records, os.path.getsize(path), dataset.digest(path)
    )
