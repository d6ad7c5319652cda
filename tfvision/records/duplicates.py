"""Images that are there twice, in one split or in two, found by the digests of their bytes.

A split keeps a file of one line an image, digest, class ids and file name, beside its shards.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from tfvision import schema

_MOST = 10_000  # that are named


def line(sha256: str, filename: str, class_ids: Collection[int]) -> str:
    """An image's line."""
    classes = ",".join(str(i) for i in sorted(class_ids))
    return f"{sha256}:{classes} {' '.join(filename.splitlines())}\n"


def file(name: str, split: str) -> str:
    """The file's name."""
    return f"{name}-{split}.sha256"


def between(path: str, others: Mapping[str, str]) -> list[schema.Finding]:
    """Findings for the images of the file `path` that another split's file has too.

    others: {split: its file}; files that are not there (older conversions) are left out."""
    findings: list[schema.Finding] = []
    own = _short(path)
    for split, other in others.items():
        if not os.path.isfile(other):
            continue
        common = set(np.intersect1d(own, _short(other))[:_MOST].tolist())
        if not common:
            continue
        names = {d: n for d, _, n in _lines(other) if int(d[:16], 16) in common}
        for digest, _, name in _lines(path):
            if digest in names:
                detail = f"the same bytes as {names[digest]} of split '{split}'"
                findings.append(schema.Finding("noted", "image in two splits", name, detail))
    return findings


def within(path: str) -> list[schema.Finding]:
    """Findings for the images of the file `path` that are there more than once."""
    own = np.sort(_short(path))
    common = set(np.unique(own[1:][own[1:] == own[:-1]])[:_MOST].tolist())
    findings: list[schema.Finding] = []
    first: dict[str, tuple[str, str]] = {}
    for digest, classes, name in _lines(path) if common else ():
        if int(digest[:16], 16) not in common:
            continue
        if digest not in first:
            first[digest] = classes, name
            continue
        other, known = first[digest]
        reason = (
            "the same image twice" if classes == other else "the same image, labelled otherwise"
        )
        detail = f"the same bytes as {known}"
        findings.append(schema.Finding("noted", reason, name, detail))
    return findings


def _lines(path: str) -> Iterator[tuple[str, str, str]]:
    """(digest, class ids, file name) of each line; older files have no class ids."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        for text in stream:
            key, _, name = text.rstrip("\n").partition(" ")
            digest, _, classes = key.partition(":")
            yield digest, classes, name


def _short(path: str) -> np.ndarray:
    digests = (int(digest[:16], 16) for digest, _, _ in _lines(path))
    return np.fromiter(digests, np.uint64)
