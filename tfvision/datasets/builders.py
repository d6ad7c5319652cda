"""TensorFlow Datasets' builders as a source: their encoded images and annotations -> records."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvision import errors, schema, sources
from tfvision.datasets import own_data, own_samples, tfds_features
from tfvision.datasets.conversion_summary import Summary
from tfvision.ops import header
from tfvision.sources.source import check_class_names

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


def from_tfds(
    builder: str | tfds.core.DatasetBuilder,
    *,
    output: str | os.PathLike[str],
    split: str | Mapping[str, float] = "train",
    tfds_split: str | None = None,
    keys: Mapping[str, str | None] | None = None,
    class_names: Sequence[str] | None = None,
    **options: Any,
) -> Summary:
    """Writes a data set of TensorFlow Datasets (the extra `tfds`) as records.

    Images are stored as the builder has them, encoded. Its features are found by their types:
    an Image; a ClassLabel or a sequence of them; a sequence of a BBoxFeature and a ClassLabel; an
    Image of one channel, whose values are class ids, as label map. Other features are left out.

    Args:
        builder: A name such as "mnist", which is downloaded and prepared where it is not yet; or a
            builder that is prepared.
        output: The folder for the records; other splits in it stay.
        split: What it is called here, or shares: {"train": 0.8, "val": 0.2}.
        tfds_split: What it is called there, such as "train[:10%]"; by default as here.
        keys: {"label": "coarse_label", "boxes": "objects/bbox", "label_map": None}: the feature
            that one of `tfds_features.KEYS` is, or None to leave it out.
        class_names: In the order of the class ids, where the builder has none.
        **options: Of `convert`: name, seed, shards, workers, max_side, strict, ...

    Returns:
        What was written and changed; it prints as a table.

    Raises:
        UsageError: where TensorFlow Datasets is not installed, for an unknown name, split, feature
            or option, and where it is open what a feature is.
        DataError: for a data set that cannot be downloaded or prepared, and for a sample that
            cannot be used. The output is as it was before.
    """
    if tfds_split is None:
        if not isinstance(split, str) or ":" in split:
            raise errors.UsageError("tfds_split is missing; it is the split that is divided")
        tfds_split = split
    builder = _prepared(builder)
    layout = tfds_features.layout(builder.info.features, keys or {}, class_names)
    groups = own_samples.groups(layout.features)
    if not groups:
        raise errors.UsageError(
            f"the data set has no labels, boxes or label map (it has: {builder.info.features});"
            " say which feature is one with keys"
        )
    names = check_class_names(list(layout.class_names), "class_names")
    elements = _elements(builder, tfds_split, layout)
    items = _items(elements, layout, options.get("annotations_of", ""))
    options = {"name": builder.name, **options}
    return own_data.converted(
        "from_tfds", sources.Source(names, groups, items), output, split, options
    )


def _prepared(builder: Any) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise errors.UsageError(
            "datasets.from_tfds needs TensorFlow Datasets: pip install 'tfvision[tfds]'"
        ) from error
    if not isinstance(builder, str):
        return builder
    try:
        made = tfds.builder(builder)
    except Exception as error:  # its own, and ValueError for versions and configs
        raise errors.UsageError(f"builder '{builder}': {errors.one_line(error)}") from error
    try:
        made.download_and_prepare()
    except Exception as error:  # of the network, of the disk, of the data set's own code
        raise errors.DataError(
            f"builder '{builder}' cannot be prepared: {errors.one_line(error)}"
        ) from error
    return made


def _elements(builder: Any, split: str, layout: tfds_features.Layout) -> Iterator[dict[str, Any]]:
    """The samples of a split, images and label maps encoded, in the builder's order."""
    import tensorflow_datasets as tfds

    decoders: dict[str, Any] = {}
    for key in ("image", "label_map"):
        if key in layout.features:
            *outer, name = layout.features[key].path
            place = decoders
            for step in outer:
                place = place.setdefault(step, {})
            place[name] = tfds.decode.SkipDecoding()
    try:
        dataset = builder.as_dataset(split=split, decoders=decoders, shuffle_files=False)
    except (ValueError, AssertionError) as error:
        raise errors.UsageError(
            f"split '{split}' of {builder.name}: {errors.one_line(error)}"
        ) from error
    return dataset.as_numpy_iterator()


def _items(
    elements: Iterator[dict[str, Any]], layout: tfds_features.Layout, frame: str
) -> Iterator[schema.Sample | schema.Finding]:
    reader = own_samples.Reader(layout.class_names, list(layout.features), frame)
    for index, element in enumerate(elements):
        values = {key: _value(element, f.path) for key, f in layout.features.items()}
        if "filename" in values:
            values["filename"] = _filename(values["filename"])
        dropped = np.zeros(0, np.int64)
        if "boxes" in values:
            values["boxes"] = _pixels(values, layout.features["boxes"].connector, frame)
            dropped = _without_area(values)
        sample = reader.sample(values, index)
        for number in dropped:
            detail = f"object {number}"
            yield schema.Finding("dropped", "box without area", sample.filename, detail)
        yield sample


def _value(element: Any, path: Sequence[str]) -> Any:
    for name in path:
        element = element[name]
    return element


def _filename(value: Any) -> str:
    """A file's name; of a whole path the name and the folder that it lies in."""
    text = os.fsdecode(value)
    return "/".join(text.split("/")[-2:]) if os.path.isabs(text) else text


def _pixels(values: Mapping[str, Any], connector: Any, frame: str) -> np.ndarray:
    """Boxes [N, 4] in pixels y x y x, of a builder's, which are shares of the image's sides."""
    form = getattr(connector, "bbox_format", None)
    if form is not None and form.name != "REL_YXYX":
        raise errors.UsageError(
            f"boxes are {form.name} in the builder, which is not read; use datasets.from_tf with"
            " boxes y1, x1, y2, x2 in pixels"
        )
    sizes = header.sizes(io.BytesIO(values["image"])) or ((1, 1), (1, 1))
    size = sizes[0 if frame == "stored" else 1]
    return np.asarray(values["boxes"], np.float64).reshape(-1, 4) * [*size, *size]


def _without_area(values: dict[str, Any]) -> np.ndarray:
    """Takes out objects whose box has no area; returns their numbers."""
    boxes = values["boxes"]
    empty = (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])
    if empty.any():
        for key in ("boxes", "class_ids", "is_crowd", "difficult", "area"):
            if key in values:
                values[key] = np.asarray(values[key])[~empty]
    return np.flatnonzero(empty)
