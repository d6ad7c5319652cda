"""VGG Image Annotator, versions 1 and 2 (Dutta and Zisserman 2019, arXiv:1904.10699): polygons,
boxes, circles and ellipses in one json.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.ops import header
from tfvision.sources import stream, texts, via_shapes
from tfvision.sources.locate import Images
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder
from tfvision.sources.walking import relative

FILE = "via_region_data.json"
# The region attribute that contains the class: the first of these, else the only text there is.
_ATTRIBUTES = ("class", "name", "label", "type", "category")
_UNNAMED = "object"  # the class where no region has an attribute at all
_PROJECT = "_via_img_metadata"  # where a project file keeps what an export consists of


@dataclasses.dataclass(frozen=True)
class _File:
    """A json, and the folder of its images."""

    path: str
    images: str


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads a json that VIA 1 or 2 exported or saved as a project.

    annotations: the json, or a folder in place of `images` in what follows, or None. Without a
    json's path it is IMAGES/<split>/via_region_data.json, else that in IMAGES itself, with split
    "" the files of all splits. The images are in IMAGES/<split> if that contains the json, else in
    IMAGES. A region's class is its attribute `options.class_attribute`, else class, name, label,
    type or category, else its only text; where no region has an attribute, all are the only
    class of `labels`, or "object". Without `labels` the classes are the sorted names in this
    split's json: give them, so that all splits have the same. Raises DataError where a json is
    none of VIA's, and where attributes are there and none is the class."""
    root = check_folder(images, "image folder")
    files = _files(root, annotations, split)
    attribute = options.class_attribute.strip().casefold()
    names: collections.Counter[str] = collections.Counter()
    attributes: collections.Counter[str] = collections.Counter()
    has_masks = False
    for file in files:
        for region in _regions(file.path):
            names[_class_name(region, attribute)] += 1
            attributes.update(list(_part(region, "region_attributes")))
            has_masks = has_masks or _shape(region).get("name") in via_shapes.WITH_MASK
    unnamed = names.pop("", 0)
    default = labels[0] if labels and len(labels) == 1 else None
    if attribute and unnamed and not names:
        raise errors.UsageError(
            f"class_attribute is '{options.class_attribute}'; no region of {files[0].path} has a"
            f" text in it (the attributes are: {', '.join(sorted(attributes)) or 'none'})"
        )
    if unnamed and not names and attributes and not default:
        raise errors.DataError(
            f"{files[0].path}: regions have the attributes {', '.join(sorted(attributes))}, and"
            f" none is called {', '.join(_ATTRIBUTES)}; say which is the class with"
            f" --class_attribute={min(attributes)}"
        )
    if unnamed and not names and not default:
        if labels:
            raise errors.DataError(
                f"{files[0].path}: no region has a class, and --labels has {len(labels)}; give one"
                f" class, or the regions an attribute '{_ATTRIBUTES[0]}'"
            )
        default = _UNNAMED
    classes = ClassList.of(labels, sorted(names) or [_UNNAMED], files[0].path)
    groups = ("labels", "objects", "masks") if has_masks else ("labels", "objects")
    top = root if not split else files[0].images
    rules = _Rules(classes, default, attribute, options.annotations_of)
    left = {root: "of another split"} if top != root else {}
    left |= {file.images: f"no entry of {os.path.basename(file.path)} names it" for file in files}
    return Source(classes.names, groups, _items(files, top, rules), folders=left)


@dataclasses.dataclass(frozen=True)
class _Rules:
    """default: the class of regions without one, or None. attribute: the one that contains it, or
    "". frame: of the points, "" for the upright image."""

    classes: ClassList
    default: str | None
    attribute: str
    frame: str


def _files(root: str, annotations: str | None, split: str) -> list[_File]:
    if annotations and not os.path.isdir(annotations):
        paths = [texts.check(annotations)]
    else:
        folder = annotations or root
        inner = sorted(os.listdir(folder)) if not split else [split]
        paths = [os.path.join(folder, FILE)]
        if split or not os.path.isfile(paths[0]):
            paths = [os.path.join(folder, name, FILE) for name in inner] + paths
        paths = [path for path in paths if os.path.isfile(path)]
        if not paths:
            raise errors.DataError(
                f"{folder}: there is no {FILE}, nor in {inner[0] if split else 'its folders'};"
                " give the json's path with --annotations"
            )
        paths = paths[:1] if split else paths
    files = []
    for path in paths:
        place = os.path.dirname(os.path.abspath(path))
        inner_folder = os.path.join(root, split or os.path.basename(place))
        same = os.path.isdir(inner_folder) and os.path.samefile(inner_folder, place)
        files.append(_File(path, inner_folder if same else root))
    return files


def _entries(path: str) -> Iterator[tuple[str, Any]]:
    """(key, entry) of every image, from an export or a project file."""
    count = 0
    for key, value, _ in stream.entries(path, objects=(_PROJECT,)):
        if key == _PROJECT and isinstance(value, tuple):
            key, value = value
        elif key.startswith("_via_"):
            continue
        count += 1
        if count == 1 and not _is_entry(value):
            raise errors.DataError(
                f"{path}: its first entry '{key:.60}' has no filename and regions; is it a json"
                " of VIA 1 or 2?"
            )
        yield key, value
    if not count:
        raise errors.DataError(f"{path}: there are no images in it")


def _is_entry(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("filename"), str) and isinstance(value.get("regions"), (dict, list))


def _listing(regions: dict | list) -> list[Any]:
    return list(regions.values()) if isinstance(regions, dict) else regions


def _regions(path: str) -> Iterator[Any]:
    for _, entry in _entries(path):
        if _is_entry(entry):
            yield from _listing(entry["regions"])


def _part(region: Any, name: str) -> dict[str, Any]:
    part = region.get(name) if isinstance(region, dict) else None
    return part if isinstance(part, dict) else {}


def _shape(region: Any) -> dict[str, Any]:
    return _part(region, "shape_attributes")


def _class_name(region: Any, attribute: str) -> str:
    """The class that a region's attributes name, `attribute` alone if given; "" for none."""
    texts = {}
    for key, value in _part(region, "region_attributes").items():
        if isinstance(value, dict):  # check boxes: {name: whether it is on}
            ticked = [name for name, on in value.items() if on is True]
            value = ticked[0] if len(ticked) == 1 else ""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = f"{value:g}"
        if isinstance(value, str):
            texts[key.strip().casefold()] = " ".join(value.split())
    if attribute:
        return texts.get(attribute, "")
    for key in _ATTRIBUTES:
        if key in texts:
            return texts[key]
    return next(iter(texts.values())) if len(texts) == 1 else ""


def _items(
    files: Sequence[_File], top: str, rules: _Rules
) -> Iterator[schema.Sample | schema.Finding]:
    seen = set()
    for file in files:
        pictures = Images(file.images)
        for key, entry in _entries(file.path):
            if not _is_entry(entry):
                yield schema.Finding("skipped", "not a VIA entry", key, os.path.basename(file.path))
                continue
            place = pictures.find(entry["filename"], f"entry '{key}'")
            if isinstance(place, schema.Finding):
                yield place
                continue
            path = os.path.join(file.images, place[0])
            filename = relative(path, top)
            if filename in seen:
                yield schema.Finding("skipped", "image listed twice", filename, f"entry '{key}'")
                continue
            seen.add(filename)
            yield from place[1]
            sample = schema.Sample(path, filename, source_id=filename, objects=[])
            yield from _add_objects(sample, entry, file.path, rules)
            yield sample


def _add_objects(
    sample: schema.Sample, entry: dict, path: str, rules: _Rules
) -> Iterator[schema.Finding]:
    """Fills the sample's objects and labels."""
    sizes = header.sizes(sample.path)
    size = sizes and sizes[rules.frame != "stored"]
    for i, region in enumerate(_listing(entry["regions"]), start=1):
        name = f"region {i}"
        try:
            text = _class_name(region, rules.attribute) or rules.default
            if not text:
                listed = ", ".join(_part(region, "region_attributes")) or "none"
                raise schema.Rejected("no class name", f"its attributes: {listed}")
            class_id, note = rules.classes.find(text, f"{path}: {sample.filename}, {name}")
            shape = via_shapes.convert(_shape(region))
        except schema.Rejected as rejected:
            yield rejected.finding("dropped", sample.filename, name)
            continue
        if note:
            reason = "class name matched loosely"
            yield schema.Finding("noted", reason, sample.filename, f"{name}: {note}")
        if size and shape.mask and via_shapes.clip(shape.mask, size):
            detail = f"{name}: a point one past the last pixel"
            yield schema.Finding("clipped", "polygon beyond the image", sample.filename, detail)
        sample.objects.append(schema.Object(class_id, shape.box, shape.mask, name=name))
    sample.labels = sorted({item.class_id for item in sample.objects})
