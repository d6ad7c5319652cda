"""One's own samples -> records, for the Trainer and everything else that takes a data set.

They go the way of every format: `schema.Sample`, the checks of `sources.review`, the writer.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tfvision import errors, schema, sources
from tfvision.datasets import arguments, conversion, own_samples
from tfvision.datasets.conversion_summary import Summary
from tfvision.records import progress
from tfvision.sources import review
from tfvision.sources.source import check_class_names

# Fields of `conversion.Request` that make no sense here: there are no files to find and read.
_OF_FILES = (
    *("format", "images", "annotations", "labels", "class_attribute", "mask_values"),
    *("mask_colors", "boxes", "scale_annotations"),
)
OPTIONS = [
    field.name
    for field in dataclasses.fields(conversion.Request)
    if field.name not in (*_OF_FILES, "output", "split")
]
_FILES = "file_paths"  # what Keras calls them


def from_tf(
    dataset: Iterable[Any],
    *,
    output: str | os.PathLike[str],
    class_names: Sequence[str],
    split: str | dict[str, float] = "train",
    **options: Any,
) -> Summary:
    """Writes the samples of a tf.data.Dataset, not batched, as records.

    A sample is (image, label), (image, label map), (image, dict) or a dict of these keys:

    - image: uint8 [H, W, 3] or [H, W, 1], stored as PNG without loss; or the bytes of an image
      file, stored untouched where TensorFlow can decode them.
    - label: a class id, or 0 and 1 for each class [K]; labels: class ids [N].
    - boxes: [N, 4], y1 x1 y2 x2 in pixels; class_ids: [N]; masks: 0 and 1 [N, H, W], or N PNGs;
      is_crowd, difficult, area: [N].
    - label_map: class ids [H, W] or [H, W, 1], 255 where a pixel counts for nothing; or a PNG.
    - filename, source_id: texts; by default the sample's number.

    Any other iterable of such samples in NumPy will do.

    Args:
        dataset: Its samples; it is gone through once, in its order.
        output: The folder for the records; other splits in it stay.
        class_names: In the order of the class ids.
        split: A name, or shares: {"train": 0.8, "val": 0.2}.
        **options: Of `convert`: name, seed, shards, workers, max_side, strict, ...

    Returns:
        What was written and changed; it prints as a table.

    Raises:
        UsageError: for an unknown option, or a wrong value.
        DataError: for a sample that cannot be used; it names its number, the key and the value.
            The output is as it was before.
    """
    return _write(dataset, class_names, output, split, options)


def from_keras_utils(
    source: Any,
    *,
    output: str | os.PathLike[str],
    split: str | dict[str, float] = "train",
    **options: Any,
) -> Summary:
    """Writes what `keras.utils.image_dataset_from_directory` reads as records.

    Class ids are Keras's. The image files are taken as they are: the size and the batches that
    Keras made of them do not matter.

    Args:
        source: The directory of class folders, or the data set that Keras made of it, with its
            `class_names` and `file_paths`; of a validation_split the images of this subset.
        output: The folder for the records; other splits in it stay.
        split: A name, or shares: {"train": 0.8, "val": 0.2}.
        **options: Of `convert`: name, seed, shards, workers, max_side, strict, ...

    Returns:
        What was written, left out and changed; it prints as a table.

    Raises:
        UsageError: for a data set that has lost its `file_paths`, and for a wrong option.
        DataError: for a folder or file that cannot be used. The output is as it was before.
    """
    if isinstance(source, (str, os.PathLike)):
        return _from_directory(os.fspath(source), output, split, options)
    names, files = (getattr(source, name, None) for name in ("class_names", _FILES))
    if not names or not any(names) or not files:
        raise errors.UsageError(
            f"the data set has no {'class_names' if files else _FILES}, which Keras sets on what"
            " image_dataset_from_directory returns and map, take and the like do not keep; give"
            " that, its directory, or datasets.from_tf(dataset.unbatch(), ...)"
        )
    items = _of_files(list(names), list(files))
    made = sources.Source(check_class_names(list(names), "class_names"), ("labels",), items)
    return converted("from_keras_utils", made, output, split, options)


def _from_directory(directory: str, output: Any, split: Any, options: dict[str, Any]) -> Summary:
    """Class folders in Keras's order, which is that of their names as texts."""
    errors.expect(options, OPTIONS, "datasets.from_keras_utils")
    names = None
    if os.path.isdir(directory):
        folders = (entry.name for entry in os.scandir(directory) if entry.is_dir())
        names = sorted(name for name in folders if not name.startswith("."))
    return conversion.convert(
        format="folder", images=directory, labels=names, output=output, split=split, **options
    )


def _of_files(class_names: list[str], files: list[str]) -> Iterator[schema.Sample]:
    """The class of a file is the folder that it lies in."""
    root = _root(class_names, files)
    for path in files:
        filename = os.path.relpath(path, root).replace(os.sep, "/")
        label = class_names.index(filename.split("/")[0])
        yield schema.Sample(path, filename, filename, labels=[label])


def _root(class_names: list[str], files: list[str]) -> str:
    """The directory of the class folders."""
    root = os.path.commonpath([os.path.dirname(path) for path in files])
    first = {os.path.relpath(path, root).split(os.sep)[0] for path in files}
    if first <= set(class_names):
        return root
    while root != os.path.dirname(root):  # all files are of one class
        root, name = os.path.split(root)
        if name in class_names:
            return root
    raise errors.DataError(
        f"{files[0]} is in no folder of a class ({', '.join(class_names[:5])}); where Keras was"
        " given labels as a list, use datasets.from_tf(dataset.unbatch(), ...)"
    )


def _write(
    dataset: Iterable[Any],
    class_names: Sequence[str],
    output: Any,
    split: Any,
    options: dict[str, Any],
) -> Summary:
    names = check_class_names(list(class_names), "class_names")
    elements = dataset.as_numpy_iterator() if hasattr(dataset, "as_numpy_iterator") else dataset
    elements = iter(elements)
    first = next(elements, None)
    if first is None:
        raise errors.DataError("the data set has no samples")
    values = own_samples.as_dict(first, 0)
    groups = own_samples.groups(values)
    if not groups:
        raise errors.DataError(
            f"sample 0 has no label, boxes, masks or label_map (it has: {', '.join(values)})"
        )
    reader = own_samples.Reader(names, list(values), options.get("annotations_of", ""))

    def items() -> Iterator[schema.Sample]:
        for index, element in enumerate(itertools.chain([first], elements)):
            yield reader.sample(own_samples.as_dict(element, index), index)

    return converted("from_tf", sources.Source(names, groups, items()), output, split, options)


def converted(
    what: str, source: sources.Source, output: Any, split: Any, options: dict[str, Any]
) -> Summary:
    """Writes the records of a source. what: the function that the user has called."""
    errors.expect(options, OPTIONS, f"datasets.{what}")
    given = arguments.plain({"format": what, "output": output, "split": split, **options})
    with arguments.named(conversion.DEFAULTS):
        (request,) = errors.take(given, f"datasets.{what}", conversion.Request())
        request.check_options()
        source.frame = request.annotations_of
        source = review.reviewed(source, "they are y1, x1, y2, x2 in pixels", "samples")
        return progress.shown(conversion.written(source, request))
