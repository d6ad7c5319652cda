"""Which images go into which split: all into one, or shares, stratified and seeded."""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Mapping

import numpy as np

from tfvision import errors, schema
from tfvision.records import grouping
from tfvision.records.spool import Spool


def parse(text: str) -> dict[str, float]:
    """ "train" -> {"train": 1.0}; "train:0.8,val:0.2" -> the shares. UsageError otherwise."""
    ratios: dict[str, float] = {}
    for part in text.split(","):
        name, colon, ratio = part.strip().partition(":")
        if not name or name.startswith(".") or "/" in name or "\\" in name:
            raise errors.UsageError(f"split '{name}' cannot be part of a file name")
        if name in ratios:
            raise errors.UsageError(f"split '{name}' appears twice in '{text}'")
        try:
            ratios[name] = float(ratio) if colon else math.nan
        except ValueError:
            raise errors.UsageError(f"split '{part}': the share is a number, 0.8") from None
    if len(ratios) == 1 and ":" not in text:
        return dict.fromkeys(ratios, 1.0)
    if any(not 0 < ratio < 1 for ratio in ratios.values()) or (
        abs(sum(ratios.values()) - 1) > 1e-6
    ):
        raise errors.UsageError(
            f"split '{text}': give one name, or shares that add up to 1: train:0.8,val:0.2"
        )
    return ratios


def assign(
    spool: Spool, ratios: Mapping[str, float], seed: int, pattern: str | None
) -> tuple[dict[str, np.ndarray], list[schema.Finding]]:
    """{split: indices into the spool, in its order}, and what is to be reported.

    Each class keeps its share in every split (scikit-learn's stratified split, by an image's
    rarest class). pattern: images whose file names agree in what it matches (its first group, if
    it has one) stay together; the shares are of the images all the same, as well as the groups
    allow, and a finding tells where they do not. Raises DataError where a split gets nothing."""
    if len(ratios) == 1:
        return dict.fromkeys(ratios, spool.order), []
    units = _units(spool, pattern)
    strata = _strata(spool, units)
    if pattern is None:
        chosen, findings = _divide(len(units), strata, ratios, seed)
    else:
        sizes = np.array([len(unit) for unit in units])
        chosen = grouping.divide(sizes, strata, ratios, seed)
        findings = grouping.off(sizes, chosen, ratios)
    places = np.empty(len(spool), np.int64)  # split number of each position in spool.order
    for number, members in enumerate(chosen):
        for unit in members:
            places[units[unit]] = number
    result = {name: spool.order[places == number] for number, name in enumerate(ratios)}
    return result, findings


def _units(spool: Spool, pattern: str | None) -> list[np.ndarray]:
    """Positions in spool.order that stay together."""
    if pattern is None:
        return list(np.arange(len(spool))[:, None])
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise errors.UsageError(f"group pattern '{pattern}': {error}") from None

    def group(sample: schema.Sample) -> str:
        match = compiled.search(sample.filename)
        if not match:
            raise errors.DataError(
                f"{sample.filename} does not match the group pattern '{pattern}'; mend the"
                " pattern, so that every image has a group"
            )
        return match[1] if compiled.groups else match[0]

    together = collections.defaultdict(list)
    for position, name in enumerate(spool.each(group)):
        together[name].append(position)
    return [np.array(positions) for positions in together.values()]


def _classes(sample: schema.Sample) -> list[int]:
    if sample.labels is not None:
        return sample.labels
    return sorted({item.class_id for item in sample.objects or []})


def _strata(spool: Spool, units: list[np.ndarray]) -> np.ndarray:
    """One number a unit: its rarest class, -1 without any."""
    counts = collections.Counter(c for classes in spool.each(_classes) for c in classes)
    strata = np.full(len(units), -1)
    for number, positions in enumerate(units):
        class_ids = {c for p in positions for c in _classes(spool.sample(spool.order[p]))}
        if class_ids:
            strata[number] = min(class_ids, key=lambda c: (counts[c], c))
    return strata


def _divide(
    count: int, strata: np.ndarray, ratios: Mapping[str, float], seed: int
) -> tuple[list[np.ndarray], list[schema.Finding]]:
    from sklearn.model_selection import train_test_split

    chosen, findings = [], []
    rest, left = np.arange(count), 1.0
    names = list(ratios)
    for number, name in enumerate(names[:-1]):
        take = round(len(rest) * ratios[name] / left)
        if not 0 < take < len(rest):
            raise errors.DataError(
                f"split '{name}' with a share of {ratios[name]} of {count} images"
                " leaves a split without any; change the shares or convert more images"
            )
        merged, thin = _merged(strata[rest], min(take, len(rest) - take) / len(rest))
        if thin and number == 0:
            detail = f"{thin} classes have too few images to keep their share in every split"
            findings.append(schema.Finding("noted", "class too rare to stratify", "", detail))
        mine, rest = train_test_split(rest, train_size=take, stratify=merged, random_state=seed)
        chosen.append(np.sort(mine))
        left -= ratios[name]
    return [*chosen, np.sort(rest)], findings


def _merged(strata: np.ndarray, ratio: float) -> tuple[np.ndarray | None, int]:
    """Strata of which every one has a member on both sides, and how many were too small.

    None: too few images to stratify at all."""
    values, inverse, counts = np.unique(strata, return_inverse=True, return_counts=True)
    small = counts * ratio < 1
    numbers = np.where(small, len(values), np.arange(len(values)))[inverse]
    members = np.bincount(numbers, minlength=len(values) + 1)
    if 0 < members[-1] * ratio < 1:  # the small ones together are still too small
        numbers[numbers == len(values)] = int(np.argmax(members[:-1]))
    kinds = len(np.unique(numbers))
    enough = ratio * len(strata) >= kinds and np.bincount(numbers).max() > 1
    return (numbers if enough else None), int(small.sum())
