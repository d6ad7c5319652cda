"""tfvision convert: a data set in its own format -> TFRecord shards and dataset.json."""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from tfvision import command_line, errors, schema, sources
from tfvision.records import convert_report as report_text
from tfvision.records import plausible, proposals, shrink, splits, writer
from tfvision.sources.source import BOXES, FRAMES

_FORMAT = flags.DEFINE_string("format", None, f"One of: {', '.join(sources.FORMATS)}.")
_IMAGES = flags.DEFINE_string("images", None, "Folder of the images.")
_ANNOTATIONS = flags.DEFINE_string("annotations", None, "Annotation file or folder, by format.")
_LABELS = flags.DEFINE_string(
    "labels", None, "Class list, where it has none: a name a line, a table, a yaml, labelmap.txt."
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the records; other splits in it stay.")
_SPLIT = flags.DEFINE_string("split", "train", "A split's name, or shares: train:0.8,val:0.2.")
_GROUP = flags.DEFINE_string(
    "group", None, "Regular expression: images whose names agree in what it matches stay together."
)
_SHARDS = flags.DEFINE_integer("shards", None, "Files to write; about 128 MB each by default.")
_WORKERS = flags.DEFINE_integer(
    "workers", 0, "Processes, 0: one a core. The bytes do not change.", 0
)
_RUNNER = flags.DEFINE_string(
    "runner",
    None,
    "Convert as an Apache Beam pipeline: DirectRunner, FlinkRunner, ...; docs/beam.md.",
)
_BEAM_OPTIONS = flags.DEFINE_multi_string(
    "beam_option", [], "An option of Beam and its runner, NAME=VALUE; may be given several times."
)
_NAME = flags.DEFINE_string("name", None, "The data set's name; the output folder's by default.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the order in which images are written.", 0)
_BAKE = flags.DEFINE_boolean(
    "bake_orientation", False, "Turn EXIF-rotated JPEGs upright, for readers that cannot."
)
_FULL = flags.DEFINE_boolean(
    "full_masks", False, "Object masks of the whole image, for readers that want them so."
)
_SCALE = flags.DEFINE_boolean(
    "scale_annotations", False, "Scale annotations of a recorded size that is not the image's."
)
_SKIP = flags.DEFINE_boolean(
    "skip_unreadable", False, "Leave out images that cannot be decoded, instead of stopping."
)
_PROPOSALS = flags.DEFINE_enum(
    "proposals", None, list(proposals.MODES), "Boxes of Selective Search, for Fast R-CNN."
)
_MAX_PROPOSALS = flags.DEFINE_integer("max_proposals", proposals.LIMIT, "The most an image.")
_ATTRIBUTE = flags.DEFINE_string(
    "class_attribute", "", "Of several attributes the one that is the class (via)."
)
_VALUES = flags.DEFINE_string(
    "mask_values", "", "What masks' values mean: 0:background,255:cat; void is not a class."
)
_COLORS = flags.DEFINE_string(
    "mask_colors", "", "Table of what masks' colors mean: name, r, g, b with a header."
)
_BOXES = flags.DEFINE_enum("boxes", BOXES[0], BOXES, "What bbox contains in a COCO file.")
_FRAME = flags.DEFINE_enum(
    "annotations_of", "", ["", *FRAMES], "What annotations of EXIF-rotated images speak of."
)
_MAX_SIDE = flags.DEFINE_integer(
    "max_side", None, "Store images no larger than this, pixels of the longer side."
)
_QUALITY = flags.DEFINE_integer(
    "quality", None, f"Of JPEGs that --max_side shrinks, 1..100; {shrink.QUALITY} by default."
)
_STRICT = flags.DEFINE_boolean("strict", False, "Stop at anything that is left out or changed.")

_EXAMPLE = 160  # letters of a finding that the table shows


def main(argv: Sequence[str]) -> None:
    """Converts one split. Raises UsageError and DataError."""
    command_line.flags_only(argv, "convert")
    command_line.needed(_FORMAT, _IMAGES, _OUTPUT)
    if _RUNNER.value and _WORKERS.value:
        raise errors.UsageError(
            "--workers goes without --runner; a runner has an option of its own, such as"
            " --beam_option=direct_num_workers=2"
        )
    ratios = splits.parse(_SPLIT.value)
    limit = shrink.limit(_MAX_SIDE.value, _QUALITY.value)
    split = _SPLIT.value if len(ratios) == 1 else ""
    source = sources.read(
        _FORMAT.value,
        _IMAGES.value,
        _ANNOTATIONS.value,
        split=split,
        label_file=_LABELS.value or "",
        options=sources.Options(
            class_attribute=_ATTRIBUTE.value,
            mask_values=_VALUES.value,
            mask_colors=_COLORS.value,
            boxes=_BOXES.value,
            annotations_of=_FRAME.value,
        ),
    )
    kept = (_FORMAT, _IMAGES, _ANNOTATIONS, _LABELS, _SPLIT, _GROUP, _SEED, _BAKE, _FULL)
    kept += tuple(
        f for f in (_ATTRIBUTE, _VALUES, _COLORS, _BOXES, _FRAME, _SCALE) if f.value != f.default
    )
    if _PROPOSALS.value:
        kept += (_PROPOSALS, _MAX_PROPOSALS)
    if limit:
        kept += (_MAX_SIDE, _QUALITY)
    options = writer.Options(
        split=_SPLIT.value,
        group=_GROUP.value,
        name=_NAME.value,
        shards=_SHARDS.value,
        workers=_WORKERS.value,
        seed=_SEED.value,
        bake_orientation=_BAKE.value,
        full_masks=_FULL.value,
        scale_annotations=_SCALE.value,
        skip_unreadable=_SKIP.value,
        strict=_STRICT.value,
        proposals=_PROPOSALS.value or "",
        max_proposals=_MAX_PROPOSALS.value,
        limit=limit,
        runner=_RUNNER.value or "",
        beam_options=tuple(_BEAM_OPTIONS.value),
        arguments={flag.name: flag.value for flag in kept},
    )
    reports = writer.write(source, _OUTPUT.value, options)
    total = sum(done.images for done in reports.values())
    for name, done in reports.items():
        print(table(name, done, source, _OUTPUT.value, options, total))


def _example(finding: schema.Finding | None) -> str:
    """The first finding of its kind, shortened, behind the reason."""
    if finding is None or not finding.file:
        return ""
    text = f"; {finding.file}" + (f": {finding.detail}" if finding.detail else "")
    return text if len(text) <= _EXAMPLE else text[: _EXAMPLE - 3] + "..."


def table(
    split: str,
    report: writer.Report,
    source: sources.Source,
    output: str,
    options: writer.Options,
    total: int = 0,
) -> str:
    """What was done with a split, in a few aligned lines. total: images of all splits."""
    part = f" ({report.images / total:.3f} of {total:,})" if total > report.images else ""
    rows = [
        ("images", f"{report.images:,}{part}"),
        ("classes", f"{len(source.class_names):,}"),
    ]
    if "objects" in source.groups:
        rows.append(("objects", f"{report.objects:,} (at most {report.max_objects} an image)"))
    first = {(f.kind, f.reason): f for f in reversed(report.listed)}
    if options.limit:
        most = options.limit.max_side
        rows.append(("shrunk", f"{report.shrunk:,} images to at most {most:,} pixels"))
    for key, count in sorted(report.counts.items()):
        rows.append((key[0], f"{count:,} ({key[1]}{_example(first.get(key))})"))
    notes, _ = plausible.notes(report, source.class_names, options.groups(source))
    rows += [("note", note) for note in notes]
    if report.census is not None:
        rows.append(("files", report_text.census_line(report.census)))
    megabytes = sum(shard.bytes for shard in report.shards) / 1e6
    rows.append(("shards", f"{len(report.shards)} ({megabytes:,.1f} MB)"))
    lines = [f"  {name:<8} {value}" for name, value in rows]
    if report.counts:
        lines.append(f"  what was left out or changed is listed in {output}/{report_text.FILE}")
    return "\n".join([f"split {split} -> {output}", *lines])


if __name__ == "__main__":
    app.run(main)
