"""What a conversion is given and what it gives back."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from tfvision import errors, schema
from tfvision.records import dataset

# dataset.json lists this many findings of a split; its counts are of all.
MAX_LISTED = 10_000


class Source(Protocol):
    """What the writer needs to know of a source (tfvision.sources.Source has it)."""

    class_names: list[str]
    groups: tuple[str, ...]
    samples: list[schema.Sample]
    findings: list[schema.Finding]
    category_ids: list[int] | None


@dataclasses.dataclass(frozen=True)
class Options:
    """How to write. shards: None for about SHARD_BYTES each. name: None for the folder's.

    seed: of the order. skip_unreadable: leave out images that cannot be decoded, instead of
    stopping. strict: any finding is an error. arguments: for dataset.json, as the user gave
    them."""

    split: str = "train"
    name: str | None = None
    shards: int | None = None
    workers: int = 1
    seed: int = 0
    bake_orientation: bool = False
    skip_unreadable: bool = False
    strict: bool = False
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Report:
    """What was done. counts: {(kind, reason): findings}. listed: the first MAX_LISTED of them."""

    name: str
    images: int = 0
    objects: int = 0
    max_objects: int = 0
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    listed: list[schema.Finding] = dataclasses.field(default_factory=list)
    shards: list[dataset.Shard] = dataclasses.field(default_factory=list)

    def add(self, findings: Sequence[schema.Finding], strict: bool) -> None:
        """Counts findings; with `strict` the first one is a DataError."""
        for finding in findings:
            if strict:
                detail = f": {finding.detail}" if finding.detail else ""
                raise errors.DataError(
                    f"{finding.file}: {finding.kind}, {finding.reason}{detail} (--strict)"
                )
            self.counts[finding.kind, finding.reason] += 1
            if len(self.listed) < MAX_LISTED:
                self.listed.append(finding)
