"""LabelMe's json, one an image (github.com/wkentaro/labelme), and X-AnyLabeling's, which is alike.

Points are pixels of the upright image.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.sources import drawn, labelme_shapes, texts, values, voc_lists, walking
from tfvision.sources.locate import Images, spelt
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder
from tfvision.sources.spellings import Spellings

_JSON = ".json"


@dataclasses.dataclass
class _Survey:
    """What the jsons hold. names: of shapes that make objects. fault: the first json's that is
    none of LabelMe's."""

    names: Spellings
    flags: Spellings
    has_objects: bool = False
    has_masks: bool = False
    files: int = 0
    fault: str = ""


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads the jsons of a folder and below it, which are beside their images or in a folder
    `annotations` of their own.

    Images are in IMAGES/<split> if that is a folder, else in IMAGES; jsons likewise. Polygons of
    one `group_id` and label are parts of one object. Where no json has a shape with an area, the
    `flags` are the classes, and those that are true are an image's; beside shapes they say
    nothing. Without `labels` the classes are the sorted names in all the jsons, whatever their
    split. An image
    that is only inside its json is left out. Raises DataError where no json is LabelMe's."""
    root = check_folder(images, "image folder")
    pictures = drawn.pictures(root, split)
    place = annotations or root
    if not os.path.exists(place):
        raise errors.DataError(f"annotation folder {place} does not exist")
    survey = _survey(place)
    if not survey.files:
        raise errors.DataError(
            f"{place}: no json in it or below is LabelMe's{survey.fault}; give the folder of the"
            " jsons with --annotations"
        )
    flags = bool(survey.flags.names()) and not survey.has_objects
    names = (survey.flags if flags else survey.names).names()
    classes = ClassList.of(labels, names, place)
    groups = ("labels",) if flags else ("labels", "objects")
    groups += ("masks",) if survey.has_masks else ()
    beside = drawn.pictures(place, split) if os.path.isdir(place) else place
    items = _items(beside, Images(pictures), _Rules(classes, flags, options.annotations_of))
    left = {root: "of another split"} if pictures != root else {}
    return Source(classes.names, groups, items, folders=left | {pictures: "no json names it"})


@dataclasses.dataclass(frozen=True)
class _Rules:
    """flags: the classes are the image's flags, not its shapes."""

    classes: ClassList
    flags: bool
    frame: str


def _paths(place: str) -> Iterator[str]:
    """The jsons of a folder and below, in the order of their names."""
    if not os.path.isdir(place):
        yield place
        return
    for folder, names in walking.folders(place):
        yield from (os.path.join(folder, n) for n in names if n.lower().endswith(_JSON))


def _load(path: str) -> dict[str, Any]:
    try:
        content = json.loads(texts.read(path, "annotation file"))
    except (ValueError, RecursionError) as error:
        raise schema.Rejected("broken annotation file", f"not valid JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise schema.Rejected("not a LabelMe annotation", "it has no list 'shapes'")
    return content


def _survey(place: str) -> _Survey:
    survey = _Survey(Spellings(), Spellings())
    for path in _paths(place):
        try:
            content = _load(path)
        except schema.Rejected as error:
            detail = f"{os.path.basename(path)}: {error.reason}: {error.detail}"
            survey.fault = survey.fault or f" (the first fault: {detail})"
            continue
        survey.files += 1
        for shape in content["shapes"]:
            kind = labelme_shapes.kind(shape)
            if kind in labelme_shapes.WITH_AREA:
                survey.has_objects = True
                survey.has_masks = survey.has_masks or kind in labelme_shapes.WITH_MASK
                survey.names.add(labelme_shapes.label(shape))
        flags = content.get("flags")
        for name in flags if isinstance(flags, dict) else ():
            survey.flags.add(name)
    return survey


def _flags(content: dict[str, Any]) -> list[str]:
    """The image's flags that are true."""
    flags = content.get("flags")
    return [n for n, on in flags.items() if values.flag(on)] if isinstance(flags, dict) else []


def _items(place: str, files: Images, rules: _Rules) -> Iterator[schema.Sample | schema.Finding]:
    seen, unused = set(), False
    for path in _paths(place):
        name = walking.relative(path, place) if path != place else os.path.basename(path)
        stem = name[: -len(_JSON)]
        try:
            content = _load(path)
            filename, findings = _image(path, stem, content, files)
        except schema.Rejected as rejected:
            located = voc_lists.find_image(files.root, stem)
            beside = os.path.join(files.root, located) if located else ""
            yield rejected.finding("skipped", name, "", beside)
            continue
        if filename in seen:
            yield schema.Finding("noted", "image listed twice", filename, name)
            continue
        seen.add(filename)
        yield from findings
        image = os.path.join(files.root, filename)
        sample = schema.Sample(image, filename, source_id=filename)
        if not rules.flags and not unused and (flags := _flags(content)):
            unused = True
            yield schema.Finding("noted", "flags beside shapes", filename, ", ".join(flags))
        yield from _size(sample, content, name)
        yield from _fill(sample, content, path, rules)


def _image(
    path: str, stem: str, content: dict[str, Any], files: Images
) -> tuple[str, list[schema.Finding]]:
    """The image's name in its folder, and what is to be said of it.

    `imagePath` is relative to the json; where that is not a file, the image is the one of the
    json's name, else the one that `imagePath` may mean."""
    claimed = content.get("imagePath")
    claimed = claimed if isinstance(claimed, str) and "\0" not in claimed else ""
    slashes = claimed.strip().replace("\\", "/")
    there = os.path.normpath(os.path.join(os.path.dirname(path), slashes))
    beside = walking.relative(there, files.root)
    findings: list[schema.Finding] = []
    if slashes and not beside.startswith("../") and files.has(beside):
        image = beside
    else:
        image = voc_lists.find_image(files.root, stem) or ""
    if not image:
        while slashes.startswith(("../", "./")):
            slashes = slashes.partition("/")[2]
        expected = slashes or f"{stem}.jpg"
        place = files.find(expected, f"imagePath of {stem}{_JSON}")
        if isinstance(place, schema.Finding):
            if content.get("imageData"):
                detail = f"no {expected} in {files.root}; labelme_export_json writes the image out"
                raise schema.Rejected("image inside its json", detail)
            raise schema.Rejected(place.reason, place.detail)
        image, findings = place
    claimed_stem = os.path.splitext(os.path.basename(spelt(claimed)))[0]
    if claimed and claimed_stem != os.path.basename(stem):
        reason = "filename disagrees with the file's name"
        detail = f"imagePath {claimed} in {stem}{_JSON}"
        findings = [*findings, schema.Finding("noted", reason, image, detail)]
    return image, findings


def _size(sample: schema.Sample, content: dict[str, Any], name: str) -> Iterator[schema.Finding]:
    said = [content.get("imageHeight"), content.get("imageWidth")]
    if said == [None, None]:
        return
    sample.size = values.size(*said)
    if sample.size is None:
        detail = f"{name}: imageHeight {said[0]!r}, imageWidth {said[1]!r}"
        yield schema.Finding("noted", "recorded size is wrong", sample.filename, detail)


def _fill(
    sample: schema.Sample, content: dict[str, Any], path: str, rules: _Rules
) -> Iterator[schema.Sample | schema.Finding]:
    """The sample with its objects, or with the classes that its flags say."""
    if not rules.flags:
        size = drawn.size(sample, rules.frame)
        shapes = labelme_shapes.drawn_in(content["shapes"])
        yield from drawn.add(sample, shapes, rules.classes, path, size)
        yield sample
        return
    where = f"{path}: flags"
    yield from drawn.labelled(sample, _flags(content), rules.classes, where, "no flag is true")
