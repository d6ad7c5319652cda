"""YOLO text files: one a image, a line an object: class, then a box or a polygon, all relative to
the image's size (Redmon's Darknet, pjreddie.com/darknet/yolo; Ultralytics' polygons).
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.ops import header
from tfvision.sources import yolo_folders, yolo_yaml
from tfvision.sources.source import Source, check_class_names, check_folder, files, relative

_BOX, _POLYGON = 5, 7  # values of a box's line, and the fewest of a polygon's


class _Drop(Exception):
    """Leaves one line out: (reason, detail)."""


@dataclasses.dataclass(frozen=True)
class _Rules:
    """class_ids: class by the id in the file. where: what has the names, for errors.
    skips_missing: whether an image without a label file is left out."""

    class_ids: dict[int, int]
    where: str
    skips_missing: bool


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
) -> Source:
    """Reads a folder of images and one of text files, of the same names.

    annotations: the label folder, a data.yaml, or None. The images are those of the yaml's split
    if they are inside IMAGES, else of the folder IMAGES/images/<split>, IMAGES/<split>/images,
    IMAGES/<split> or IMAGES itself; with split "", of all the folders in it. Their labels are in
    the folder whose path has "labels" for the last "images", else beside them. Names come from
    `labels`, the yaml, or a classes.txt, *.names or data.yaml beside the folders, at most two
    levels up; a yaml's ids may have gaps. An image without a label file is background, unless
    the yaml says `skip_if_label_file_missing: true`. Raises DataError for missing folders and
    names, and for a class id without a name."""
    root = check_folder(images, "image folder")
    is_yaml = bool(annotations) and annotations.endswith(yolo_yaml.EXTENSIONS)
    content = yolo_yaml.load(annotations) if is_yaml else {}
    found = yolo_yaml.folders(content, annotations, split) if is_yaml else []
    folder = None if is_yaml else annotations
    places = yolo_folders.places(root, found, folder, split)
    if labels:
        names, where = dict(enumerate(labels)), "--labels"
    elif content.get("names"):
        names, where = yolo_yaml.names(content, annotations), annotations
    else:
        names, where = yolo_folders.names(places)
    ids = sorted(names)
    class_names = check_class_names([names[number] for number in ids], where)
    class_ids = {number: i for i, number in enumerate(ids)}
    rules = _Rules(class_ids, where, content.get("skip_if_label_file_missing") is True)
    has_masks = any(
        len(line.split()) >= _POLYGON for place in places for line in yolo_folders.lines(place)
    )
    groups = ("labels", "objects", "masks") if has_masks else ("labels", "objects")
    gapped = ids if ids != list(range(len(ids))) else None
    return Source(class_names, groups, _items(root, places, rules), gapped)


def _items(
    root: str, places: Sequence[yolo_folders.Place], rules: _Rules
) -> Iterator[schema.Sample | schema.Finding]:
    top = places[0].images if len(places) == 1 else root
    stems: dict[str, set[str]] = {place.labels: set() for place in places}
    for place in places:
        for path in files(place.images, place.images):
            if isinstance(path, schema.Finding):
                if not yolo_folders.belongs(os.path.join(place.images, path.file)):
                    yield dataclasses.replace(
                        path, file=relative(os.path.join(place.images, path.file), top)
                    )
                continue
            stem = os.path.splitext(os.path.basename(path))[0]
            stems[place.labels].add(stem)
            filename = relative(path, top)
            sample = schema.Sample(path, filename, source_id=filename, labels=[], objects=[])
            yield from _annotate(sample, os.path.join(place.labels, f"{stem}.txt"), rules)
    for folder, known in stems.items():
        for name in yolo_folders.label_files(folder):
            if name.removesuffix(".txt") not in known:
                yield schema.Finding("skipped", "image file missing", name, folder)


def _annotate(
    sample: schema.Sample, path: str, rules: _Rules
) -> Iterator[schema.Sample | schema.Finding]:
    """The sample with the objects of its label file, and what was found there."""
    if not os.path.isfile(path):
        if rules.skips_missing:
            yield schema.Finding("skipped", "image without a label file", sample.filename, path)
        else:
            yield sample
        return
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        yield schema.Finding("skipped", "broken label file", sample.filename, f"{path}: {error}")
        return
    found = header.sizes(sample.path)
    sample.size = found and found[1]
    seen = set()
    # Without a size the image is unreadable, which the writer reports.
    for i, line in enumerate(lines if sample.size else [], start=1):
        if not line.strip():
            continue
        try:
            item = _object(line, sample.size, rules, f"{path}, line {i}")
            if tuple(line.split()) in seen:
                raise _Drop("the same object twice", line.strip()[:60])
        except _Drop as drop:
            detail = f"line {i}: {drop.args[1]}"
            yield schema.Finding("dropped", drop.args[0], sample.filename, detail)
            continue
        seen.add(tuple(line.split()))
        sample.objects.append(dataclasses.replace(item, name=f"line {i}"))
    sample.labels = sorted({item.class_id for item in sample.objects})
    yield sample


def _object(line: str, size: tuple[int, int], rules: _Rules, what: str) -> schema.Object:
    try:
        number, *values = (float(text) for text in line.split())
    except ValueError:
        raise _Drop("broken line", f"{line.strip()[:60]!r} is not all numbers") from None
    count = 1 + len(values)
    if count != _BOX and (count < _POLYGON or count % 2 == 0):
        expected = "a class and 4 of a box, or 3 or more pairs"
        raise _Drop("broken line", f"{count} values, expected {expected}")
    if not all(math.isfinite(value) for value in (number, *values)):
        raise _Drop("broken line", f"{line.strip()[:60]!r} holds what is no finite number")
    if number not in rules.class_ids:
        raise errors.DataError(
            f"{what}: class id {number:g} has no name in {rules.where}, whose ids are"
            f" {min(rules.class_ids)} to {max(rules.class_ids)}; correct the id or add the name"
        )
    class_id, (height, width) = rules.class_ids[int(number)], size
    if count != _BOX:
        scales = (width, height) * (len(values) // 2)
        polygon = [value * scale for value, scale in zip(values, scales, strict=True)]
        return schema.Object(class_id, mask=[polygon])
    x, y, w, h = values
    if w <= 0 or h <= 0:
        raise _Drop("box without area", f"width {w:g}, height {h:g}")
    box = ((y - h / 2) * height, (x - w / 2) * width, (y + h / 2) * height, (x + w / 2) * width)
    return schema.Object(class_id, box)
