"""Images that appear twice, in one split or in two, found by the digests of their bytes.

Paths are those of `listing`'s files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from tfvision import schema
from tfvision.records import listing

_MOST = 10_000  # that are named


def between(path: str, others: Mapping[str, str]) -> list[schema.Finding]:
    """Findings for the images of the file `path` that another split's file has too.

    others: {split: its file}; files that are not there (older conversions) are left out."""
    findings: list[schema.Finding] = []
    hashes = _short(path)
    for split, other in others.items():
        if not os.path.isfile(other):
            continue
        common = set(np.intersect1d(hashes, _short(other))[:_MOST].tolist())
        if not common:
            continue
        names = {row.sha256: row.file_name for row in listing.rows(other) if _number(row) in common}
        for row in listing.rows(path):
            if row.sha256 in names:
                detail = f"the same bytes as {names[row.sha256]} of split '{split}'"
                reason = "image in two splits"
                findings.append(schema.Finding("noted", reason, row.file_name, detail))
    return findings


def within(path: str) -> list[schema.Finding]:
    """Findings for the images of the file `path` that are there more than once."""
    hashes = np.sort(_short(path))
    common = set(np.unique(hashes[1:][hashes[1:] == hashes[:-1]])[:_MOST].tolist())
    findings: list[schema.Finding] = []
    first: dict[str, listing.Row] = {}
    for row in listing.rows(path) if common else ():
        if _number(row) not in common:
            continue
        if row.sha256 not in first:
            first[row.sha256] = row
            continue
        known = first[row.sha256]
        alike = known.classes == row.classes
        reason = "the same image twice" if alike else "the same image, labelled otherwise"
        detail = f"the same bytes as {known.file_name}"
        findings.append(schema.Finding("noted", reason, row.file_name, detail))
    return findings


def _short(path: str) -> np.ndarray:
    return np.fromiter(map(_number, listing.rows(path)), np.uint64)


def _number(row: listing.Row) -> int:
    """The digest's first half."""
    return int(row.sha256[:16], 16)
