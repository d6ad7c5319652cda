"""YOLO text files: one a image, a line an object: class, then a box or a polygon, all relative to
the image's size (Redmon's Darknet, pjreddie.com/darknet/yolo; Ultralytics' polygons and poses).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.ops import header
from tfvision.sources import texts, values, walking, yolo_folders, yolo_yaml
from tfvision.sources.locate import Images
from tfvision.sources.source import NOTHING_SAID, Options, Source, check_class_names, check_folder

_BOX, _POLYGON = 5, 7  # values of a box's line, and the fewest of a polygon's
_HINT = "; are they key points? say so with kpt_shape: [points, 2 or 3] in the yaml"
_FAR = 1.5  # a polygon's point beyond this is none


@dataclasses.dataclass(frozen=True)
class _Rules:
    """class_ids: class by the id in the file. where: what has the names, for errors.
    skips_missing: whether an image without a label file is left out. pose: how many numbers of
    key points follow a box, 0 for none. frame: the pixels that shares are of."""

    class_ids: dict[int, int]
    where: str
    skips_missing: bool
    pose: int
    frame: str


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads folders of images and of text files, of the same names.

    annotations: the label folder, a data.yaml, an obj.data, or None. The images are those of
    the yaml's split, folders inside IMAGES or lists, else of the folder IMAGES/images/<split>,
    IMAGES/<split>/images, IMAGES/<split>, IMAGES/images or IMAGES itself, and of the folders in
    it; with split "", of all. Their labels are in the folder whose path has "labels" for the last
    "images", or beside them. Names come from `labels`, the yaml, or a classes.txt, *.names or
    data.yaml beside the folders, at most two levels up; a yaml's ids may have gaps. An image
    without a label file is background, unless the yaml says `skip_if_label_file_missing: true`.
    Raises DataError for missing folders and names, and for a class id without a name."""
    root = check_folder(images, "image folder")
    is_file = bool(annotations) and annotations.endswith((*yolo_yaml.EXTENSIONS, yolo_yaml.DATA))
    content = yolo_yaml.load(annotations) if is_file else {}
    said = yolo_yaml.said(content, annotations, split) if is_file else yolo_yaml.Said()
    said, findings = _found(said, root)
    places = yolo_folders.find(root, said, None if is_file else annotations, split)
    if labels:
        names, where = dict(enumerate(labels)), "--labels"
    elif content.get("names"):
        names, where = yolo_yaml.names(content, annotations), annotations
    else:
        names, where = yolo_folders.names(places.places)
    ids = sorted(names)
    class_names = check_class_names([names[number] for number in ids], where)
    rules = _Rules(
        {number: i for i, number in enumerate(ids)},
        where,
        values.flag(content.get("skip_if_label_file_missing")) is True,
        _pose(content, annotations),
        options.annotations_of or "upright",
    )
    lines = (line for place in places.places for line in yolo_folders.lines(place))
    has_masks = any(_is_polygon(line, rules) for line in lines)
    groups = ("labels", "objects", "masks") if has_masks else ("labels", "objects")
    gapped = ids if ids != list(range(len(ids))) else None
    items = _items(places, rules, findings)
    return Source(class_names, groups, items, gapped, places.left, rules.frame)


def _found(said: yolo_yaml.Said, root: str) -> tuple[yolo_yaml.Said, list[schema.Finding]]:
    """The same with the images of its lists found in `root`, and what is to be said of them."""
    files, names, findings = Images(root), [], []
    for line in said.lists:
        place = files.find(line, "the list of the split")
        if isinstance(place, schema.Finding):
            findings.append(place)
        else:
            names.append(place[0])
            findings += place[1]
    if said.lists and not names:
        raise errors.DataError(f"{root}: {findings[0].detail}, as all images of the list")
    return dataclasses.replace(said, lists=names), findings


def _pose(content: dict, path: str | None) -> int:
    shape = content.get("kpt_shape")
    if shape is None:
        return 0
    sizes = [values.whole(n) for n in shape] if isinstance(shape, list) else []
    if len(sizes) != 2 or None in sizes or min(sizes) < 1:
        raise errors.DataError(f"{path}: kpt_shape is {shape!r}; expected two numbers, [17, 3]")
    return sizes[0] * sizes[1]


def _is_polygon(line: str, rules: _Rules) -> bool:
    return len(line.split()) >= _POLYGON and not rules.pose


def _items(
    places: yolo_folders.Places, rules: _Rules, findings: Sequence[schema.Finding]
) -> Iterator[schema.Sample | schema.Finding]:
    yield from findings
    read_folders = set()
    for place in places.places:
        read_folders |= {place.labels, place.images}
        yield from _place(place, places.top, rules)
    for top in places.rest:  # label files in folders that the images do not have
        for folder, _, _ in os.walk(top):
            if folder not in read_folders:
                for path in yolo_folders.label_files(folder).values():
                    name = walking.relative(path, top)
                    yield schema.Finding("skipped", "image file missing", name, path)


def _place(
    place: yolo_folders.Place, top: str, rules: _Rules
) -> Iterator[schema.Sample | schema.Finding]:
    labels, findings = yolo_folders.of_place(place)
    yield from findings
    paths, _, findings = walking.listing(place.images, place.images)
    for finding in findings:
        path = os.path.join(place.images, finding.file)
        if not yolo_folders.belongs(path):
            yield dataclasses.replace(finding, file=walking.relative(path, top), path=path)
    stems: dict[str, str] = {}
    for path in paths:
        name = os.path.basename(path)
        stem = os.path.splitext(name)[0]
        if place.only is not None and name not in place.only:
            stems.setdefault(stem, name)
            continue
        filename = walking.relative(path, top)
        if stem in stems and stem in labels:
            detail = f"{stems[stem]} has the same label file {labels[stem]}"
            yield schema.Finding("noted", "one annotation file for two images", filename, detail)
        stems.setdefault(stem, name)
        sample = schema.Sample(path, filename, source_id=filename, labels=[], objects=[])
        yield from _annotate(sample, labels.get(stem), rules)
    for stem in sorted(set(labels) - set(stems)):
        name = os.path.basename(labels[stem])
        yield schema.Finding("skipped", "image file missing", name, os.path.dirname(labels[stem]))


def _annotate(
    sample: schema.Sample, path: str | None, rules: _Rules
) -> Iterator[schema.Sample | schema.Finding]:
    """The sample with the objects of its label file, and what was found there."""
    if path is None:
        sample.background = True
        if rules.skips_missing:
            yield schema.Finding("skipped", "image without a label file", sample.filename)
        else:
            yield sample
        return
    try:
        lines = texts.read(path, "label file").split("\n")
    except errors.DataError as error:
        yield schema.Finding("skipped", "broken label file", sample.filename, str(error))
        return
    sizes = header.sizes(sample.path)
    sample.size = sizes and sizes[rules.frame == "upright"]
    seen = set()
    # Without a size the image is unreadable, which the writer reports.
    for i, line in enumerate(lines if sample.size else [], start=1):
        if not line.strip():
            continue
        try:
            item, note = _object(line, sample.size, rules, f"{path}, line {i}")
            if tuple(line.split()) in seen:
                raise schema.Rejected("the same object twice", line.strip()[:60])
        except schema.Rejected as rejected:
            yield rejected.finding("dropped", sample.filename, f"line {i}")
            continue
        if note:
            yield schema.Finding("noted", note, sample.filename, f"line {i}")
        seen.add(tuple(line.split()))
        sample.objects.append(dataclasses.replace(item, name=f"line {i}"))
    sample.labels = sorted({item.class_id for item in sample.objects})
    yield sample


def _object(
    line: str, size: tuple[int, int], rules: _Rules, what: str
) -> tuple[schema.Object, str]:
    """The object of a line, and what of the line was left out."""
    numbers = [values.number(text) for text in line.split()]
    count = len(numbers)
    if None in numbers:
        raise schema.Rejected("broken line", f"{line.strip()[:60]!r} is not all finite numbers")
    number, *rest = numbers
    is_box = count in (_BOX, _BOX + 1, _BOX + rules.pose)
    if not is_box and (rules.pose or count < _POLYGON or count % 2 == 0):
        expected = f"{_BOX + rules.pose}" if rules.pose else "a class and 4 of a box, or pairs"
        hint = "" if rules.pose or count < _POLYGON else _HINT
        raise schema.Rejected("broken line", f"{count} values, expected {expected}{hint}")
    if number not in rules.class_ids:
        raise errors.DataError(
            f"{what}: class id {number:g} has no name in {rules.where}, whose ids are"
            f" {min(rules.class_ids)} to {max(rules.class_ids)}; correct the id or add the name"
        )
    class_id, (height, width) = rules.class_ids[int(number)], size
    if not is_box:
        if max(rest) > _FAR or min(rest) < 1 - _FAR:
            raise schema.Rejected(
                "polygon far outside the image", f"{max(rest, key=abs):g} of 1{_HINT}"
            )
        scales = (width, height) * (len(rest) // 2)
        polygon = [value * scale for value, scale in zip(rest, scales, strict=True)]
        return schema.Object(class_id, mask=[polygon]), ""
    x, y, w, h = rest[:4]
    if w <= 0 or h <= 0:
        raise schema.Rejected("box without area", f"width {w:g}, height {h:g}")
    box = ((y - h / 2) * height, (x - w / 2) * width, (y + h / 2) * height, (x + w / 2) * width)
    note = "key points left out" if count == _BOX + rules.pose and rules.pose else ""
    return schema.Object(class_id, box), note or ("confidence left out" if count > _BOX else "")
