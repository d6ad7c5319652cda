"""What a conversion is given and what it gives back."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable
from typing import Any, Protocol

from tfvision import errors, schema
from tfvision.records import dataset, shrink
from tfvision.records.proposals import LIMIT

# dataset.json lists this many findings of a split; its counts are of all.
MAX_LISTED = 10_000
MAX_NAMED = 5  # images that a line names


class Source(Protocol):
    """What the writer needs to know of a source (tfvision.sources.Source has it)."""

    class_names: list[str]
    groups: tuple[str, ...]
    items: Iterable[schema.Sample | schema.Finding]
    category_ids: list[int] | None
    frame: str
    census: schema.Census | None


@dataclasses.dataclass(frozen=True)
class Options:
    """How to write.

    split: a name, or shares ("train:0.8,val:0.2"). group: a regular expression; images whose
    file names agree in what it matches stay in one split. name: None for the folder's. shards:
    of each split; None for about 128 MB each. workers: processes; 0: one a core. seed: of the
    order and of the shares. full_masks: object masks of the whole image, not of their boxes.
    scale_annotations: scale those made for an image of another size.
    skip_unreadable: leave out images that cannot be decoded, instead of stopping. strict: any
    finding is an error. proposals: a mode of Selective Search, "" for none; max_proposals: the
    most of an image. limit: of the size at which images are stored. runner: of Apache Beam, in
    place of `workers`; "" for none. beam_options: its options, NAME=VALUE. arguments: for
    dataset.json, as the user gave them."""

    split: str = "train"
    group: str | None = None
    name: str | None = None
    shards: int | None = None
    workers: int = 1
    seed: int = 0
    bake_orientation: bool = False
    full_masks: bool = False
    scale_annotations: bool = False
    skip_unreadable: bool = False
    strict: bool = False
    proposals: str = ""
    max_proposals: int = LIMIT
    limit: shrink.Limit | None = None
    runner: str = ""
    beam_options: tuple[str, ...] = ()
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)

    def groups(self, source: Source) -> tuple[str, ...]:
        """What the records hold: the source's groups, and what is made here."""
        return (*source.groups, "proposals") if self.proposals else tuple(source.groups)


@dataclasses.dataclass
class Report:
    """What was done with a split, or with one of its shards.

    counts: {(kind, reason): findings}. listed: the first MAX_LISTED of them. shrunk: images
    that are stored smaller than they came, as Options.limit asks; no finding. classes: {class
    id: its images, objects or pixels}, of label maps with VOID. census: what became of the
    images in the folders, told with the first split. skipped: {why an image was left out in
    writing: (how many, the first names)}."""

    images: int = 0
    shrunk: int = 0
    objects: int = 0
    max_objects: int = 0
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    listed: list[schema.Finding] = dataclasses.field(default_factory=list)
    shards: list[dataset.Shard] = dataclasses.field(default_factory=list)
    classes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    census: schema.Census | None = None
    skipped: dict[str, tuple[int, list[str]]] = dataclasses.field(default_factory=dict)

    def skip(self, finding: schema.Finding) -> None:
        """Counts an image that could not be written."""
        count, names = self.skipped.get(finding.reason, (0, []))
        self.skipped[finding.reason] = (count + 1, [*names, finding.file][:MAX_NAMED])

    def add(self, findings: Iterable[schema.Finding], strict: bool) -> None:
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

    def absorb(self, other: Report) -> None:
        """Adds what was done with another part of the split."""
        self.images += other.images
        self.shrunk += other.shrunk
        self.objects += other.objects
        self.max_objects = max(self.max_objects, other.max_objects)
        self.counts += other.counts
        self.classes += other.classes
        for reason, (count, names) in other.skipped.items():
            known, first = self.skipped.get(reason, (0, []))
            self.skipped[reason] = (known + count, [*first, *names][:MAX_NAMED])
        self.listed += other.listed[: MAX_LISTED - len(self.listed)]
        self.shards += other.shards

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        counts = [[kind, reason, count] for (kind, reason), count in self.counts.items()]
        raw = dataclasses.asdict(dataclasses.replace(self, counts=collections.Counter()))
        return raw | {"counts": counts, "classes": list(self.classes.items())}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Report:
        """The inverse of `to_json`."""
        counts = {(kind, reason): count for kind, reason, count in raw["counts"]}
        return cls(
            **raw
            | {
                "counts": collections.Counter(counts),
                "listed": [schema.Finding(**finding) for finding in raw["listed"]],
                "shards": [dataset.Shard(**shard) for shard in raw["shards"]],
                "classes": collections.Counter(dict(raw["classes"])),
            }
        )
