"""The shards of a conversion, written by an Apache Beam pipeline.

It takes the place of the worker processes alone. The samples are read, divided and ordered here, as
without Beam, and each shard's are put beside it, in order. The pipeline encodes them one by one,
groups the records by shard and writes each shard with what marks it as finished. Then the local
writer goes on, and finds nothing left to write.

Every worker must see the output folder and the images by the same paths. No TensorFlow here, and
no Beam but in `_run`.
"""

from __future__ import annotations

import functools
import os
import pickle
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

from tfvision import errors, schema
from tfvision.records import beam_runner, listing, progress, sample_record, shards
from tfvision.records.convert_options import Options, Source
from tfvision.records.spool import Spool

_PICKLE = pickle.HIGHEST_PROTOCOL
# A shard's path and the digest of what it is made from: bytes, as names need not be UTF-8.
Key = tuple[bytes, str]
Numbered = tuple[Key, tuple[int, bytes]]  # something pickled, and its place in its shard


def fill(plans: Sequence[shards.Plan], spool: Spool, source: Source, options: Options) -> None:
    """Writes the shards that no earlier run has finished. Raises what the local writer raises.

    DataError too where the pipeline itself fails."""
    jobs = [job for planned in plans for job in _jobs(planned, spool, options)]
    if jobs:
        _run(jobs, sample_record.work(source, options), options)
    for path, _ in jobs:
        _check(os.fsdecode(path))


def _jobs(planned: shards.Plan, spool: Spool, options: Options) -> Iterator[Key]:
    """The unfinished shards, each with its samples in a file beside it."""
    for path, indices in zip(planned.paths, planned.parts, strict=True):
        if not len(indices) or shards.finished(path, spool, indices, planned.salt):
            continue
        for old in (_error(path), shards.sidecar(path)):
            if os.path.exists(old):
                os.remove(old)
        _check_paths(spool.sample(indices[0]), options)
        digest = shards.Digest(planned.salt)
        with open(_samples(path), "wb") as file:
            for index in indices:
                payload = spool.read(index)
                digest.add(payload)
                pickle.dump(payload, file, _PICKLE)
        yield os.fsencode(os.path.abspath(path)), digest.hex()


def _check_paths(sample: schema.Sample, options: Options) -> None:
    relative = [path for path in sample_record.files(sample) if not os.path.isabs(path)]
    if relative and not beam_runner.is_here(options.runner):
        raise errors.UsageError(
            f"{relative[0]} is a relative path, and the workers of {options.runner} have another"
            " working folder; give --images and --annotations as absolute paths"
        )


def _samples(path: str) -> str:
    return path + ".samples"


def _error(path: str) -> str:
    return path + ".error"


def _run(
    jobs: Sequence[Key], work: Callable[[bytes], sample_record.Result], options: Options
) -> None:
    pipeline = beam_runner.pipeline(options.runner, options.beam_options)
    import apache_beam as beam

    _ = (
        pipeline
        | "shards" >> beam.Create(jobs)
        | "samples" >> beam.FlatMap(_read)
        | "spread" >> beam.Reshuffle()
        | "encode" >> beam.Map(functools.partial(_encode, work))
        | "group" >> beam.GroupByKey()
        | "write" >> beam.Map(functools.partial(_write, options.strict))
    )
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        raise errors.DataError(f"the Beam pipeline failed: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    """What went wrong; of another process Beam gives the traceback, and the reason stands last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if len(lines) > 1 else errors.one_line(error)


def _check(path: str) -> None:
    """Raises what stopped a shard, if it was not finished."""
    if os.path.exists(shards.sidecar(path)):
        return
    if os.path.exists(_error(path)):
        with open(_error(path), "rb") as file:
            raise pickle.load(file)
    raise errors.DataError(
        f"the Beam pipeline ended without {path}; its workers must see the output folder and the"
        " images by the same paths as this machine"
    )


def _read(key: Key) -> Iterator[Numbered]:
    """The samples of a shard."""
    with open(_samples(os.fsdecode(key[0])), "rb") as file:
        size, position = os.fstat(file.fileno()).st_size, 0
        while file.tell() < size:
            yield key, (position, pickle.load(file))
            position += 1


def _encode(work: Callable[[bytes], sample_record.Result], numbered: Numbered) -> Numbered:
    """The record of a sample, or the error that it ends with; the first of a shard counts."""
    key, (position, payload) = numbered
    try:
        result = work(payload)
    except (errors.TfvisionError, OSError) as error:
        result = error
    return key, (position, pickle.dumps(result, _PICKLE))


def _write(strict: bool, group: tuple[Key, Iterable[tuple[int, bytes]]]) -> None:
    """Writes a shard aside and renames it; a runner may do this twice, and at the same time."""
    (encoded, digest), values = group
    path = os.fsdecode(encoded)
    aside = f"{path}.{uuid.uuid4().hex}"
    os.mkdir(aside)
    try:
        here = os.path.join(aside, os.path.basename(path))
        try:
            report = progress.result(shards.fill(here, _ordered(values), strict))
            shards.finish(here, report, digest)
            files = (str, listing.part, shards.sidecar)  # the last one tells that all is there
        except (errors.TfvisionError, OSError) as error:
            with open(_error(here), "wb") as file:
                pickle.dump(error, file, _PICKLE)
            files = (_error,)
        for name in files:
            os.replace(name(here), name(path))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _ordered(values: Iterable[tuple[int, bytes]]) -> Iterator[sample_record.Result]:
    for _, data in sorted(values):
        result = pickle.loads(data)
        if isinstance(result, Exception):
            raise result
        yield result
