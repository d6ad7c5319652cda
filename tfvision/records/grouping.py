"""Groups of images that stay together, divided so that each split has its share of the images.

Axis letters: U groups, S splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfvision import errors, schema

_CLOSE = 0.01  # of all images; a share that misses by less is not a finding
_EPSILON = 1e-6  # of an image


def divide(
    sizes: np.ndarray, strata: np.ndarray, targets: Mapping[str, float], seed: int
) -> list[np.ndarray]:
    """The groups of each split, their numbers sorted.

    sizes [U]: images of each group. strata [U]: each one's rarest class. The largest group comes
    first, those of one size in an order of the seed's. Each goes where it fits into what its
    split still lacks; where it fits into several, its class decides, and where into none, the
    split that lacks most takes it. No split stays empty. Raises DataError for fewer groups than
    splits."""
    if len(sizes) < len(targets):
        raise errors.DataError(
            f"the group pattern makes {len(sizes)} groups for {len(targets)} splits; a pattern"
            " that matches less of the names makes more of them"
        )
    ratios = np.array(list(targets.values()))
    lacking = ratios * sizes.sum()  # [S] images
    by_class = {
        stratum: ratios * sizes[strata == stratum].sum() for stratum in np.unique(strata).tolist()
    }
    places = np.empty(len(sizes), np.int64)
    empty = set(range(len(targets)))
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    for done, unit in enumerate(order):
        size, of_class = sizes[unit], by_class[int(strata[unit])]
        choice = [s for s in range(len(targets)) if lacking[s] >= size - _EPSILON]
        if choice:
            split = max(choice, key=lambda s: (round(of_class[s], 6), lacking[s]))
        else:
            split = int(np.argmax(lacking))
        if len(order) - done == len(empty):  # the last groups, one for each split without any
            split = max(empty, key=lambda s: lacking[s])
        places[unit] = split
        empty.discard(split)
        lacking[split] -= size
        of_class[split] -= size
    return [np.flatnonzero(places == split) for split in range(len(targets))]


def off(
    sizes: np.ndarray, chosen: Sequence[np.ndarray], ratios: Mapping[str, float]
) -> list[schema.Finding]:
    """A finding with what came out, where groups did not allow the shares that were asked for."""
    parts = [float(sizes[units].sum() / sizes.sum()) for units in chosen]
    if all(abs(a - b) <= _CLOSE for a, b in zip(parts, ratios.values(), strict=True)):
        return []
    said = ", ".join(f"{name} {part:.2f}" for name, part in zip(ratios, parts, strict=True))
    groups = " and ".join(f"{len(units)}" for units in chosen)
    detail = f"of the images: {said}, in {groups} groups"
    return [schema.Finding("noted", "groups do not allow the shares", "", detail)]
