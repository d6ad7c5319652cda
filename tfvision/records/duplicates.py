"""Images that are in more than one split, found by the digests of their bytes.

A split keeps a file of one line an image, digest and file name, beside its shards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import numpy as np

from tfvision import schema

_MOST = 10_000  # that are named


def line(sha256: str, filename: str) -> str:
    """An image's line."""
    return f"{sha256} {' '.join(filename.splitlines())}\n"


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
        names = {d: n for d, n in _lines(other) if int(d[:16], 16) in common}
        for digest, name in _lines(path):
            if digest in names:
                detail = f"the same bytes as {names[digest]} of split '{split}'"
                findings.append(schema.Finding("noted", "image in two splits", name, detail))
    return findings


def _lines(path: str) -> Iterator[tuple[str, str]]:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        for text in stream:
            digest, _, name = text.rstrip("\n").partition(" ")
            yield digest, name


def _short(path: str) -> np.ndarray:
    digests = (int(digest[:16], 16) for digest, _ in _lines(path))
    return np.fromiter(digests, np.uint64)
