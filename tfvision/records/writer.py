"""A data set -> TFRecord shards and dataset.json: streaming, all or nothing, resumable.

Everything is written aside and renamed when it is complete, dataset.json last. The bytes depend
on the data, the seed and the number of shards, never on the number of workers. A run that is
killed leaves its finished shards aside; the same command finds them and goes on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfvision import atomic, errors, paths, schema
from tfvision.records import (
    aside,
    beam_runner,
    beam_shards,
    commit,
    convert_report,
    dataset,
    duplicates,
    listing,
    merge,
    progress,
    proposals,
    sample_record,
    shards,
    splits,
    workers,
)
from tfvision.records.convert_options import MAX_NAMED, Options, Report, Source
from tfvision.records.spool import Spool

__all__ = ["Options", "Report", "Source", "write", "writing"]

Reports = dict[str, Report]  # by split

_WORTH_A_POOL = 200  # images; fewer are done before the processes have started


def write(source: Source, output: str, options: Options) -> Reports:
    """Writes one split, or several, into the folder `output`; says what was done, by split.

    A split of that name that is there already is replaced; other splits stay, if their class
    names agree. What the source itself left out is reported with the first split. On any error the
    folder is as it was before. Raises DataError for bad data, UsageError for a wrong option."""
    return progress.shown(writing(source, output, options))


def writing(source: Source, output: str, options: Options) -> progress.Steps[Reports]:
    """`write` as a generator of its progress, which returns the reports.

    Where it is closed before its end, the folder is as it was before."""
    ratios = splits.parse(options.split)
    _check_options(options)
    merge.check_place(output)
    with aside.folder(output, keep=True) as folder:
        commit.finish(folder, output)
        before = merge.existing(source, output, options.name, ratios)
        default = paths.readable(os.path.basename(os.path.abspath(output)))
        name = options.name or (before["name"] if before else default)
        with contextlib.closing(Spool(os.path.join(folder, "samples"), options.seed)) as spool:
            read = yield from progress.told(_read(source, spool, options), "reading")
            parts, findings = splits.assign(spool, ratios, options.seed, options.group)
            read.add(findings, options.strict)
            counts = _write_parts(parts, name, spool, source, folder, options)
            reports = yield from progress.told(counts, "writing", len(spool))
        first = next(iter(reports.values()))
        read.absorb(first)
        reports = {**reports, next(iter(reports)): read}
        _check_images(reports)
        read.census = _census(source.census, reports)
        for split, done in reports.items():
            parts = [listing.part(os.path.join(folder, shard.file)) for shard in done.shards]
            listing.join(os.path.join(folder, listing.file(name, split)), parts)
        _report_duplicates(name, reports, before, folder, output, options)
        raw = merge.merged(source, before, name, reports, options)
        _commit(raw, name, reports, before, folder, output)
    return reports


def _check_options(options: Options) -> None:
    name = options.name
    if name is not None and (not name or name.startswith(".") or "/" in name or "\\" in name):
        raise errors.UsageError(f"name '{name}' cannot be part of a file name")
    if options.workers < 0:
        raise errors.UsageError(f"workers is {options.workers}; it must be at least 1, or 0")
    if options.proposals:
        proposals.check(options.proposals, options.max_proposals)
    if options.runner:
        beam_runner.pipeline(options.runner, options.beam_options)
    elif options.beam_options:
        raise errors.UsageError("beam_option goes with runner; without one Beam is not used")


def _read(source: Source, spool: Spool, options: Options) -> progress.Counts[Report]:
    report = Report()
    for item in source.items:
        if isinstance(item, schema.Finding):
            report.add([item], options.strict)
        else:
            spool.add(item)
            yield 1
    spool.finish()
    if len(spool) == 0:
        raise errors.DataError(f"there is no image to write{_first(report)}")
    if options.shards is not None and not 1 <= options.shards <= len(spool):
        raise errors.UsageError(
            f"shards is {options.shards}; it must be from 1 to the number of images ({len(spool)})"
        )
    return report


def _first(report: Report) -> str:
    """How many images were left out, and why the first one was."""
    skipped = [finding for finding in report.listed if finding.kind == "skipped"]
    if not skipped:
        return ": the annotations name none"
    count = sum(n for (kind, _), n in report.counts.items() if kind == "skipped")
    first = skipped[0]
    detail = f" ({first.detail})" if first.detail else ""
    return f"; {count} left out, the first: {first.file}: {first.reason}{detail}"


def _census(read: schema.Census | None, reports: Mapping[str, Report]) -> schema.Census | None:
    """The reader's account with what was left out since."""
    if read is None:
        return None
    left = dict(read.left)
    used = sum(done.images for done in reports.values())
    for done in reports.values():
        for reason, (count, names) in done.skipped.items():
            known, first = left.get(reason, (0, []))
            left[reason] = (known + count, [*first, *names][:MAX_NAMED])
    return dataclasses.replace(read, used=used, left=left)


def _write_parts(
    parts: Mapping[str, np.ndarray],
    name: str,
    spool: Spool,
    source: Source,
    folder: str,
    options: Options,
) -> progress.Counts[Reports]:
    plans = {
        split: shards.plan(f"{name}-{split}", spool, indices, source, folder, options)
        for split, indices in parts.items()
    }
    count = options.workers
    if options.runner:
        beam_shards.fill(list(plans.values()), spool, source, options)
        count = 1  # nothing is left to do but reports
    elif not count:
        count = (os.cpu_count() or 1) if len(spool) >= _WORTH_A_POOL else 1
    reports = {}
    with workers.pool(sample_record.work(source, options), count) as run:
        for split, planned in plans.items():
            reports[split] = yield from shards.write(planned, spool, options, run)
    return reports


def _check_images(reports: Mapping[str, Report]) -> None:
    for split, done in reports.items():
        if not done.images:
            raise errors.DataError(f"there is no image to write into split '{split}'{_first(done)}")


def _report_duplicates(
    name: str,
    reports: Mapping[str, Report],
    before: dict[str, Any] | None,
    folder: str,
    output: str,
    options: Options,
) -> None:
    others = {
        split: os.path.join(output, listing.file(name, split))
        for split in (before["splits"] if before else ())
        if split not in reports
    }
    for split, done in reports.items():
        path = os.path.join(folder, listing.file(name, split))
        done.add(duplicates.within(path), options.strict)
        done.add(duplicates.between(path, others), options.strict)
        others[split] = path


def _commit(
    raw: dict[str, Any],
    name: str,
    reports: Mapping[str, Report],
    before: dict[str, Any] | None,
    folder: str,
    output: str,
) -> None:
    shards = [shard.file for done in reports.values() for shard in done.shards]
    listed = [listing.file(name, split) for split in reports]
    atomic.write_text(os.path.join(folder, convert_report.FILE), convert_report.text(raw))
    dataset.write(folder, raw)
    texts = [convert_report.FILE, dataset.LABELS_FILE, dataset.FILE]
    old = merge.files(before, reports) - {*shards, *listed}
    commit.put(folder, output, [*shards, *listed, *texts], old)
