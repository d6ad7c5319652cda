"""A new split and the dataset.json that is there already -> the new dataset.json."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tfvision import errors, schema
from tfvision.records import aside, dataset, listing, plausible
from tfvision.records import convert_report as report_text
from tfvision.records.convert_options import Options, Report, Source


def check_place(output: str) -> None:
    """Raises DataError where files of somebody else would be written over.

    Those beside a dataset.json are a conversion's, and so are those of one that was killed."""
    if os.path.exists(os.path.join(output, dataset.FILE)) or aside.is_unfinished(output):
        return
    for file in (dataset.LABELS_FILE, report_text.FILE):
        path = os.path.join(output, file)
        if os.path.lexists(path):
            raise errors.DataError(
                f"{path} is there already, and of no conversion; choose another --output, or move"
                " it away"
            )


def existing(
    source: Source, output: str, name: str | None, splits: Collection[str]
) -> dict[str, Any] | None:
    """dataset.json of the folder, if there is one that these splits can join.

    Raises DataError where class names, COCO's category ids or the data set's name differ."""
    if not os.path.exists(os.path.join(output, dataset.FILE)):
        return None
    raw = dataset.load(output)
    if set(raw["splits"]) <= set(splits):  # nothing else is there: all of it is replaced
        return raw
    names, new = list(raw["class_names"]), list(source.class_names)
    if names != new:
        odd = sorted(set(names) ^ set(new))
        raise errors.DataError(
            f"class names differ: {output} has {_list(names)}, this split has {_list(new)}"
            f"{'; only in one: ' + ', '.join(odd[:5]) if odd else ''};"
            " choose another output or convert all splits again"
        )
    if None not in (raw["category_ids"], source.category_ids) and (
        raw["category_ids"] != source.category_ids
    ):
        raise errors.DataError(
            f"category ids differ: {output} has {_list(raw['category_ids'])}, this split has"
            f" {_list(source.category_ids)}; choose another output or convert all splits again"
        )
    if name and name != raw["name"]:
        raise errors.DataError(
            f"{output} contains the data set '{raw['name']}', not '{name}';"
            " choose another output or drop --name"
        )
    return raw


def _list(names: Sequence[Any]) -> str:
    shown = ", ".join(str(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} ({shown})"


def files(raw: dict[str, Any] | None, splits: Collection[str]) -> set[str]:
    """Names of the files that splits have by an earlier dataset.json."""
    names = set()
    for split in set(splits) & set(raw["splits"] if raw else ()):
        names |= {os.path.basename(shard["file"]) for shard in raw["splits"][split]["shards"]}
        older = f"{raw['name']}-{split}.sha256"  # the same, of older conversions
        names |= {listing.file(raw["name"], split), older}
    return names


def merged(
    source: Source,
    before: dict[str, Any] | None,
    name: str,
    reports: Mapping[str, Report],
    options: Options,
) -> dict[str, Any]:
    """The new content of dataset.json. reports: one a split that was written."""
    splits = dict(before["splits"]) if before else {}
    splits |= {split: _entry(source, report, options) for split, report in reports.items()}
    shared = [g for g in schema.GROUPS if all(g in split["groups"] for split in splits.values())]
    return {
        "version": dataset.VERSION,
        "name": name,
        "converter": version(),
        "class_names": list(source.class_names),
        "category_ids": None if source.category_ids is None else list(source.category_ids),
        "groups": shared,
        "splits": splits,
    }


def _entry(source: Source, report: Report, options: Options) -> dict[str, Any]:
    counts = [
        {"kind": kind, "reason": reason, "count": count}
        for (kind, reason), count in sorted(report.counts.items())
    ]
    listed = sorted(report.listed, key=lambda f: (f.kind, f.reason, f.file, f.detail))
    groups = options.groups(source)
    notes, teaches = plausible.notes(report, source.class_names, groups)
    census = {} if report.census is None else {"census": dataclasses.asdict(report.census)}
    shrunk = {}
    if options.limit:
        shrunk = {"shrunk": {"images": report.shrunk, **dataclasses.asdict(options.limit)}}
    return census | {
        "records": report.images,
        "objects": report.objects,
        "max_objects": report.max_objects,
        **shrunk,
        "groups": list(groups),
        "shards": [dataclasses.asdict(shard) for shard in report.shards],
        "findings": {
            "counts": counts,
            "listed": [_plain(finding) for finding in listed],
        },
        "notes": notes,
        "teaches": teaches,
        "arguments": options.arguments,
    }


def _plain(finding: schema.Finding) -> dict[str, str]:
    """A finding without the path, which is this machine's."""
    return {k: v for k, v in dataclasses.asdict(finding).items() if k != "path"}


def version() -> str:
    """The converter's name and version."""
    try:
        return f"tfvision {importlib.metadata.version('tfvision')}"
    except importlib.metadata.PackageNotFoundError:
        return "tfvision"
