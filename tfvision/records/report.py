"""report.txt: what a conversion left out or changed, for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FILE = "report.txt"

_MEANINGS = {
    "skipped": "images left out",
    "dropped": "objects left out, their images kept",
    "clipped": "kept, cut to the image",
    "noted": "kept as they are",
}


def text(raw: Mapping[str, Any]) -> str:
    """The report of all splits in the content of a dataset.json."""
    lines = [f"{raw['name']}, converted by {raw['converter']}"]
    for name, split in raw["splits"].items():
        counts, listed = split["findings"]["counts"], split["findings"]["listed"]
        lines += ["", f"split {name}: {split['records']:,} images, {split['objects']:,} objects"]
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
