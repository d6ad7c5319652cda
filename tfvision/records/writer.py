"""One split of a data set -> TFRecord shards and dataset.json: streaming, all or nothing.

Everything is written aside and renamed when it is complete, dataset.json last. The bytes depend
on the data, the seed and the number of shards, never on the number of workers.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from tfvision import errors, schema
from tfvision.records import aside, dataset, encode, images, workers

SHARD_BYTES = 128 << 20
# dataset.json lists this many findings of a split; its counts are of all.
MAX_LISTED = 10_000


class Source(Protocol):
    """What the writer needs to know of a source (tfvision.sources.Source has it)."""

    class_names: list[str]
    groups: tuple[str, ...]
    samples: list[schema.Sample]
    findings: list[schema.Finding]
    category_ids: list[int] | None


@dataclasses.dataclass(frozen=True)
class Options:
    """How to write. shards: None for about SHARD_BYTES each. name: None for the folder's.

    seed: of the order. skip_unreadable: leave out images that cannot be decoded, instead of
    stopping. strict: any finding is an error. arguments: for dataset.json, as the user gave
    them."""

    split: str = "train"
    name: str | None = None
    shards: int | None = None
    workers: int = 1
    seed: int = 0
    bake_orientation: bool = False
    skip_unreadable: bool = False
    strict: bool = False
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Report:
    """What was done. counts: {(kind, reason): findings}. listed: the first MAX_LISTED of them."""

    name: str
    images: int = 0
    objects: int = 0
    max_objects: int = 0
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    listed: list[schema.Finding] = dataclasses.field(default_factory=list)
    shards: list[dataset.Shard] = dataclasses.field(default_factory=list)

    def add(self, findings: Sequence[schema.Finding], strict: bool) -> None:
        """Counts findings; with `strict` the first one is a DataError."""
        for finding in findings:
            if strict:
                detail = f": {finding.detail}" if finding.detail else ""
                raise errors.DataError(
                    f"{finding.file}: {finding.kind}, {finding.reason}{detail} (--strict)"
                )
            self.counts[finding.kind, finding.reason] += 1
            if len(self.listed) < MAX_LISTED:
                self.listed.append(finding)


def write(source: Source, output: str, options: Options) -> Report:
    """Writes one split into the folder `output` and says what was done.

    A split of that name that is there already is replaced; other splits stay, if their class
    names agree. On any error the folder is as it was before. Raises DataError for bad data,
    UsageError for a wrong option."""
    _check_options(source, options)
    with aside.folder(output) as folder:
        before = _existing(source, output, options)
        default = os.path.basename(os.path.abspath(output))
        report = Report(options.name or (before["name"] if before else default))
        report.add(source.findings, options.strict)
        _write_shards(source, folder, options, report)
        if report.images == 0:
            first = f"; first: {report.listed[0].reason}" if report.listed else ""
            raise errors.DataError(f"there is no image to write ({_count(report)} left out{first})")
        raw = _merged(source, before, options, report)
        replaced = _files(before, options.split) - {shard.file for shard in report.shards}
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


def _existing(source: Source, output: str, options: Options) -> dict[str, Any] | None:
    """dataset.json of the folder, if there is one that this split can join."""
    if not os.path.exists(os.path.join(output, dataset.FILE)):
        return None
    raw = dataset.load(output)
    if set(raw["splits"]) <= {options.split}:  # nothing else is there: all of it is replaced
        return raw
    names = list(raw["class_names"])
    if names != list(source.class_names):
        raise errors.DataError(
            f"class names differ: {output} has {_list(names)}, this split has"
            f" {_list(source.class_names)}; choose another output or convert all splits again"
        )
    if options.name and options.name != raw["name"]:
        raise errors.DataError(
            f"{output} holds the data set '{raw['name']}', not '{options.name}';"
            " choose another output or drop --name"
        )
    return raw


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} ({shown})"


def _files(raw: dict[str, Any] | None, split: str) -> set[str]:
    entry = raw["splits"].get(split) if raw else None
    return {os.path.basename(shard["file"]) for shard in entry["shards"]} if entry else set()


def _merged(
    source: Source, before: dict[str, Any] | None, options: Options, report: Report
) -> dict[str, Any]:
    """The new content of dataset.json."""
    counts = [
        {"kind": kind, "reason": reason, "count": count}
        for (kind, reason), count in sorted(report.counts.items())
    ]
    splits = dict(before["splits"]) if before else {}
    splits[options.split] = {
        "records": report.images,
        "objects": report.objects,
        "max_objects": report.max_objects,
        "groups": list(source.groups),
        "shards": [dataclasses.asdict(shard) for shard in report.shards],
        "findings": {
            "counts": counts,
            "listed": [dataclasses.asdict(finding) for finding in report.listed],
        },
        "arguments": options.arguments,
    }
    shared = [g for g in schema.GROUPS if all(g in split["groups"] for split in splits.values())]
    return {
        "version": dataset.VERSION,
        "name": report.name,
        "converter": _version(),
        "class_names": list(source.class_names),
        "category_ids": None if source.category_ids is None else list(source.category_ids),
        "groups": shared,
        "splits": splits,
    }


def _version() -> str:
    import importlib.metadata

    try:
        return f"tfvision {importlib.metadata.version('tfvision')}"
    except importlib.metadata.PackageNotFoundError:
        return "tfvision"


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
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(size):
            result = next(results)
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
