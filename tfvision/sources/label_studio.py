"""Label Studio's exports JSON and JSON-MIN (labelstud.io/guide/export): boxes, polygons, ellipses,
brushes, choices.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.sources import drawn, label_studio_shapes, label_studio_tasks, texts
from tfvision.sources.label_studio_tasks import Result, Task
from tfvision.sources.locate import Images
from tfvision.sources.shapes import Shape
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder
from tfvision.sources.spellings import Spellings

_WITH_MASK = ("polygon", "ellipse", "brush")
_WITH_AREA = (*_WITH_MASK, "rectangle")


@dataclasses.dataclass
class _Survey:
    """What an export holds. sources: names of the tags that results come from."""

    regions: Spellings
    choices: Spellings
    sources: set[str]
    has_masks: bool = False
    has_regions: bool = False


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads a json, or ANNOTATIONS/<split>.json, else the only json there, if that is a folder.

    Images are in IMAGES/<split> if that is a folder, else in IMAGES; a task's is found by the
    tail of its address. The first annotation of a task that was not cancelled counts, predictions
    never do. `options.class_attribute` is the name of the tag whose results count, without it all
    do. Where there are regions, they are the objects and choices say nothing; else choices are
    labels of the image. A turned box is the upright one around it. Without `labels` the classes
    are the sorted names in the json. Raises DataError where the json is not an export of images."""
    root = check_folder(images, "image folder")
    path = _file(annotations, split)
    attribute = options.class_attribute.strip()
    survey = _survey(path, attribute)
    if attribute and attribute not in survey.sources:
        raise errors.UsageError(
            f"class_attribute is '{attribute}'; {path} has results of:"
            f" {', '.join(sorted(survey.sources)) or 'none'}"
        )
    choices = bool(survey.choices.names()) and not survey.has_regions
    names = (survey.choices if choices else survey.regions).names()
    classes = ClassList.of(labels, names, path)
    groups = ("labels",) if choices else ("labels", "objects")
    groups += ("masks",) if survey.has_masks else ()
    pictures = drawn.pictures(root, split)
    rules = _Rules(classes, attribute, choices, options.annotations_of)
    left = {root: "of another split"} if pictures != root else {}
    left[pictures] = f"no task of {os.path.basename(path)} names it"
    return Source(classes.names, groups, _items(path, Images(pictures), rules), folders=left)


@dataclasses.dataclass(frozen=True)
class _Rules:
    """source: the tag whose results count, "" for all. choices: they are the classes."""

    classes: ClassList
    source: str
    choices: bool
    frame: str


def _file(annotations: str | None, split: str) -> str:
    if not annotations:
        raise errors.UsageError("format label_studio needs annotations: the path of its json")
    if not os.path.isdir(annotations):
        return texts.check(annotations)
    names = sorted(n for n in os.listdir(annotations) if n.lower().endswith(".json"))
    if f"{split}.json" in names:
        names = [f"{split}.json"]
    if len(names) != 1:
        raise errors.DataError(
            f"{annotations}: expected {split or 'one'}.json, found {', '.join(names) or 'none'};"
            " give the file's path"
        )
    return os.path.join(annotations, names[0])


def _survey(path: str, attribute: str) -> _Survey:
    survey = _Survey(Spellings(), Spellings(), set())
    for task in label_studio_tasks.tasks(path):
        for result in task.results:
            survey.sources.add(result.source)
            if attribute not in ("", result.source):
                continue
            if result.shape in _WITH_AREA and (attribute or result.kind != "choices"):
                survey.has_regions = True
                survey.has_masks = survey.has_masks or result.shape in _WITH_MASK
                survey.regions.add(next(iter(result.texts()), ""))
            elif not result.shape and result.kind == "choices":
                for text in result.texts():
                    survey.choices.add(text)
    return survey


def _items(path: str, files: Images, rules: _Rules) -> Iterator[schema.Sample | schema.Finding]:
    seen, unused = set(), False
    for task in label_studio_tasks.tasks(path):
        place = _find(task, files)
        if isinstance(place, schema.Finding):
            yield place
            continue
        filename, findings = place
        image = os.path.join(files.root, filename)
        if filename in seen:
            yield schema.Finding("noted", "image listed twice", filename, task.name)
            continue
        if task.fault:
            yield schema.Finding("skipped", task.fault, filename, task.name, image)
            continue
        seen.add(filename)
        yield from findings
        if task.others:
            detail = f"{task.name}: {task.others} more, the first one counts"
            yield schema.Finding("noted", "several annotations of one image", filename, detail)
        results = [r for r in task.results if rules.source in ("", r.source)]
        sample = schema.Sample(image, filename, source_id=filename)
        sample.size = next((r.size for r in results if r.size), None)
        choices = [r for r in results if r.kind == "choices" and not r.shape]
        if rules.choices:
            chosen = (text for result in choices for text in result.texts())
            where = f"{path}: {filename}, choice"
            yield from drawn.labelled(sample, chosen, rules.classes, where, "nothing was chosen")
            continue
        if choices and not unused:
            unused = True
            yield schema.Finding("noted", "choices beside regions", filename, task.name)
        yield from _regions(sample, results, path, rules)
        yield sample


def _find(task: Task, files: Images) -> tuple[str, list[schema.Finding]] | schema.Finding:
    if not task.names:
        detail = f"{task.name}: its data contain no address of an image file"
        return schema.Finding("skipped", task.fault or "no path", task.name, detail)
    paths = [files.find(task.names[0], task.name)]
    for name in task.names[1:]:
        if isinstance(paths[-1], schema.Finding):
            paths.append(files.find(name, task.name))
    return paths[0] if isinstance(paths[-1], schema.Finding) else paths[-1]


def _regions(
    sample: schema.Sample, results: Sequence[Result], path: str, rules: _Rules
) -> Iterator[schema.Finding]:
    """Fills the sample's objects."""
    # Tags of a shape and of its class apart give two results of one id.
    named = {r.key for r in results if r.key is not None and r.texts()}
    size, regions = drawn.size(sample, rules.frame), []
    for i, result in enumerate(results, start=1):
        name, said = f"result {i}", result.texts()
        if not result.shape:
            if result.kind != "choices":
                reason = "relation between objects" if result.kind == "relation" else "no region"
                detail = f"{name}: {result.kind or 'no type'} of '{result.source}'"
                yield schema.Finding("dropped", reason, sample.filename, detail)
            continue
        if (not said and result.key in named) or (result.kind == "choices" and not rules.source):
            continue
        if len(said) > 1:
            detail = f"{name}: {', '.join(said)}; the first one counts"
            yield schema.Finding("noted", "several classes of one object", sample.filename, detail)
        make = functools.partial(_shape, result, size)
        regions.append(drawn.Drawn(name, said[0] if said else "", make))
    yield from drawn.add(sample, regions, rules.classes, path, size)


def _shape(result: Result, size: tuple[int, int] | None) -> Shape:
    if result.turn % 360:
        raise schema.Rejected("drawn on a turned image", f"image_rotation {result.turn:g}")
    return label_studio_shapes.convert(result.value, result.size or size)
