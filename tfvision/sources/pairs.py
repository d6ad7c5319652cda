"""Images and masks that belong together by their names, folder by folder.

`a.jpg` goes with `a.png`, `a_mask.png`, `mask_a.png` or `a_L.png`; `a_leftImg8bit.png` with
`a_gtFine_labelIds.png`; a folder below the images with the one of that name below the masks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from tfvision import schema
from tfvision.sources import labels, walking
from tfvision.sources.walking import relative

IMAGE_SUFFIXES = ("_leftImg8bit", "_image", "_sat")
MASK_SUFFIXES = (
    *("_gtFine_labelIds", "_annotation", "_labels", "_label", "_mask", "_gt"),
    "_L",  # CamVid's; a small letter would say nothing
)
# What Cityscapes lays beside its masks.
_OTHER_MASKS = ("_color", "_instanceIds", "_instanceTrainIds", "_labelTrainIds")
_IMAGE_PREFIXES = ("image_", "img_", "photo_")
_MASK_PREFIXES = ("mask_", "label_", "annotation_", "seg_", "gt_")

Pair = tuple[str, str]


def walk(images: str, masks: str) -> Iterator[Pair | schema.Finding]:
    """(image, mask) for every image below `images` that has one below `masks`, else findings.

    The two may be one folder: then a file whose name ends like a mask's is one. Memory does not
    grow beyond the listing of one folder."""
    yield from _pairs(images, masks, "")
    if not os.path.samefile(images, masks):
        yield from _masks_alone(images, masks, "")


def stripped(stem: str, suffixes: Sequence[str]) -> str:
    """A file name's stem without the suffix that marks images or masks, if it has one."""
    for suffix in suffixes:
        long = len(suffix) > 2
        if (stem.lower() if long else stem).endswith(suffix.lower() if long else suffix):
            return stem[: -len(suffix)]
    return stem


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _unprefixed(stem: str, prefixes: Sequence[str]) -> str:
    """A stem without the prefix that marks images or masks, if it has one."""
    prefix = next((p for p in prefixes if stem.lower().startswith(p)), "")
    return stem[len(prefix) :]


def _is_mask(name: str) -> bool:
    return stripped(_stem(name), MASK_SUFFIXES) != _stem(name)


def _is_other(name: str) -> bool:
    return stripped(_stem(name), _OTHER_MASKS) != _stem(name)


def _list(folder: str, root: str) -> tuple[list[str], list[str], list[schema.Finding]]:
    """Names of the images in a folder, names of its folders, and why the rest is neither."""
    paths, folders, findings = walking.listing(folder, root)
    names = [os.path.basename(path) for path in paths]
    known = {relative(os.path.join(folder, name), root) for name in labels.FILES}
    return names, folders, [f for f in findings if f.file not in known]


def _pairs(images: str, masks: str, below: str) -> Iterator[Pair | schema.Finding]:
    folder, mask_folder = os.path.join(images, below), os.path.join(masks, below)
    names, folders, findings = _list(folder, images)
    yield from findings
    if not os.path.isdir(mask_folder):
        mask_names: list[str] = []
    elif os.path.samefile(folder, mask_folder):
        mask_names = [n for n in names if _is_mask(n)]
        names = [n for n in names if not _is_mask(n) and not _is_other(n)]
    else:
        mask_names = [n for n in _list(mask_folder, masks)[0] if not _is_other(n)]
    exact = {_stem(n): n for n in reversed(mask_names)}
    loose = {stripped(_stem(n), MASK_SUFFIXES): n for n in reversed(mask_names)}
    bare = {_unprefixed(_stem(n), _MASK_PREFIXES): n for n in reversed(mask_names)}
    used: dict[str, str] = {}
    for name in names:
        path = os.path.join(folder, name)
        keys = (_stem(name), stripped(_stem(name), IMAGE_SUFFIXES))
        matches = [table[key] for key in keys for table in (exact, loose) if key in table]
        key = _unprefixed(_stem(name), _IMAGE_PREFIXES)
        matches += [bare[key]] if key in bare else []
        if not matches:
            detail = f"looked for {keys[0]}.png, {keys[0]}_mask.png, mask_{key}.png and the like"
            detail += f" in {mask_folder}, which contains {', '.join(mask_names[:2]) or 'none'}"
            yield schema.Finding("skipped", "no mask", relative(path, images), detail)
            continue
        if matches[0] in used:
            detail = f"{used[matches[0]]} has the same mask {matches[0]}"
            reason = "one annotation file for two images"
            yield schema.Finding("noted", reason, relative(path, images), detail)
        used[matches[0]] = name
        yield path, os.path.join(mask_folder, matches[0])
    for name in mask_names:
        if name not in used:
            yield _unused(os.path.join(mask_folder, name), masks)
    for name in folders:
        inner = os.path.join(folder, name)
        if not os.path.samefile(inner, masks):
            yield from _pairs(images, masks, os.path.join(below, name))


def _masks_alone(images: str, masks: str, below: str) -> Iterator[schema.Finding]:
    """Masks in folders that the images do not have."""
    names, folders, _ = _list(os.path.join(masks, below), masks)
    if not os.path.isdir(os.path.join(images, below)):
        for name in names:
            if not _is_other(name):
                yield _unused(os.path.join(masks, below, name), masks)
    for name in folders:
        if not os.path.samefile(os.path.join(masks, below, name), images):
            yield from _masks_alone(images, masks, os.path.join(below, name))


def _unused(path: str, masks: str) -> schema.Finding:
    return schema.Finding("noted", "mask that no image uses", relative(path, masks))
