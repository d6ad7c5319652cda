"""What a conversion did, as values and as the table that the command prints."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tfvision import schema
from tfvision.records import convert_report, plausible, writer

_EXAMPLE = 160  # letters of a finding that the table shows


@dataclasses.dataclass(frozen=True, repr=False)
class Summary:
    """What was written; as text it is a table of a few lines a split.

    path: the data set's folder. class_names: in id order. groups: names of schema.GROUPS that the
    records contain. splits: {name: report}, whose `images`, `objects`, `counts` and `listed`
    findings say what was written, left out and changed. max_side: pixels that images were shrunk
    to, or None."""

    path: str
    class_names: tuple[str, ...]
    groups: tuple[str, ...]
    splits: Mapping[str, writer.Report]
    max_side: int | None = None

    @classmethod
    def of(
        cls,
        source: writer.Source,
        output: str,
        options: writer.Options,
        reports: Mapping[str, writer.Report],
    ) -> Summary:
        """Of what `writer.write` was given and returned."""
        most = options.limit.max_side if options.limit else None
        return cls(output, tuple(source.class_names), options.groups(source), reports, most)

    def __str__(self) -> str:
        total = sum(report.images for report in self.splits.values())
        return "\n".join(self._table(name, total) for name in self.splits)

    __repr__ = __str__

    def _table(self, split: str, total: int) -> str:
        """What was done with a split, in aligned lines. total: images of all splits."""
        report = self.splits[split]
        part = f" ({report.images / total:.3f} of {total:,})" if total > report.images else ""
        rows = [("images", f"{report.images:,}{part}"), ("classes", f"{len(self.class_names):,}")]
        if "objects" in self.groups:
            most = report.max_objects
            rows.append(("objects", f"{report.objects:,} (at most {most} an image)"))
        if self.max_side:
            shrunk = f"{report.shrunk:,} images to at most {self.max_side:,} pixels"
            rows.append(("shrunk", shrunk))
        first = {(f.kind, f.reason): f for f in reversed(report.listed)}
        for key, count in sorted(report.counts.items()):
            rows.append((key[0], f"{count:,} ({key[1]}{_example(first.get(key))})"))
        notes, _ = plausible.notes(report, list(self.class_names), self.groups)
        rows += [("note", note) for note in notes]
        if report.census is not None:
            rows.append(("files", convert_report.census_line(report.census)))
        megabytes = sum(shard.bytes for shard in report.shards) / 1e6
        rows.append(("shards", f"{len(report.shards)} ({megabytes:,.1f} MB)"))
        lines = [f"  {name:<8} {value}" for name, value in rows]
        if report.counts:
            file = f"{self.path}/{convert_report.FILE}"
            lines.append(f"  what was left out or changed is listed in {file}")
        return "\n".join([f"split {split} -> {self.path}", *lines])


def _example(finding: schema.Finding | None) -> str:
    """The first finding of its kind, shortened, behind the reason."""
    if finding is None or not finding.file:
        return ""
    text = f"; {finding.file}" + (f": {finding.detail}" if finding.detail else "")
    return text if len(text) <= _EXAMPLE else text[: _EXAMPLE - 3] + "..."
