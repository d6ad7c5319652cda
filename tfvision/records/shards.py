"""The shards of one split, one after the other; those that a killed run finished are kept.

A finished shard stands under its name, with a sidecar that says what it contains and a digest of
all that it was made from. Whoever finds both, and the same digest, need not write it again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tfvision import atomic, errors, schema
from tfvision.records import (
    dataset,
    encode,
    image_files,
    listing,
    merge,
    proposals,
    shrink,
    workers,
)
from tfvision.records.convert_options import Options, Report, Source
from tfvision.records.spool import Spool

SHARD_BYTES = 128 << 20


Names = tuple[str, str]  # of an image: source_id, file name
Result = tuple[Names, encode.Encoded | schema.Finding]  # the record, or why there is none


def work(source: Source, options: Options) -> Callable[[bytes], Result]:
    """The function that turns a pickled sample into a record; it pickles."""
    propose = None
    if options.proposals:
        propose = functools.partial(
            proposals.selective_search, mode=options.proposals, limit=options.max_proposals
        )
    return functools.partial(
        _work,
        class_names=tuple(source.class_names),
        groups=tuple(source.groups),
        frame=source.frame,
        bake_orientation=options.bake_orientation,
        full_masks=options.full_masks,
        scale=options.scale_annotations,
        limit=options.limit,
        propose=propose,
        skip_unreadable=options.skip_unreadable,
    )


def write(
    prefix: str,
    spool: Spool,
    indices: np.ndarray,
    *,
    source: Source,
    folder: str,
    options: Options,
    run: workers.Map,
    advance: Callable[[int], Any],
) -> Report:
    """Writes PREFIX-?????-of-?????.tfrecord into `folder`, each with a `listing.part`.

    run: maps `work` over pickled samples. advance: told how many images are done."""
    count = options.shards or default_count(spool, indices, options.limit)
    salt = repr((merge.version(), source.class_names, source.groups))
    salt += repr((options.bake_orientation, options.full_masks, source.frame))
    salt += repr((options.scale_annotations, options.limit))
    salt += repr((options.proposals, options.max_proposals))
    report = Report()
    for at in range(count):
        file = f"{prefix}-{at:05d}-of-{count:05d}.tfrecord"
        shard_indices = indices[at * len(indices) // count : (at + 1) * len(indices) // count]
        path = os.path.join(folder, file)
        part = _finished(path, spool, shard_indices, salt)
        if part is None:
            part = _write(path, spool, shard_indices, salt, options, run, advance)
        else:
            report.add([f for f in part.listed if options.strict], options.strict)
            advance(len(shard_indices))
        report.absorb(part)
    return report


def default_count(spool: Spool, indices: np.ndarray, limit: shrink.Limit | None = None) -> int:
    """Shards of about SHARD_BYTES, by the sizes of the image files."""
    total = 0
    for index in indices:
        sample = spool.sample(index)
        with contextlib.suppress(OSError):
            size = sample.part[1] if sample.part else os.path.getsize(sample.path)
            total += limit.stored_bytes(size) if limit else size
    return max(min(round(total / SHARD_BYTES), len(indices)), 1)


class _Digest:
    """Of samples and of the state of their files."""

    def __init__(self, salt: str):
        self._hash = hashlib.blake2b(salt.encode(), digest_size=16)

    def add(self, payload: bytes) -> None:
        self._hash.update(payload)
        sample = pickle.loads(payload)
        label_map = sample.label_map.path if sample.label_map else None
        for path in (sample.path, label_map, sample.segments):
            if path:
                with contextlib.suppress(OSError):
                    state = os.stat(path)
                    self._hash.update(f"{state.st_size}/{state.st_mtime_ns}".encode())

    def hex(self) -> str:
        return self._hash.hexdigest()


def _finished(path: str, spool: Spool, indices: np.ndarray, salt: str) -> Report | None:
    try:
        with open(path + ".json", encoding="utf-8") as file:
            raw = json.load(file)
        shard = raw["report"]["shards"][0]
        if os.path.getsize(path) != shard["bytes"]:
            return None
        done = Report.from_json(raw["report"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    digest = _Digest(salt)
    for index in indices:
        digest.add(spool.read(index))
    return done if digest.hex() == raw["digest"] else None


def _write(
    path: str,
    spool: Spool,
    indices: Iterable[int],
    salt: str,
    options: Options,
    run: workers.Map,
    advance: Callable[[int], Any],
) -> Report:
    import tensorflow as tf

    report, digest = Report(), _Digest(salt)

    def payloads() -> Iterator[bytes]:
        for index in indices:
            payload = spool.read(index)
            digest.add(payload)
            yield payload

    try:
        with (
            tf.io.TFRecordWriter(os.fsencode(path)) as writer,
            listing.Writer(listing.part(path)) as listed,
        ):
            for names, result in run(payloads()):
                advance(1)
                if isinstance(result, schema.Finding):
                    report.add([result], options.strict)
                    report.skip(result)
                    continue
                report.add(result.findings, options.strict)
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
    text = json.dumps({"digest": digest.hex(), "report": report.to_json()})
    atomic.write_text(path + ".json", text)
    return report


def _describe(path: str, records: int) -> dataset.Shard:
    return dataset.Shard(
        os.path.basename(path), records, os.path.getsize(path), dataset.digest(path)
    )


def _work(
    payload: bytes,
    *,
    class_names: tuple[str, ...],
    groups: tuple[str, ...],
    frame: str,
    bake_orientation: bool,
    full_masks: bool,
    scale: bool,
    limit: shrink.Limit | None,
    propose: encode.Propose | None,
    skip_unreadable: bool,
) -> Result:
    """One image's record; a finding where it is unreadable and may be left out."""
    sample: schema.Sample = pickle.loads(payload)
    names = (sample.source_id, sample.filename)
    try:
        data = _bytes(sample)
        image = image_files.normalise(
            data, sample.path, bake_orientation=bake_orientation, limit=limit
        )
    except (OSError, errors.DataError) as error:
        if skip_unreadable:
            finding = schema.Finding("skipped", "unreadable image", sample.filename, str(error))
            return names, finding
        raise errors.DataError(
            f"{error}; mend or remove the file, or leave such images out with --skip_unreadable"
        ) from error
    record = encode.encode(
        sample,
        image,
        class_names,
        groups,
        frame=frame,
        full_masks=full_masks,
        scale=scale,
        propose=propose,
    )
    return names, record


def _bytes(sample: schema.Sample) -> bytes:
    with open(sample.path, "rb") as file:
        if sample.part is None:
            return file.read()
        offset, length = sample.part
        file.seek(offset)
        return file.read(length)
