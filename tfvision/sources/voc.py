"""Pascal VOC detection: an xml a image, text files of the splits (Everingham et al. 2010,
"The PASCAL Visual Object Classes (VOC) Challenge"; host.robots.ox.ac.uk/pascal/VOC).

Boxes are 1-based and inclusive there, so xmin and ymin lose 1 on the way in.
"""

from __future__ import annotations

import collections
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import ParseError

import defusedxml
from defusedxml import ElementTree

from tfvision import schema
from tfvision.sources import voc_lists
from tfvision.sources.source import (
    ClassList,
    Source,
    check_folder,
    is_inside,
    listed,
    read_labels,
    relative,
)

_FLAGS = ("1", "-1", "0")  # what may follow a name in a list of a single class


class _Skip(Exception):
    """Leaves an image out: (reason, detail)."""


class _Drop(Exception):
    """Leaves an object out: (reason, detail)."""


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
) -> Source:
    """Reads IMAGES/JPEGImages and IMAGES/Annotations, or a folder of images and one of xmls.

    ImageSets/Main/<split>.txt (else Segmentation/<split>.txt) names the images; a flag behind a
    name does not matter. Without ImageSets, or with split "", every xml is read. Classes are
    `labels`, else those of labels.txt or classes.txt beside the folders, else the sorted names
    in all the xmls, whatever their split; there, names that differ only in case or white space
    are one class, spelt as most often. Raises DataError for an unknown split or class."""
    root, pictures, folder = _folders(images, annotations)
    names = voc_lists.split_names(root, split, ("Main", "Segmentation"))
    if labels:
        classes = ClassList(list(labels), "--labels")
    elif path := voc_lists.label_file(root):
        classes = ClassList(read_labels(path), path)
    else:
        classes = ClassList(_spellings(folder), folder)
    if names is None:
        names = sorted(name[:-4] for name in os.listdir(folder) if name.endswith(".xml"))
    return Source(classes.names, ("labels", "objects"), _items(names, pictures, folder, classes))


def _folders(images: str, annotations: str | None) -> tuple[str, str, str]:
    """(root, folder of the images, folder of the xmls)."""
    images = check_folder(images, "image folder")
    pictures = os.path.join(images, "JPEGImages")
    if os.path.isdir(pictures):
        root = images
    else:
        root, pictures = os.path.dirname(os.path.abspath(annotations or images)), images
    folder = annotations or os.path.join(root, "Annotations")
    return root, pictures, check_folder(folder, "annotation folder")


def _spellings(folder: str) -> list[str]:
    """Every class name in the xmls of a folder, sorted."""
    counts: dict[str, collections.Counter[str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(".xml"):
                continue
            try:
                node = _parse(folder, entry.name)
            except _Skip:
                continue  # reported when it is read as an image of its split
            for item in node.findall("object"):
                name = " ".join((item.findtext("name") or "").split())
                counts.setdefault(name.casefold(), collections.Counter())[name] += 1
    counts.pop("", None)
    return sorted(min(found, key=lambda name: (-found[name], name)) for found in counts.values())


def _parse(folder: str, name: str) -> Any:
    """The root element of an xml. Entities and external references are refused."""
    path = os.path.join(folder, name)
    if not is_inside(path, folder):
        raise _Skip("path that leaves the annotation folder", name)
    if not os.path.isfile(path):
        raise _Skip("image without an annotation file", f"{name} is missing")
    try:
        node = ElementTree.parse(path).getroot()
    except defusedxml.DefusedXmlException as error:
        raise _Skip("annotation file with entities", f"{error}") from error
    except (ParseError, ValueError, LookupError, OSError) as error:
        raise _Skip("broken annotation file", f"{error}") from error
    if node.tag != "annotation":
        raise _Skip("not a Pascal VOC annotation", f"its root is <{node.tag}>")
    return node


def _items(
    names: Sequence[str], pictures: str, folder: str, classes: ClassList
) -> Iterator[schema.Sample | schema.Finding]:
    seen = set()
    for name in names:
        head, _, flag = name.rpartition(" ")
        if flag in _FLAGS and not os.path.isfile(os.path.join(folder, f"{name}.xml")):
            name = head.strip()
        if name in seen:
            yield schema.Finding("noted", "image listed twice", name)
            continue
        seen.add(name)
        try:
            node = _parse(folder, f"{name}.xml")
            filename, note = _image(node, name, pictures)
        except _Skip as skip:
            reason, detail = skip.args
            yield schema.Finding("skipped", reason, f"{name}.xml", detail)
            continue
        if note:
            reason = "filename disagrees with the file's name"
            yield schema.Finding("noted", reason, filename, note)
        path = os.path.join(pictures, filename)
        sample = schema.Sample(path, filename, source_id=name, objects=[])
        sample.size, reason = _size(node)
        if reason:
            yield schema.Finding("noted", reason, filename, f"{name}.xml")
        yield from _add_objects(sample, node, os.path.join(folder, f"{name}.xml"), classes)
        yield sample


def _image(node: Any, stem: str, folder: str) -> tuple[str, str]:
    """The image's name in its folder, and a note where <filename> is not the xml's name."""
    claimed = (node.findtext("filename") or "").strip()
    missing = "image file missing"
    reason = listed(folder, claimed) if claimed else missing
    found = relative(os.path.join(folder, claimed), folder)
    if reason == missing:
        found = voc_lists.find_image(folder, stem) or ""
        reason = listed(folder, found) if found else missing
    if reason:
        raise _Skip(reason, f"<filename> {claimed}" if claimed else "no <filename>")
    # Image and xml that were renamed together still say in <path> what they were called.
    path = (node.findtext("path") or "").strip().replace("\\", "/")
    renamed = found != claimed and os.path.basename(path) == claimed
    same = found == claimed and os.path.splitext(os.path.basename(claimed))[0] == stem
    agrees = same or renamed or claimed in ("", stem)
    return found, "" if agrees else f"<filename> {claimed} in {stem}.xml"


def _size(node: Any) -> tuple[tuple[int, int] | None, str]:
    """((height, width) or None, why it is None)."""
    if node.find("size") is None:
        return None, "no recorded size"
    try:
        height, width = (int(float(node.findtext(f"size/{n}") or "")) for n in ("height", "width"))
    except (ValueError, OverflowError):
        return None, "recorded size is wrong"
    return ((height, width), "") if min(height, width) > 0 else (None, "recorded size is wrong")


def _add_objects(
    sample: schema.Sample, node: Any, path: str, classes: ClassList
) -> Iterator[schema.Finding]:
    """Fills the sample's objects and labels; a <part> lies inside its object and is none."""
    seen = set()
    for i, item in enumerate(node.findall("object"), start=1):
        name = f"object {i}"
        try:
            text = item.findtext("name") or ""
            if not text.strip():
                raise _Drop("no class name", "<name> is missing or empty")
            class_id, note = classes.find(text, f"{path}: {name}")
            box = _box(item.find("bndbox"))
            if (class_id, box) in seen:
                raise _Drop("the same object twice", f"{text.strip()}, box y x y x {list(box)}")
        except _Drop as drop:
            reason, detail = drop.args
            yield schema.Finding("dropped", reason, sample.filename, f"{name}: {detail}")
            continue
        seen.add((class_id, box))
        if note:
            reason = "class name matched loosely"
            yield schema.Finding("noted", reason, sample.filename, f"{name}: {note}")
        difficult = (item.findtext("difficult") or "").strip().casefold() in ("1", "true")
        sample.objects.append(schema.Object(class_id, box, difficult=difficult, name=name))
    sample.labels = sorted({item.class_id for item in sample.objects})


def _box(node: Any) -> tuple[float, float, float, float]:
    if node is None:
        raise _Drop("broken box", "there is no <bndbox>")
    texts = {edge: node.findtext(edge) or "" for edge in ("ymin", "xmin", "ymax", "xmax")}
    said = ", ".join(f"{edge} {text.strip() or 'missing'}" for edge, text in texts.items())
    try:
        ymin, xmin, ymax, xmax = (float(text) for text in texts.values())
    except ValueError:
        raise _Drop("broken box", said) from None
    if not all(math.isfinite(edge) for edge in (ymin, xmin, ymax, xmax)):
        raise _Drop("broken box", said)
    if xmax <= xmin or ymax <= ymin:
        raise _Drop("box without area", said)
    return ymin - 1.0, xmin - 1.0, ymax, xmax
