"""COCO's instances json: boxes, polygons, run lengths, crowds (cocodataset.org/#format-data).

Category ids may have gaps: classes are 0..K-1 in the order of the ids. What an annotation says
is checked here for its form; what needs the image (clipping, run lengths) when it is encoded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.ops import header
from tfvision.sources import coco_file, coco_shapes, values
from tfvision.sources.locate import Images, roboflow
from tfvision.sources.source import NOTHING_SAID, Options, Source, check_folder

_ROBOFLOW = "_annotations.coco.json"


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads an instances json, or ANNOTATIONS/instances_<split>*.json if that is a folder.

    images: the folder that `file_name` is relative to. Without `annotations` it is Roboflow's
    export: IMAGES/<split>/_annotations.coco.json beside its images. The file may be packed by
    gzip. Labels of an image are the classes of its objects, crowds aside. Raises DataError where
    the file, its class list, its ids or its boxes' form are unusable; an annotation or image that
    is broken by itself is left out with a finding."""
    coco_file.refuse_labels("coco", labels)
    root = check_folder(images, "image folder")
    path = _roboflow(root, annotations, split)
    if path:
        root = os.path.dirname(path)
    else:
        path = coco_file.annotation_file("coco", annotations, f"instances_{split}")
    content = coco_file.load(path, options.boxes)
    content.boxes.check(path)
    category_ids, class_names, findings = coco_file.category_names(content.categories, path)
    category_ids, class_names = _without_dummy(content, category_ids, class_names)
    groups = ("labels", "objects", "masks") if content.has_masks else ("labels", "objects")
    content.findings += findings
    items = _items(content, root, category_ids)
    left = {images: "of another split"} if path != annotations else {}
    left[root] = f"not listed in {content.name}"
    return Source(class_names, groups, items, category_ids, left)


def _roboflow(root: str, annotations: str | None, split: str) -> str | None:
    """The path of Roboflow's json, which lies among the images of its split."""
    if annotations and not os.path.isdir(annotations):
        return None
    return roboflow(annotations or root, split, (_ROBOFLOW,))


def _without_dummy(
    content: coco_file.Content, category_ids: list[int], class_names: list[str]
) -> tuple[list[int], list[str]]:
    """The classes without Roboflow's first category, which is the project's name.

    It is the supercategory of all the others and no annotation's."""
    above = {c.get("supercategory") for c in content.categories[1:]}
    first = content.categories[0] if content.categories else {}
    number = values.whole(first.get("id"))
    is_dummy = above == {first.get("name")} and first.get("supercategory") == "none"
    if not is_dummy or len(category_ids) < 2 or number in content.used:
        return category_ids, class_names
    reason = "category without annotations that names the others' group"
    detail = f"'{first['name']}' (id {number}) is not a class"
    content.findings.append(schema.Finding("noted", reason, content.name, detail))
    at = category_ids.index(number)
    return category_ids[:at] + category_ids[at + 1 :], class_names[:at] + class_names[at + 1 :]


def _items(
    content: coco_file.Content, root: str, category_ids: Sequence[int]
) -> Iterator[schema.Sample | schema.Finding]:
    class_ids = {number: i for i, number in enumerate(category_ids)}
    files = Images(root)
    yield from content.findings
    yield from orphans(content, class_ids)
    for number, count in content.shelf.repeated_ids():
        detail = f"annotation {number}: {count} times"
        yield schema.Finding("noted", "annotation id used twice", content.name, detail)
    for entry, entries in content.shelf.images():
        sample, findings = start(entry, files)
        objects = []
        size, file = _size(sample, content), entry["file_name"]
        for annotation in entries:
            name = name_of(annotation)
            class_id = class_of(annotation, class_ids, content, name)
            try:
                item, left = _object(annotation, class_id, size, content)
            except schema.Rejected as rejected:
                findings.append(rejected.finding("dropped", file, name))
                continue
            objects.append(item)
            if left:
                reason = "part of a polygon left out"
                findings.append(schema.Finding("noted", reason, file, f"{name}: {left}"))
        if isinstance(sample, schema.Finding):
            yield sample  # what was wrong inside a skipped image is of no interest
            continue
        yield from findings
        sample.objects = objects
        sample.labels = sorted({o.class_id for o in objects if not o.is_crowd})
        yield sample


def name_of(annotation: dict) -> str:
    """How findings call an annotation."""
    return f"annotation {annotation.get('id', 'without id')}"


def _size(
    sample: schema.Sample | schema.Finding, content: coco_file.Content
) -> tuple[int, int] | None:
    """(height, width) that boxes relative to their image are relative to, where they are so."""
    if isinstance(sample, schema.Finding) or not content.boxes.relative:
        return None
    sizes = header.sizes(sample.path)
    return sample.size or (sizes and sizes[1])


def orphans(content: coco_file.Content, class_ids: dict[int, int]) -> Iterator[schema.Finding]:
    """Findings for annotations whose image is not in the file.

    Raises DataError where it is, but as text instead of a number."""
    for entry in content.shelf.orphans():
        name, number = name_of(entry), entry.get("image_id")
        other = values.whole(number) if isinstance(number, str) else str(coco_file.key_of(number))
        if other is not None and content.shelf.has_image(other):
            raise errors.DataError(
                f"{content.path}: {name} has image_id {number!r}, but 'images' has {other!r};"
                " write both as numbers or both as text"
            )
        class_of(entry, class_ids, content, name)
        detail = f"{name}: image_id {number!r}"
        yield schema.Finding("dropped", "annotation of an unknown image", content.name, detail)


def class_of(entry: dict, class_ids: dict[int, int], content: coco_file.Content, name: str) -> int:
    """The class id of an annotation or segment; DataError for an unknown category."""
    category = values.whole(entry.get("category_id"))
    if category not in class_ids:
        raise errors.DataError(
            f"{content.path}: {name} has the unknown category_id {entry.get('category_id')!r};"
            " add it to 'categories' or remove the annotation"
        )
    return class_ids[category]


def is_crowd(entry: dict, content: coco_file.Content, name: str) -> bool:
    """Whether an annotation or segment is a crowd; DataError where `iscrowd` is neither."""
    crowd = values.flag(entry.get("iscrowd"))
    if crowd is None:
        raise errors.DataError(
            f"{content.path}: {name} has iscrowd {entry['iscrowd']!r}; write 0 or 1"
        )
    return crowd


def start(
    entry: dict, files: Images
) -> tuple[schema.Sample | schema.Finding, list[schema.Finding]]:
    """The sample of an entry of 'images' without what its annotations say, or why there is
    none; and what is to be said of its name."""
    number = str(coco_file.key_of(entry["id"]))
    located = files.find(entry["file_name"], f"image {number}")
    if isinstance(located, schema.Finding):
        return located, []
    filename, findings = located
    size = values.size(entry.get("height"), entry.get("width"))
    path = os.path.join(files.root, filename)
    return schema.Sample(path, filename, number, size, objects=[]), findings


def _object(
    entry: dict,
    class_id: int,
    size: tuple[int, int] | None,
    content: coco_file.Content,
) -> tuple[schema.Object, str]:
    """An annotation's object, and which parts of its polygon were left out."""
    name = name_of(entry)
    box = None
    if coco_shapes.said(entry.get("bbox")):
        box = content.boxes.read(entry["bbox"], size)
    mask, left = coco_shapes.mask(entry.get("segmentation"))
    if box is None and mask is None:
        raise schema.Rejected("neither box nor mask", "no bbox, no segmentation")
    crowd, area = is_crowd(entry, content, name), values.number(entry.get("area"))
    return schema.Object(class_id, box, mask, is_crowd=crowd, area=area, name=name), left
