"""Is a split plausible as a whole? One line for whatever a training would stumble over.

A split that teaches nothing is distinguished from one that only looks odd: training refuses it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tfvision import schema
from tfvision.records.convert_options import Report

_NAMED = 5  # classes that a line names
_MUCH = 0.3  # of all pixels void: more than any published data set has


def notes(
    report: Report, class_names: Sequence[str], groups: Collection[str]
) -> tuple[list[str], bool]:
    """(what is odd about a split, whether there is anything to learn from it)."""
    total = sum(report.classes.values())
    void = report.classes.get(schema.VOID, 0) if "label_map" in groups else 0
    if "label_map" in groups:
        unit = "pixel"
        if total and void == total:
            return ["every pixel of every mask is void: there is nothing to learn from"], False
    elif "objects" in groups:
        unit = "object"
        if not report.objects:
            return ["no image has an object: there is nothing to learn from"], False
    else:
        unit = "image"
    lines = []
    seen = [name for i, name in enumerate(class_names) if report.classes.get(i)]
    unseen = [name for i, name in enumerate(class_names) if not report.classes.get(i)]
    if unseen:
        listed = ", ".join(f"'{name}'" for name in unseen[:_NAMED])
        more = f" and {len(unseen) - _NAMED} more" if len(unseen) > _NAMED else ""
        verb = "has" if len(unseen) == 1 else "have"
        text = f"class {listed}{more} {verb} no {unit}"
        if void:
            text += (
                f" while {void / total:.0%} of all pixels are void; if their value"
                f" ({schema.VOID}) means a class, say so: --mask_values=0:name,{schema.VOID}:name"
            )
        lines.append(text)
    elif void >= _MUCH * total > 0:
        lines.append(
            f"{void / total:.0%} of all pixels are void; if their value ({schema.VOID}) means a"
            f" class, say so: --mask_values=0:name,{schema.VOID}:name"
        )
    if len(seen) == 1 and len(class_names) != 2 and unit != "object":
        lines.append(f"there is one class only, '{seen[0]}': nothing to tell apart")
    return lines, True
