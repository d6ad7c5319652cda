"""Pascal VOC segmentation: palette PNGs in SegmentationClass, text files of the splits (Everingham
et al. 2010, host.robots.ox.ac.uk/pascal/VOC). Class 0 is background, 255 is void.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

from tfvision import schema
from tfvision.sources import index_masks, voc_lists
from tfvision.sources import labels as lists
from tfvision.sources.locate import Images
from tfvision.sources.source import NOTHING_SAID, ClassList, Options, Source, check_folder

CLASS_NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads IMAGES/JPEGImages and IMAGES/SegmentationClass, or another folder of label maps that
    `annotations` names.

    ImageSets/Segmentation/<split>.txt names the images; without it, or with split "", every
    label map counts. Classes are `labels`, else those of labels.txt or classes.txt in IMAGES,
    else VOC's 21; the values of a map are class ids, background is one of the classes.
    CVAT's export has its colors in labelmap.txt; options.mask_values and options.mask_colors
    say what values or colors mean. Raises DataError for an unknown split or a missing folder."""
    root = check_folder(images, "image folder")
    pictures = check_folder(os.path.join(root, "JPEGImages"), "image folder")
    folder = check_folder(
        annotations or os.path.join(root, "SegmentationClass"), "folder of label maps"
    )
    names = voc_lists.split_names(root, split, ("Segmentation",))
    left = {pictures: f"not in the list of split '{split}'", folder: ""}
    if names is None:
        names = sorted(name[:-4] for name in os.listdir(folder) if name.lower().endswith(".png"))
        left[pictures] = "image without a label map"
    class_names, coding = _classes(root, labels, options)
    items = _items(names, Images(pictures), Images(folder), coding)
    return Source(class_names, ("label_map",), items, folders=left)


def _classes(
    root: str, labels: Sequence[str] | None, options: Options
) -> tuple[list[str], index_masks.Coding]:
    """The class names, and what pixels mean where they are not class ids."""
    plain = index_masks.Coding(None)
    path = options.label_file or voc_lists.label_file(root)
    if options.mask_values or options.mask_colors:
        return index_masks.classes([], labels, options)
    if labels:
        return ClassList(list(labels), "--labels").names, plain
    if not path:
        return list(CLASS_NAMES), plain
    if any(entry.color for entry in lists.entries(path)):
        return index_masks.classes([], None, dataclasses.replace(options, label_file=path))
    return lists.read_labels(path), plain


def _items(
    names: Sequence[str], pictures: Images, maps: Images, coding: index_masks.Coding
) -> Iterator[schema.Sample | schema.Finding]:
    seen = set()
    for name in names:
        if name in seen:
            yield schema.Finding("noted", "image listed twice", name)
            continue
        seen.add(name)
        filename = voc_lists.find_image(pictures.root, name) or f"{name}.jpg"
        place = pictures.find(filename, f"{name}.png")
        drawn = maps.find(f"{name}.png", filename)
        if isinstance(place, schema.Finding):
            yield place
        elif isinstance(drawn, schema.Finding):
            detail = f"no {name}.png in {maps.root}"
            yield schema.Finding("skipped", "image without a label map", filename, detail)
        else:
            yield from (*place[1], *drawn[1])
            path = os.path.join(maps.root, drawn[0])
            label_map = schema.LabelMap(path, values=coding.values, colors=coding.colors)
            path = os.path.join(pictures.root, place[0])
            yield schema.Sample(path, place[0], source_id=name, label_map=label_map)
