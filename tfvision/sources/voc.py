"""Pascal VOC detection: one XML per image, text files of the splits (Everingham et al. 2010,
"The PASCAL Visual Object Classes (VOC) Challenge"; host.robots.ox.ac.uk/pascal/VOC).

Boxes are 1-based and inclusive there, so xmin and ymin lose 1 on the way in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.ops import sniff
from tfvision.sources import labels as lists
from tfvision.sources import values, voc_lists, voc_xml
from tfvision.sources.locate import Images, spelt
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder
from tfvision.sources.spellings import Spellings

_FLAGS = ("1", "-1", "0")  # what may follow a name in a list of a single class


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads IMAGES/JPEGImages and IMAGES/Annotations, or a folder of images and one of xmls.

    ImageSets/Main/<split>.txt (else Segmentation/<split>.txt) names the images; a flag behind a
    name does not matter. Without ImageSets, or with split "", every xml is read. Classes are
    `labels`, else those of labels.txt or classes.txt beside the folders, else the sorted names
    in all the xmls, whatever their split; there, names that differ only in case or white space
    are one class, spelt as most often. Raises DataError for an unknown split or class."""
    del options
    root, pictures, folder = _folders(images, annotations, split)
    names = voc_lists.split_names(root, split, ("Main", "Segmentation"))
    xmls = voc_xml.Xmls(folder)
    if labels:
        classes = ClassList(list(labels), "--labels")
    elif path := voc_lists.label_file(root):
        classes = ClassList(lists.read_labels(path), path)
    else:
        classes = ClassList(_spellings(xmls), folder)
    left = {images: "of another split", pictures: "no xml of its name"}
    if names is None:
        names = xmls.names()
    else:
        left[pictures] = f"not in the list of split '{split}'"
    items = _items(names, Images(pictures), xmls, classes)
    return Source(classes.names, ("labels", "objects"), items, folders=left)


def _folders(images: str, annotations: str | None, split: str) -> tuple[str, str, str]:
    """(root, folder of the images, folder of the xmls)."""
    images = check_folder(images, "image folder")
    pictures = os.path.join(images, "JPEGImages")
    if os.path.isdir(pictures):
        root = images
    else:
        root, pictures = os.path.dirname(os.path.abspath(annotations or images)), images
    folder = annotations or os.path.join(root, "Annotations")
    if not annotations and not os.path.isdir(folder):
        # Tools that know no folders: the xmls among the images, perhaps split by split.
        for place in (os.path.join(images, split), images):
            if os.path.isdir(place) and any(
                n.lower().endswith(voc_xml.EXTENSION) for n in os.listdir(place)
            ):
                return place, place, place
    return root, pictures, check_folder(folder, "annotation folder")


def _spellings(xmls: voc_xml.Xmls) -> list[str]:
    """Every class name in the xmls of a folder, sorted."""
    spellings = Spellings()
    broken = ""
    for stem in xmls.names():
        try:
            node = voc_xml.parse(xmls, stem)
        except schema.Rejected as error:  # reported when it is read as an image of its split
            broken = broken or f"{stem}{voc_xml.EXTENSION}: {error.reason}: {error.detail}"
            continue
        for item in node.findall("object"):
            spellings.add(item.findtext("name") or "")
    if broken and not spellings.names():
        raise errors.DataError(f"{xmls.folder}: no xml names a class; the first fault: {broken}")
    return spellings.names()


def _items(
    names: Sequence[str], pictures: Images, xmls: voc_xml.Xmls, classes: ClassList
) -> Iterator[schema.Sample | schema.Finding]:
    seen = set()
    for line in names:
        name = _stem(line, xmls)
        if name in seen:
            yield schema.Finding("noted", "image listed twice", name)
            continue
        seen.add(name)
        try:
            node = voc_xml.parse(xmls, name)
            filename, findings = _image(node, name, pictures)
        except schema.Rejected as rejected:
            image = voc_lists.find_image(pictures.root, name)
            path = os.path.join(pictures.root, image) if image else ""
            yield rejected.finding("skipped", f"{name}{voc_xml.EXTENSION}", "", path)
            continue
        yield from findings
        path = os.path.join(pictures.root, filename)
        sample = schema.Sample(path, filename, source_id=name, objects=[])
        sample.size, reason = _size(node)
        if reason:
            yield schema.Finding("noted", reason, filename, f"{name}{voc_xml.EXTENSION}")
        yield from _add_objects(sample, node, xmls.path(name), classes)
        yield sample


def _stem(line: str, xmls: voc_xml.Xmls) -> str:
    """The name of an xml in a line of a list, which may have a flag or an image's extension."""
    if xmls.path(line):
        return line
    head, _, flag = line.rpartition(" ")
    name = head.strip() if flag in _FLAGS else line
    if xmls.path(name):
        return name
    stem, extension = os.path.splitext(name)
    stem = stem if extension.lower() in (*sniff.EXTENSIONS, voc_xml.EXTENSION) else name
    parts = spelt(stem).split("/")  # a list may give paths, of the images or from elsewhere
    if ".." in parts:
        return stem
    tails = ("/".join(parts[at:]) for at in range(len(parts)))
    return next((tail for tail in tails if tail and xmls.path(tail)), stem)


def _image(node: Any, stem: str, pictures: Images) -> tuple[str, list[schema.Finding]]:
    """The image's name in its folder, and what is to be said of it."""
    claimed = (node.findtext("filename") or "").strip()
    beside = os.path.join(os.path.dirname(stem), claimed)
    if claimed and pictures.leaves(claimed):
        raise schema.Rejected("path that leaves the image folder", f"<filename> {claimed}")
    findings: list[schema.Finding] = []
    if claimed and pictures.has(beside):
        image = os.path.normpath(beside).replace(os.sep, "/")
    else:
        image = voc_lists.find_image(pictures.root, stem) or ""
        if not image:
            place = pictures.find(
                claimed or f"{stem}.jpg", f"<filename> of {stem}{voc_xml.EXTENSION}"
            )
            if isinstance(place, schema.Finding):
                raise schema.Rejected(place.reason, place.detail)
            image, findings = place
    # Image and xml that were renamed together still say in <path> what they were called.
    path = (node.findtext("path") or "").strip().replace("\\", "/")
    renamed = image != claimed and os.path.basename(path) == claimed
    same = os.path.splitext(os.path.basename(image))[0] == os.path.basename(stem)
    if same and os.path.basename(spelt(claimed)) == os.path.basename(image):
        return image, findings  # by another path
    same = same and image == os.path.normpath(beside).replace(os.sep, "/")
    if not (same or renamed or findings or claimed in ("", os.path.basename(stem))):
        reason = "filename disagrees with the file's name"
        detail = f"<filename> {claimed} in {stem}{voc_xml.EXTENSION}"
        findings.append(schema.Finding("noted", reason, image, detail))
    return image, findings


def _size(node: Any) -> tuple[tuple[int, int] | None, str]:
    """((height, width) or None, why it is None)."""
    if node.find("size") is None:
        return None, "no recorded size"
    sides = [values.number(node.findtext(f"size/{n}")) for n in ("height", "width")]
    if None in sides or min(sides) <= 0:
        return None, "recorded size is wrong"
    return (int(sides[0]), int(sides[1])), ""


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
                raise schema.Rejected("no class name", "<name> is missing or empty")
            class_id, note = classes.find(text, f"{path}: {name}")
            box = _box(item.find("bndbox"))
            if (class_id, box) in seen:
                raise schema.Rejected(
                    "the same object twice", f"{text.strip()}, box y x y x {list(box)}"
                )
        except schema.Rejected as rejected:
            yield rejected.finding("dropped", sample.filename, name)
            continue
        seen.add((class_id, box))
        if note:
            reason = "class name matched loosely"
            yield schema.Finding("noted", reason, sample.filename, f"{name}: {note}")
        difficult = bool(values.flag(item.findtext("difficult")))
        sample.objects.append(schema.Object(class_id, box, difficult=difficult, name=name))
    sample.labels = sorted({item.class_id for item in sample.objects})


def _box(node: Any) -> tuple[float, float, float, float]:
    if node is None:
        raise schema.Rejected("broken box", "there is no <bndbox>")
    texts = {edge: node.findtext(edge) or "" for edge in ("ymin", "xmin", "ymax", "xmax")}
    said = ", ".join(f"{edge} {text.strip() or 'missing'}" for edge, text in texts.items())
    edges = [values.number(text) for text in texts.values()]
    if None in edges:
        raise schema.Rejected("broken box", said)
    ymin, xmin, ymax, xmax = edges
    if xmax <= xmin or ymax <= ymin:
        raise schema.Rejected("box without area", said)
    return ymin - 1.0, xmin - 1.0, ymax, xmax
