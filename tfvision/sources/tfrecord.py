"""TFRecords of TF Model Garden, of the TF Object Detection API, and our own.

Keys are those of `schema`; what a data set contains is seen from its first records. Images stay
where they are: a sample says which part of the file is its image.
"""

from __future__ import annotations

import fnmatch
import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence

from tfvision import errors, schema
from tfvision.ops import wire
from tfvision.sources import labels as lists
from tfvision.sources import pbtxt, tfrecord_example
from tfvision.sources.source import NOTHING_SAID, Options, Source, check_class_names

_SCANNED = 100  # records that tell what a data set holds
_NAME = re.compile(r"\.(tf)?records?(-\d+-of-\d+)?(\.gz)?$|-\d+-of-\d+$")
_OTHER_SPLITS = ("train", "val", "test")
# A group of schema.GROUPS is there if one of these keys is.
_SIGNS = {
    "labels": ("image/class/label", "image/class/text"),
    "objects": ("image/object/bbox/ymin",),
    "masks": ("image/object/mask",),
    "label_map": ("image/segmentation/class/encoded",),
}


def read(
    images: str,
    annotations: str | None = None,
    *,
    split: str = "train",
    labels: Sequence[str] | None = None,
    options: Options = NOTHING_SAID,
) -> Source:
    """Reads the record files of a folder, of a pattern, or one file.

    Those whose name contains `split` are taken, or all where no name speaks of a split.
    annotations: label_map.pbtxt, whose ids the records hold, or a text file of class names,
    whose ids count from 0; without it and `labels`, the dataset.json beside the records names
    the classes. Raises DataError for files that are compressed, cut or hold no images, and for
    an id that is not a class."""
    del options
    files = _files(images, split)
    keys = _keys(files)
    if "image/encoded" not in keys:
        listed = ", ".join(sorted(keys)[:8]) or "none"
        raise errors.DataError(
            f"{files[0]}: its records have no image/encoded (keys found: {listed}); only records"
            " of images can be read"
        )
    groups = tuple(g for g, signs in _SIGNS.items() if any(sign in keys for sign in signs))
    if not groups:
        signatures = ", ".join(sign[0] for sign in _SIGNS.values())
        raise errors.DataError(f"{files[0]}: its records have none of the keys {signatures}")
    classes, category_ids = _classes(annotations, labels, files[0])
    return Source(classes.names, groups, _items(files, classes), category_ids)


def _files(images: str, split: str) -> list[str]:
    if not images:
        raise errors.UsageError("record files are missing; give their folder or a pattern")
    if os.path.isfile(images):
        return [images]
    if os.path.isdir(images):
        files = [os.path.join(images, name) for name in os.listdir(images) if _NAME.search(name)]
    else:
        files = _matching(images)
    if not files:
        raise errors.DataError(
            f"{images}: there are no record files (*.tfrecord, *.record, *-00000-of-00010)"
        )
    return _of_split(sorted(files), split)


def _matching(pattern: str) -> list[str]:
    """Files whose name fits the last part of a pattern; the folder's name is not a pattern."""
    folder, name = os.path.split(pattern)
    if not os.path.isdir(folder or "."):
        return []
    names = fnmatch.filter(os.listdir(folder or "."), name)
    return [path for path in (os.path.join(folder, n) for n in names) if os.path.isfile(path)]


def _of_split(files: list[str], split: str) -> list[str]:
    names = [os.path.basename(path) for path in files]
    if not split:
        return files
    # As a word first: a data set may be called trains.
    for pattern in (rf"(?<![A-Za-z]){re.escape(split)}(?![A-Za-z])", re.escape(split)):
        paths = [path for path, name in zip(files, names, strict=True) if re.search(pattern, name)]
        if paths:
            return paths
    if any(re.search(rf"(?<![A-Za-z]){other}", n) for other in _OTHER_SPLITS for n in names):
        raise errors.DataError(
            f"{os.path.dirname(files[0])}: no record file's name contains '{split}' (found"
            f" {', '.join(names[:3])}); name the split as the files do, or give a pattern"
        )
    return files


def _keys(files: Sequence[str]) -> set[str]:
    first = itertools.islice(_examples(files), _SCANNED)
    return {key for example in first for key in example.features}


def _examples(files: Sequence[str]) -> Iterator[tfrecord_example.Example]:
    for path in files:
        for number, (offset, data) in enumerate(wire.records(path)):
            try:
                features = wire.example(data)
            except ValueError as error:
                raise errors.DataError(
                    f"{path}: the record at offset {offset} is not a tf.train.Example: {error};"
                    " copy or write the file again"
                ) from error
            name = f"{os.path.basename(path)}#{number}"
            yield tfrecord_example.Example(path, offset, name, data, features)


def _items(
    files: Sequence[str], classes: tfrecord_example.Classes
) -> Iterator[schema.Sample | schema.Finding]:
    for example in _examples(files):
        yield from tfrecord_example.items(example, classes)


def _classes(
    annotations: str | None, labels: Sequence[str] | None, first: str
) -> tuple[tfrecord_example.Classes, list[int] | None]:
    """The class list, and COCO's category ids where dataset.json has them."""
    if labels:
        return tfrecord_example.Classes(check_class_names(list(labels), "--labels")), None
    if annotations and annotations.endswith((".pbtxt", ".pbtext")):
        return tfrecord_example.Classes(*pbtxt.read(annotations)), None
    if annotations:
        return tfrecord_example.Classes(lists.read_labels(annotations)), None
    path = os.path.join(os.path.dirname(first), "dataset.json")
    if not os.path.isfile(path):
        raise errors.UsageError(
            "format tfrecord needs the class names: --annotations=label_map.pbtxt, or a text file"
            " with one name a line"
        )
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        names = [str(name) for name in content["class_names"]]
        return tfrecord_example.Classes(names), content.get("category_ids")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.DataError(f"{path} cannot be read ({error}); give --annotations") from error
