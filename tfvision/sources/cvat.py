"""CVAT's own xml for images and for videos (docs.cvat.ai: "XML annotation format", version 1.1):
boxes, polygons, ellipses, masks, tags, tracks.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.sources import cvat_shapes, cvat_video, cvat_xml, drawn, texts, values
from tfvision.sources.locate import Images
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder
from tfvision.sources.spellings import Spellings

FILE = "annotations.xml"


@dataclasses.dataclass
class _Survey:
    """What an xml holds. names: of all that has a class. subsets, attributes: how often each."""

    meta: cvat_xml.Meta
    names: Spellings
    subsets: collections.Counter[str]
    attributes: collections.Counter[str]
    images: int = 0
    tracks: int = 0
    has_objects: bool = False
    has_masks: bool = False
    has_tags: bool = False


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads an xml, or annotations.xml of a folder `annotations`, of IMAGES or beside IMAGES.

    For images: where they have a `subset`, those of the split's are read, else all; images are
    in IMAGES/<split> if that is a folder. A video's images are files whose names end in the
    number of their frame. A class is the label, or the attribute `options.class_attribute`.
    Without `labels` the classes are the labels of <meta> in their order, or the sorted texts of
    that attribute. Tags are labels of the image. Masks of one group and class are parts of one
    object, a turned box is the upright one around it, and occluded objects count as others do.
    Raises DataError where the xml is not CVAT's, and for an unknown split or class."""
    root = check_folder(images, "image folder")
    path = _file(root, annotations, split)
    attribute = options.class_attribute.strip().casefold()
    survey = _survey(path, attribute)
    _check(survey, path, split, options.class_attribute)
    names = [] if attribute else list(survey.meta.labels)
    classes = ClassList.of(labels, names or survey.names.names(), path)
    inner = os.path.join(root, "images")
    beside = os.path.realpath(os.path.dirname(path)) == os.path.realpath(root)
    base = inner if beside and os.path.isdir(inner) else root
    pictures = base if survey.subsets else drawn.pictures(base, split)
    files = Images(pictures)
    has_objects = survey.has_objects or not survey.has_tags
    groups = ("labels", "objects") if has_objects else ("labels",)
    groups += ("masks",) if survey.has_masks else ()
    reason = f"not named in {os.path.basename(path)}"
    if survey.tracks:
        items = cvat_video.items(path, survey.meta, files, classes, attribute)
    else:
        subset = split if survey.subsets else ""
        reason += f" as of split '{split}'" if subset else ""
        items = _items(path, files, classes, subset, _Rules(attribute, has_objects))
    left = {base: "of another split"} if pictures != base else {}
    return Source(classes.names, groups, items, folders=left | {pictures: reason})


@dataclasses.dataclass(frozen=True)
class _Rules:
    """attribute: the one that contains the class, or "". has_objects: tags are not all there is."""

    attribute: str
    has_objects: bool


def _file(root: str, annotations: str | None, split: str) -> str:
    if annotations and not os.path.isdir(annotations):
        return texts.check(annotations)
    folders = [annotations] if annotations else [root, os.path.dirname(os.path.abspath(root))]
    for folder in folders:
        names = (os.path.join(split, FILE), f"{split}.xml", FILE) if split else (FILE,)
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return path
    raise errors.DataError(
        f"{folders[0]}: there is no {FILE} in it; give the xml's path with --annotations"
    )


def _survey(path: str, attribute: str) -> _Survey:
    survey = _Survey(cvat_xml.Meta(), Spellings(), collections.Counter(), collections.Counter())
    for node in cvat_xml.children(path):
        if node.tag == "meta":
            survey.meta = cvat_xml.meta(node)
        elif node.tag == "image":
            survey.images += 1
            if node.get("subset"):
                survey.subsets[node.get("subset")] += 1
        elif node.tag == "track":
            survey.tracks += 1
        else:
            continue
        held = {}
        for shape in node if node.tag != "meta" else ():
            is_tag = shape.tag == "tag"
            if not is_tag and shape.tag not in cvat_shapes.WITH_AREA:
                continue
            survey.has_tags = survey.has_tags or is_tag
            survey.has_objects = survey.has_objects or not is_tag
            survey.has_masks = survey.has_masks or shape.tag in cvat_shapes.WITH_MASK
            survey.attributes.update(n.get("name", "") for n in shape.iter("attribute"))
            held |= cvat_xml.attributes(shape)
            label = shape.get("label") or node.get("label") or ""
            survey.names.add(held.get(attribute, "") if attribute else label)
            held = held if node.tag == "track" else {}
    return survey


def _check(survey: _Survey, path: str, split: str, attribute: str) -> None:
    if not survey.images and not survey.tracks:
        raise errors.DataError(f"{path}: there are no images and no tracks in it")
    if survey.tracks and survey.meta.tasks > 1:
        raise errors.DataError(
            f"{path}: tracks of {survey.meta.tasks} tasks, whose frames have the same numbers;"
            " export the tasks one by one, or as CVAT for images"
        )
    if attribute and not survey.names.names():
        raise errors.UsageError(
            f"class_attribute is '{attribute}'; nothing in {path} has a text in it (the attributes"
            f" are: {', '.join(sorted(survey.attributes)) or 'none'})"
        )
    subsets = survey.subsets
    if split and subsets and not any(drawn.is_split(subset, split) for subset in subsets):
        raise errors.DataError(
            f"{path}: no image has the subset '{split}'{errors.suggestion(split, subsets)} (it"
            f" has: {', '.join(sorted(subsets))})"
        )


def _items(
    path: str, files: Images, classes: ClassList, subset: str, rules: _Rules
) -> Iterator[schema.Sample | schema.Finding]:
    """The samples of an xml for images; those of a subset, or all with ""."""
    seen = set()
    for node in cvat_xml.children(path):
        named = node.get("subset") or ""
        if node.tag != "image" or (subset and not drawn.is_split(named, subset)):
            continue
        name, what = node.get("name") or "", f"image {node.get('id')}"
        inside = f"{named}/{name}"
        name = inside if named and files.has(inside) else name
        sample = yield from files.sample(name, what, seen)
        if sample is None:
            continue
        sample.size = values.size(node.get("height"), node.get("width"))
        if sample.size is None:
            yield schema.Finding("noted", "recorded size is wrong", sample.filename, what)
        yield from _fill(sample, node, path, classes, rules)


def _fill(
    sample: schema.Sample, node: Any, path: str, classes: ClassList, rules: _Rules
) -> Iterator[schema.Sample | schema.Finding]:
    """The sample with its labels and objects."""
    tags, shapes = set(), []
    size = drawn.size(sample, "")
    for i, shape in enumerate(node, start=1):
        name, text = f"{shape.tag} {i}", shape.get("label") or ""
        if rules.attribute:
            text = cvat_xml.attributes(shape).get(rules.attribute, "")
        if shape.tag == "tag" and text:
            class_id, note = classes.find(text, f"{path}: {sample.filename}, {name}")
            tags.add(class_id)
            if note:
                reason = "class name matched loosely"
                yield schema.Finding("noted", reason, sample.filename, f"{name}: {note}")
        elif shape.tag in cvat_shapes.EVERY:
            group = values.whole(shape.get("group_id")) or None
            make = functools.partial(cvat_shapes.convert, shape.tag, shape.attrib, size)
            shapes.append(drawn.Drawn(name, text, make, group))
    sample.labels = sorted(tags)
    if rules.has_objects:
        yield from drawn.add(sample, shapes, classes, path, size)
    elif not tags:
        yield schema.Finding("skipped", "no label", sample.filename, "it has no tag")
        return
    yield sample
