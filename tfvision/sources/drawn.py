"""Objects as annotation tools drew them -> a sample's objects: classes looked up, parts joined."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from tfvision import schema
from tfvision.ops import header
from tfvision.sources.shapes import Shape, joined
from tfvision.sources.source import ClassList

_VALIDATION = dict.fromkeys(("valid", "validate", "validation"), "val")


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One object of an image.

    name: how reports call it. text: its class, as it was typed. shape: makes its shape, raises
    Rejected where it makes none. group: masks of one group and class are the parts of one object;
    None for an object of its own."""

    name: str
    text: str
    shape: Callable[[], Shape]
    group: Hashable = None
    is_crowd: bool = False
    difficult: bool = False


def pictures(root: str, split: str) -> str:
    """The folder of a split's images: the one of its name, else `root`."""
    inner = os.path.join(root, split)
    return inner if split and os.path.isdir(inner) else root


def is_split(name: str, split: str) -> bool:
    """Whether a file's word for a split means `split`: case aside, and validation is val."""
    folders = [
        _VALIDATION.get(text.strip().casefold(), text.strip().casefold()) for text in (name, split)
    ]
    return folders[0] == folders[1]


def size(sample: schema.Sample, frame: str) -> tuple[int, int] | None:
    """(height, width) of the pixels that an annotation speaks of: what it says, else the file's.

    frame: one of `source.FRAMES`, or "" for the upright image."""
    sizes = None if sample.size else header.sizes(sample.path)
    return sample.size or (sizes and sizes[frame != "stored"])


def labelled(
    sample: schema.Sample, texts: Iterable[str], classes: ClassList, where: str, otherwise: str
) -> Iterator[schema.Sample | schema.Finding]:
    """The sample of an image with the classes of `texts`, or why it is left out: `otherwise`.

    where: the annotation file and its part, for errors. Raises DataError for an unknown class."""
    found = set()
    for text in texts:
        class_id, note = classes.find(text, where)
        found.add(class_id)
        if note:
            yield schema.Finding("noted", "class name matched loosely", sample.filename, note)
    if not found:
        yield schema.Finding("skipped", "no label", sample.filename, otherwise)
        return
    sample.labels = sorted(found)
    yield sample


def add(
    sample: schema.Sample,
    drawn: Iterable[Drawn],
    classes: ClassList,
    where: str,
    size: tuple[int, int] | None,
) -> Iterator[schema.Finding]:
    """Fills the sample's objects, and adds their classes to its labels.

    where: the annotation file, for errors. size: (height, width) of the pixels that the shapes
    speak of. Yields what is left out or changed; raises DataError for an unknown class."""
    parts: list[tuple[Drawn, int, Shape]] = []
    for item in drawn:
        try:
            shape = item.shape()
            if not item.text.strip():
                raise schema.Rejected("no class name", "it is missing or empty")
        except schema.Rejected as rejected:
            yield _finding("dropped", rejected.reason, sample, item, rejected.detail)
            continue
        class_id, note = classes.find(item.text, f"{where}: {sample.filename}, {item.name}")
        if note:
            yield _finding("noted", "class name matched loosely", sample, item, note)
        if shape.note:
            yield _finding("noted", shape.note, sample, item, item.text)
        parts.append((item, class_id, shape))
    sample.objects = []
    for together in _together(parts):
        item, class_id, shape = together[0]
        try:
            if len(together) > 1:
                shape = joined([part for _, _, part in together], size)
        except schema.Rejected as rejected:
            yield _finding("dropped", rejected.reason, sample, item, rejected.detail)
            continue
        sample.objects.append(
            schema.Object(
                class_id,
                shape.box,
                shape.mask,
                is_crowd=item.is_crowd,
                difficult=any(part.difficult for part, _, _ in together),
                name=item.name,
            )
        )
    class_ids = {item.class_id for item in sample.objects if not item.is_crowd}
    sample.labels = sorted(class_ids.union(sample.labels or []))


def _together(
    parts: Sequence[tuple[Drawn, int, Shape]],
) -> list[list[tuple[Drawn, int, Shape]]]:
    """The parts of each object, in the order of the objects' first ones."""
    groups: dict[Hashable, list[tuple[Drawn, int, Shape]]] = {}
    for at, (item, class_id, shape) in enumerate(parts):
        # A PNG of a box's pixels and a box without a mask stay objects of their own.
        alone = item.group is None or not isinstance(shape.mask, (list, dict))
        key = (None, at) if alone else (item.group, class_id)
        groups.setdefault(key, []).append((item, class_id, shape))
    return list(groups.values())


def _finding(
    kind: str, reason: str, sample: schema.Sample, item: Drawn, detail: str
) -> schema.Finding:
    return schema.Finding(kind, reason, sample.filename, f"{item.name}: {detail}")
