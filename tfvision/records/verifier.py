"""Is a converted data set sound: every shard, every record, every image and annotation.

Axis letters: H height, W width.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import hashlib
import math
import os
from collections.abc import Iterator, Sequence

import numpy as np

from tfvision import errors, schema
from tfvision.ops import sniff
from tfvision.records import dataset, image_files, read

_AHEAD = 64  # records that are checked at the same time
_LARGE_AREA = 1.5  # an area may exceed its image by rounding, not by this factor


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong. place: shard and record, or the file; what: with the value."""

    place: str
    what: str


def verify(path: str) -> Iterator[Problem | int]:
    """Checks the data set in a folder; yields problems, and 1 for each record that was read.

    Sizes and checksums of the shards, their record counts, labels.txt; of each record: the
    fields that the data set announces, the image's checksum, format and size by decoding it as
    training does, class ids and texts, boxes within 0..1, masks and label maps. Raises
    DataError where the folder is not a data set."""
    data = dataset.read(path)
    yield from _labels(data)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, split in data.splits.items():
            ids: collections.Counter = collections.Counter()
            yield from _counts(name, split)
            for shard, file in zip(split.shards, data.files(name), strict=True):
                yield from _shard(file, shard, split, data, pool, ids)
            for digest in [digest for digest, count in ids.items() if count > 1]:
                yield Problem(f"split {name}", f"a source_id appears twice ({digest:x})")


def _counts(name: str, split: dataset.Split) -> Iterator[Problem]:
    """Do the numbers of dataset.json agree with each other?"""
    if not split.shards:
        yield Problem(f"split {name}", "it has no shards")
    total = sum(shard.records for shard in split.shards)
    if split.records != total or split.records < 0:
        yield Problem(
            f"split {name}", f"records is {split.records}, its shards hold {total} together"
        )


def _labels(data: dataset.Dataset) -> Iterator[Problem]:
    place = os.path.join(data.path, dataset.LABELS_FILE)
    try:
        with open(place, encoding="utf-8") as file:
            names = tuple(file.read().removesuffix("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        yield Problem(place, f"cannot be read: {error}")
        return
    if names != data.class_names:
        yield Problem(place, f"its {len(names)} names are not those of {dataset.FILE}")


def _shard(
    file: str,
    shard: dataset.Shard,
    split: dataset.Split,
    data: dataset.Dataset,
    pool: concurrent.futures.Executor,
    ids: collections.Counter,
) -> Iterator[Problem | int]:
    digest = dataset.digest(file)
    if digest != shard.sha256:
        yield Problem(file, f"its checksum is {digest[:16]}..., {dataset.FILE} says another")
    waiting: collections.deque = collections.deque()
    count = 0
    try:
        for record in read.records(file):
            place = f"{shard.file}, record {count}"
            waiting.append(pool.submit(_record, record, place, split, data))
            count += 1
            if len(waiting) > _AHEAD:
                yield from _told(waiting.popleft(), ids)
    except errors.DataError as error:
        yield Problem(shard.file, str(error))
    while waiting:
        yield from _told(waiting.popleft(), ids)
    if count != shard.records:
        yield Problem(
            shard.file, f"it contains {count} records, {dataset.FILE} says {shard.records}"
        )


def _told(future: concurrent.futures.Future, ids: collections.Counter) -> Iterator[Problem | int]:
    problems, digest = future.result()
    if digest is not None:
        ids[digest] += 1
    yield from problems
    yield 1


def problems(
    record: bytes, place: str, split: dataset.Split, data: dataset.Dataset
) -> list[Problem]:
    """All that is wrong with one record of a split. place: how to call it."""
    return _record(record, place, split, data)[0]


def _record(
    record: bytes, place: str, split: dataset.Split, data: dataset.Dataset
) -> tuple[list[Problem], int | None]:
    """All that is wrong with one record, and a digest of its source_id."""
    try:
        features = read.features(record)
    except ValueError as error:
        return [Problem(place, str(error))], None
    place = f"{place} ({read.text(features, 'filename') or read.text(features, 'source_id')})"
    problems = [Problem(place, what) for what in _wrong(features, split, data)]
    source = hashlib.blake2b(read.text(features, "source_id").encode(), digest_size=8)
    return problems, int.from_bytes(source.digest(), "big")


def _wrong(features: read.Features, split: dataset.Split, data: dataset.Dataset) -> Iterator[str]:
    fields = [*schema.ALWAYS, *(f for group in split.groups for f in schema.GROUPS[group])]
    missing = [key for f in fields for key in schema.FIELDS[f].keys if key not in features]
    if missing:
        yield f"fields are missing: {', '.join(missing)}"
        return
    for field in fields:
        counts = [len(features[key]) for key in schema.FIELDS[field].keys]
        if len(set(counts)) > 1:
            yield f"{field} have edges of different lengths: {counts}"
            return
        if not schema.FIELDS[field].many and counts != [1]:
            yield f"{field} has {counts[0]} values, not one"
            return
    size = (read.values(features, "height")[0], read.values(features, "width")[0])
    yield from _image(features, size)
    classes = len(data.class_names)
    if "labels" in split.groups:
        ids, texts = (read.values(features, f) for f in ("labels", "label_texts"))
        yield from _ids("label", ids, texts, data.class_names)
    if "objects" in split.groups:
        yield from _objects(features, size, data.class_names)
    if "masks" in split.groups:
        yield from _masks(features, size)
    if "proposals" in split.groups:
        yield from _boxes("proposal", features, "proposals")
    if "label_map" in split.groups:
        yield from _label_map(features, size, classes)


def _image(features: read.Features, size: tuple[int, int]) -> Iterator[str]:
    import tensorflow as tf

    encoded = read.values(features, "image")[0]
    if hashlib.sha256(encoded).hexdigest() != read.text(features, "sha256"):
        yield "the image's checksum is not image/key/sha256"
    kind = sniff.image_format(encoded[: sniff.HEAD_BYTES])
    if kind != read.text(features, "format"):
        yield f"the image is {kind}, image/format says '{read.text(features, 'format')}'"
    try:
        if kind == "jpeg":
            shape = tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE").shape
        else:
            shape = tf.io.decode_image(encoded, channels=3, expand_animations=False).shape
    except tf.errors.OpError as error:
        yield f"TensorFlow cannot decode the image: {str(error.message).splitlines()[0]}"
        return
    real = tuple(shape[:2])
    real = real[::-1] if image_files.orientation(encoded) >= 5 else real
    if real != size:
        yield (
            f"the upright image is {real[1]} x {real[0]} pixels, the record says"
            f" {size[1]} x {size[0]}"
        )


def _ids(what: str, ids: list[int], texts: list[bytes], names: Sequence[str]) -> Iterator[str]:
    if len(ids) != len(texts):
        yield f"{len(ids)} {what}s, {len(texts)} of their names"
        return
    for number, text in zip(ids, texts, strict=True):
        if not 0 <= number < len(names):
            yield f"{what} {number} is not in 0..{len(names) - 1}"
        elif text.decode("utf-8", "replace") != names[number]:
            yield f"{what} {number} is '{names[number]}', the record says {text!r}"


def _objects(features: read.Features, size: tuple[int, int], names: Sequence[str]) -> Iterator[str]:
    lists = {f: read.values(features, f) for f in schema.GROUPS["objects"]}
    counts = {f: len(v) for f, v in lists.items()}
    if len(set(counts.values())) > 1:
        yield f"lists of objects of different lengths: {counts}"
        return
    yield from _ids("class id", lists["class_ids"], lists["class_texts"], names)
    yield from _boxes("box", features, "boxes")
    for number, area in enumerate(lists["area"]):
        if not (math.isfinite(area) and 0 <= area <= _LARGE_AREA * size[0] * size[1]):
            yield f"object {number} has the area {area}"
        for field in ("is_crowd", "difficult"):
            if lists[field][number] not in (0, 1):
                yield f"object {number} has {field} = {lists[field][number]}"


def _boxes(what: str, features: read.Features, field: str) -> Iterator[str]:
    for number, box in enumerate(read.values(features, field)):
        y1, x1, y2, x2 = box
        if not all(math.isfinite(edge) and 0 <= edge <= 1 for edge in box):
            yield f"{what} {number} leaves the image: y x y x {_short(box)}"
        elif y2 <= y1 or x2 <= x1:
            yield f"{what} {number} has no area: y x y x {_short(box)}"


def _short(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def _masks(features: read.Features, size: tuple[int, int]) -> Iterator[str]:
    boxes, pngs = read.values(features, "boxes") or [], read.values(features, "masks")
    if len(pngs) != len(boxes):
        yield f"{len(boxes)} boxes, {len(pngs)} masks"
        return
    for number, (box, data) in enumerate(zip(boxes, pngs, strict=True)):
        try:
            read.mask(data, box, size)
        except ValueError as error:
            yield f"mask {number}: {error}"


def _label_map(features: read.Features, size: tuple[int, int], classes: int) -> Iterator[str]:
    try:
        values = read.png(read.values(features, "label_map")[0])
    except ValueError as error:
        yield f"label map: {error}"
        return
    if values.shape != size:
        shape = values.shape
        yield f"the label map is {shape[1]} x {shape[0]} pixels, the image {size[1]} x {size[0]}"
    odd = [int(v) for v in np.unique(values) if v >= classes and v != schema.VOID]
    if odd:
        yield f"label map values {odd[:5]} are neither in 0..{classes - 1} nor {schema.VOID}"
