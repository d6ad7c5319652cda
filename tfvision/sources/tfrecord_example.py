"""One tf.train.Example of an image -> a sample: boxes in pixels, class ids, masks.

Axis letters: N objects.
"""

from __future__ import annotations

import dataclasses
import io
import math
import os
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tfvision import errors, schema
from tfvision.ops import header, wire
from tfvision.sources.source import ClassList

_TEXT = "image/object/class/text"
_BOX_KEYS = schema.FIELDS["boxes"].keys  # ymin, xmin, ymax, xmax


@dataclasses.dataclass(frozen=True)
class Classes:
    """names: in id order. ids: {a record's id: class id}; None where they are the same."""

    names: list[str]
    ids: Mapping[int, int] | None = None

    def of(self, number: int, where: str) -> int:
        """The class id of a record's id; DataError that names both and the way out."""
        known = range(len(self.names)) if self.ids is None else self.ids
        if number in known:
            return number if self.ids is None else self.ids[number]
        kind = "0-based names" if self.ids is None else "label map"
        raise errors.DataError(
            f"{where}: class id {number} is not among the {len(self.names)} of the {kind}"
            f" ({min(known)}..{max(known)}); ids that count from 1 need a label_map.pbtxt"
        )

    def of_text(self, text: str, where: str) -> int:
        """The class id of a name."""
        return ClassList(self.names, "the records").find(text, where)[0]


@dataclasses.dataclass(frozen=True)
class Example:
    """A record. offset: of `data` in the file `path`. name: how findings call it."""

    path: str
    offset: int
    name: str
    data: bytes
    features: Mapping[str, wire.Values]

    def values(self, key: str) -> list[Any]:
        """The values of a feature, bytes as bytes; [] where it is absent."""
        feature = self.features.get(key, [])
        return [self.data[v] if isinstance(v, slice) else v for v in feature]

    def text(self, key: str) -> str:
        """The first value of a bytes feature as a file name or text; "" where it is absent."""
        texts = self.values(key)
        return os.fsdecode(texts[0]) if texts and isinstance(texts[0], bytes) else ""


def items(example: Example, classes: Classes) -> Iterator[schema.Sample | schema.Finding]:
    """The findings and the sample of one record."""
    filename = example.text("image/filename") or example.name
    findings: list[schema.Finding] = []
    try:
        sample = _sample(example, classes, filename, findings)
    except schema.Rejected as rejected:
        yield rejected.finding("skipped", filename, example.name)
        return
    yield from findings
    yield sample


def _sample(
    example: Example, classes: Classes, filename: str, findings: list[schema.Finding]
) -> schema.Sample:
    encoded = example.features.get("image/encoded", [])
    if len(encoded) != 1 or not isinstance(encoded[0], slice):
        raise schema.Rejected("record without an image", f"{len(encoded)} values of image/encoded")
    span = encoded[0]
    size = _size(example, example.data[span], filename, findings)
    sample = schema.Sample(
        example.path,
        filename,
        example.text("image/source_id") or example.name,
        size,
        labels=_labels(example, classes),
        objects=_objects(example, classes, size or (1, 1), filename, findings),
        part=(example.offset + span.start, span.stop - span.start),
    )
    label_map = example.values("image/segmentation/class/encoded")
    if label_map:
        sample.label_map = schema.LabelMap(example.name, label_map[0], _map_values(classes))
    return sample


def _map_values(classes: Classes) -> dict[int, int] | None:
    """With a label map of ids, what has none is background, and void."""
    if classes.ids is None:
        return None
    return {0: schema.VOID, schema.VOID: schema.VOID} | dict(classes.ids)


def _labels(example: Example, classes: Classes) -> list[int] | None:
    where = f"{example.path}: {example.name}"
    if "image/class/label" in example.features:
        return [classes.of(number, where) for number in example.values("image/class/label")]
    if "image/class/text" in example.features:
        texts = example.values("image/class/text")
        return [classes.of_text(_text(text), where) for text in texts]
    return None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _objects(
    example: Example,
    classes: Classes,
    size: tuple[int, int],
    filename: str,
    findings: list[schema.Finding],
) -> list[schema.Object]:
    edges = [example.values(key) for key in _BOX_KEYS]
    count = len(edges[0])
    if any(len(edge) != count for edge in edges):
        counts = ", ".join(str(len(edge)) for edge in edges)
        raise schema.Rejected("broken record", f"{counts} values of ymin, xmin, ymax, xmax")
    class_ids = _class_ids(example, classes, count)
    crowds = _column(example, "image/object/is_crowd", count, 0)
    difficult = _column(example, "image/object/difficult", count, 0)
    areas = _column(example, "image/object/area", count, None)
    masks = _column(example, "image/object/mask", count, None)
    boxes = np.array(edges, np.float64).reshape(4, count).T * (size + size)
    findings += _disagreeing(example, classes, class_ids, filename)
    objects = []
    for i, box in enumerate(boxes.tolist()):
        area = areas[i] if areas[i] is not None and math.isfinite(areas[i]) else None
        reason = _reason(box)
        if reason:
            detail = f"object {i}: box y x y x {box}"
            findings.append(schema.Finding("dropped", reason, filename, detail))
            continue
        item = schema.Object(
            class_ids[i],
            tuple(box),
            masks[i] or None,
            is_crowd=bool(crowds[i]),
            difficult=bool(difficult[i]),
            area=None if area is None else float(area),
            name=f"object {i}",
        )
        objects.append(item)
    return objects


def _disagreeing(
    example: Example, classes: Classes, class_ids: list[int], filename: str
) -> list[schema.Finding]:
    """Findings for objects whose class text is another class's name than their id's."""
    texts = example.values(_TEXT) if "image/object/class/label" in example.features else []
    findings = []
    for i, (text, class_id) in enumerate(zip(texts, class_ids, strict=False)):
        said, name = _text(text).strip(), classes.names[class_id]
        if said and unicodedata.normalize("NFC", said).casefold() != name.casefold():
            detail = f"object {i}: its text is '{said}', its id's class '{name}', which counts"
            reason = "class text disagrees with the id"
            findings.append(schema.Finding("noted", reason, filename, detail))
    return findings


def _reason(box: list[float]) -> str:
    if not all(math.isfinite(edge) for edge in box):
        return "broken box"
    return "" if box[2] > box[0] and box[3] > box[1] else "box without area"


def _class_ids(example: Example, classes: Classes, count: int) -> list[int]:
    where = f"{example.path}: {example.name}"
    key = "image/object/class/label"
    if key not in example.features and _TEXT in example.features:
        texts = _column(example, _TEXT, count, b"")
        return [classes.of_text(_text(text), where) for text in texts]
    numbers = example.values(key)
    if len(numbers) != count:
        raise schema.Rejected("broken record", f"{len(numbers)} values of {key} for {count} boxes")
    return [classes.of(number, where) for number in numbers]


def _column(example: Example, key: str, count: int, default: Any) -> list[Any]:
    column = example.values(key)
    if column and len(column) != count:
        raise schema.Rejected("broken record", f"{len(column)} values of {key} for {count} boxes")
    return column or [default] * count


def _size(
    example: Example, image: bytes, filename: str, findings: list[schema.Finding]
) -> tuple[int, int] | None:
    """(height, width) that the record's boxes are parts of, stored or upright.

    What the record says, unless its image's header contradicts."""
    recorded = [example.values(f"image/{side}")[:1] for side in ("height", "width")]
    claimed = (recorded[0][0], recorded[1][0]) if all(recorded) else None
    sizes = header.sizes(io.BytesIO(image))
    if sizes is None:
        return claimed  # the image is broken, which is found when it is decoded
    stored, upright = sizes
    if claimed is not None and claimed not in (stored, upright):
        detail = f"the record says {claimed[1]} x {claimed[0]}, its image {stored[1]} x {stored[0]}"
        findings.append(schema.Finding("noted", "recorded size is wrong", filename, detail))
        claimed = None
    return claimed or stored
