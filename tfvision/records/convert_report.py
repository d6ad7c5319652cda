"""report.txt: what a conversion left out or changed, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfvision import schema

FILE = "report.txt"

_MEANINGS = {
    "skipped": "images left out",
    "dropped": "objects left out, their images kept",
    "clipped": "kept, cut to the image",
    "noted": "kept as they are",
}

_PLACES = {"images": "folders", "records": "files", "samples": "data set"}


def text(raw: Mapping[str, Any]) -> str:
    """The report of all splits in the content of a dataset.json."""
    lines = [f"{raw['name']}, converted by {raw['converter']}"]
    for name, split in raw["splits"].items():
        counts, listed = split["findings"]["counts"], split["findings"]["listed"]
        lines += ["", f"split {name}: {split['records']:,} images, {split['objects']:,} objects"]
        if split.get("census"):
            lines.append(f"  {census_line(schema.Census(**split['census']))}")
        lines += [f"  note: {note}" for note in split.get("notes", ())]
        shrunk = split.get("shrunk")
        if shrunk:
            lines.append(
                f"  shrunk to at most {shrunk['max_side']:,} pixels a side, JPEG quality"
                f" {shrunk['quality']}: {shrunk['images']:,} images"
            )
        if not counts:
            lines.append("  nothing was left out or changed")
        for kind, meaning in _MEANINGS.items():
            rows = [row for row in counts if row["kind"] == kind]
            if rows:
                lines.append(f"  {kind} ({meaning})")
            for row in rows:
                lines.append(f"    {row['reason']}: {row['count']:,}")
                lines += [
                    f"      {finding['file']}  {finding['detail']}".rstrip()
                    for finding in listed
                    if (finding["kind"], finding["reason"]) == (kind, row["reason"])
                ]
        if sum(row["count"] for row in counts) > len(listed):
            lines.append(f"  the first {len(listed):,} are listed, all are counted")
    return "\n".join(lines) + "\n"


def census_line(census: schema.Census) -> str:
    """What became of the images in the folders, in one line."""
    background = ""
    if census.background:
        background = f" ({census.background:,} as background: no annotation file)"
    place = _PLACES[census.unit]
    text = f"{census.found:,} {census.unit} in the {place}: {census.used:,} used{background}"
    parts = []
    for reason, (count, names) in sorted(census.left.items()):
        more = ", ..." if count > len(names) > 0 else ""
        parts.append(f"{count:,} {reason}" + (f" ({', '.join(names)}{more})" if names else ""))
    return f"{text}; the rest: {', '.join(parts)}" if parts else text
