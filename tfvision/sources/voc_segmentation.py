"""Pascal VOC segmentation: palette PNGs in SegmentationClass, text files of the splits (Everingham
et al. 2010, host.robots.ox.ac.uk/pascal/VOC). Class 0 is background, 255 is void.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tfvision import schema
from tfvision.sources import voc_lists
from tfvision.sources.source import ClassList, Source, check_folder, listed, read_labels

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
) -> Source:
    """Reads IMAGES/JPEGImages and IMAGES/SegmentationClass, or another folder of label maps that
    `annotations` names.

    ImageSets/Segmentation/<split>.txt names the images; without it, or with split "", every
    label map counts. Classes are `labels`, else those of labels.txt or classes.txt in IMAGES,
    else VOC's 21; the values of a map are class ids, background is one of the classes. Raises
    DataError for an unknown split or a missing folder."""
    root = check_folder(images, "image folder")
    pictures = check_folder(os.path.join(root, "JPEGImages"), "image folder")
    folder = check_folder(
        annotations or os.path.join(root, "SegmentationClass"), "folder of label maps"
    )
    names = voc_lists.split_names(root, split, ("Segmentation",))
    if names is None:
        names = sorted(name[:-4] for name in os.listdir(folder) if name.endswith(".png"))
    path = voc_lists.label_file(root)
    if labels:
        classes = ClassList(list(labels), "--labels")
    elif path:
        classes = ClassList(read_labels(path), path)
    else:
        classes = ClassList(list(CLASS_NAMES), "Pascal VOC")
    return Source(classes.names, ("label_map",), _items(names, pictures, folder))


def _items(
    names: Sequence[str], pictures: str, folder: str
) -> Iterator[schema.Sample | schema.Finding]:
    seen = set()
    for name in names:
        if name in seen:
            yield schema.Finding("noted", "image listed twice", name)
            continue
        seen.add(name)
        filename = voc_lists.find_image(pictures, name) or f"{name}.jpg"
        reason = listed(pictures, filename)
        if not reason and listed(folder, f"{name}.png"):
            reason = "image without a label map"
        if reason:
            yield schema.Finding("skipped", reason, filename, f"{name}.png")
            continue
        label_map = schema.LabelMap(os.path.join(folder, f"{name}.png"))
        path = os.path.join(pictures, filename)
        yield schema.Sample(path, filename, source_id=name, label_map=label_map)
