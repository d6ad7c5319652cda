"""Which features of a TensorFlow Datasets builder are the image, its label, its boxes ...

Nothing is read here. TensorFlow Datasets is the extra `tfds`; it is imported where it is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfvision import errors

_LABEL_MAPS = ("segmentation_mask", "segmentation_label", "label_map")
_FILE_NAMES = ("image/filename", "file_name", "filename")
_BESIDE_BOXES = {"is_crowd": "is_crowd", "difficult": "is_difficult", "area": "area"}
_WITH_CLASSES = ("label", "labels", "class_ids", "label_map")
KEYS = ("image", "label", "labels", "boxes", "class_ids", "label_map", "filename", *_BESIDE_BOXES)


@dataclasses.dataclass(frozen=True)
class Feature:
    """One feature of a builder.

    path: names from the outermost dict inwards. connector: TensorFlow Datasets' own object. many:
    it is a sequence of these."""

    path: tuple[str, ...]
    connector: Any
    many: bool

    @property
    def name(self) -> str:
        """How `keys` call it, such as "objects/bbox"."""
        return "/".join(self.path)


@dataclasses.dataclass(frozen=True)
class Layout:
    """features: {key of KEYS: the feature that it is}. class_names: in id order."""

    features: Mapping[str, Feature]
    class_names: Sequence[str]


def layout(
    features: Any, keys: Mapping[str, str | None], class_names: Sequence[str] | None
) -> Layout:
    """Finds by their types, and then by their names, the features that are ours.

    features: a builder's. keys: {key of KEYS: a feature's name, or None for none}, which the user
    says; class_names too. Raises UsageError for a name that is not there, where several features
    could be meant, and where nobody has the names of the classes."""
    errors.expect(keys, KEYS, "keys")
    there = {feature.name: feature for feature in _flat(features, (), False)}
    found = _found(list(there.values()), keys)
    for key, name in keys.items():
        if name is not None and name not in there:
            known = ", ".join(there)
            raise errors.UsageError(
                f"keys: there is no feature '{name}'{errors.suggestion(name, there)} (the data set"
                f" has: {known})"
            )
        found[key] = there[name] if name is not None else None
    chosen = {key: feature for key, feature in found.items() if feature is not None}
    if "image" not in chosen:
        raise errors.UsageError("the data set has no image; say which feature it is with keys")
    return Layout(chosen, _class_names(chosen, class_names))


def _flat(connector: Any, path: tuple[str, ...], many: bool) -> Iterator[Feature]:
    from tensorflow_datasets import features

    if isinstance(connector, features.FeaturesDict):
        for name, inner in connector.items():
            yield from _flat(inner, (*path, name), many)
    elif isinstance(connector, features.Sequence) and not many:
        yield from _flat(connector.feature, path, True)
    else:
        yield Feature(path, connector, many)


def _found(there: list[Feature], keys: Mapping[str, str | None]) -> dict[str, Feature | None]:
    """What each key is by the features' types; None where there is none."""
    from tensorflow_datasets import features

    def of(kind: Any, many: bool) -> list[Feature]:
        return [f for f in there if isinstance(f.connector, kind) and f.many == many]

    def choose(key: str, candidates: list[Feature], *names: str) -> Feature | None:
        named = [f for name in names for f in candidates if name in (f.name, f.path[-1])]
        if len(candidates) > 1 and not named and key not in keys:
            first, *others = (f.name for f in candidates)
            raise errors.UsageError(
                f"{key} could be {first} or {' or '.join(others)}; say which with"
                f" keys={{'{key}': '{first}'}}"
            )
        return (named or candidates or [None])[0]

    images = of(features.Image, False)
    grey = [f for f in images if f.connector.shape[-1] == 1 and f.name != "image"]
    boxes = choose("boxes", of(features.BBoxFeature, True))
    inside = [f for f in there if boxes and f.path[:-1] == boxes.path[:-1]]
    classes = [f for f in inside if isinstance(f.connector, features.ClassLabel)]
    alone = [f for f in of(features.ClassLabel, True) if f not in classes]
    found = {
        "image": choose("image", [f for f in images if f not in grey], "image"),
        "label": choose("label", of(features.ClassLabel, False), "label"),
        "labels": choose("labels", alone, "labels"),
        "label_map": choose("label_map", grey, *_LABEL_MAPS),
        "boxes": boxes,
        "class_ids": choose("class_ids", classes, "label"),
        "filename": next((f for n in _FILE_NAMES for f in there if f.name == n), None),
    }
    for key, name in _BESIDE_BOXES.items():
        found[key] = next((f for f in inside if f.path[-1] == name), None)
    return found


def _class_names(chosen: Mapping[str, Feature], said: Sequence[str] | None) -> Sequence[str]:
    """The user's names of the classes, or the builder's."""
    if said is not None:
        return said
    known = {}
    for key in _WITH_CLASSES:
        connector = chosen[key].connector if key in chosen else None
        if connector is not None and getattr(connector, "num_classes", None):
            known[key] = list(connector.names)
    if not known:
        raise errors.UsageError("class_names is missing; the data set has no names of classes")
    (first, names), *others = known.items()
    for key, other in others:
        if other != names:
            raise errors.UsageError(
                f"{chosen[first].name} and {chosen[key].name} have other classes:"
                f" {errors.difference(names, other)}; leave one out with keys={{'{key}': None}}"
            )
    return names
