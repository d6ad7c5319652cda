"""tfvision convert: a data set in its own format -> TFRecord shards and dataset.json."""

from __future__ import annotations

from collections.abc import Sequence

from absl import app, flags

from tfvision import errors, sources
from tfvision.records import writer

_FORMAT = flags.DEFINE_string("format", None, f"One of: {', '.join(sources.FORMATS)}.")
_IMAGES = flags.DEFINE_string("images", None, "Folder of the images.")
_ANNOTATIONS = flags.DEFINE_string("annotations", None, "Annotation file; none for folder.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the records; other splits in it stay.")
_SPLIT = flags.DEFINE_string("split", "train", "Name of the split that is written.")
_SHARDS = flags.DEFINE_integer("shards", None, "Files to write; about 128 MB each by default.")
_WORKERS = flags.DEFINE_integer("workers", 1, "Processes; the bytes written do not depend on it.")
_NAME = flags.DEFINE_string("name", None, "The data set's name; the output folder's by default.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the order in which images are written.")
_BAKE = flags.DEFINE_boolean(
    "bake_orientation", False, "Turn EXIF-rotated JPEGs upright, for readers that cannot."
)
_SKIP = flags.DEFINE_boolean(
    "skip_unreadable", False, "Leave out images that cannot be decoded, instead of stopping."
)
_STRICT = flags.DEFINE_boolean("strict", False, "Stop at anything that is left out or changed.")


def main(argv: Sequence[str]) -> None:
    """Converts one split. Raises UsageError and DataError."""
    if len(argv) > 1:
        raise errors.UsageError(f"unexpected argument '{argv[1]}'; convert takes flags only")
    for flag in (_FORMAT, _IMAGES, _OUTPUT):
        if not flag.value:
            raise errors.UsageError(f"--{flag.name} is missing")
    read = errors.choose(sources.FORMATS, _FORMAT.value, "format")
    source = read(_IMAGES.value, _ANNOTATIONS.value, split=_SPLIT.value)
    arguments = {flag.name: flag.value for flag in (_FORMAT, _IMAGES, _ANNOTATIONS, _SEED, _BAKE)}
    options = writer.Options(
        split=_SPLIT.value,
        name=_NAME.value,
        shards=_SHARDS.value,
        workers=_WORKERS.value,
        seed=_SEED.value,
        bake_orientation=_BAKE.value,
        skip_unreadable=_SKIP.value,
        strict=_STRICT.value,
        arguments=arguments,
    )
    report = writer.write(source, _OUTPUT.value, options)
    print(table(report, source, _OUTPUT.value, _SPLIT.value))


def table(report: writer.Report, source: sources.Source, output: str, split: str) -> str:
    """What was done, in a few aligned lines."""
    rows = [
        ("images", f"{report.images:,}"),
        ("classes", f"{len(source.class_names):,}"),
    ]
    if "objects" in source.groups:
        rows.append(("objects", f"{report.objects:,} (at most {report.max_objects} an image)"))
    for (kind, reason), count in sorted(report.counts.items()):
        rows.append((kind, f"{count:,} ({reason})"))
    megabytes = sum(shard.bytes for shard in report.shards) / 1e6
    rows.append(("shards", f"{len(report.shards)} ({megabytes:,.1f} MB)"))
    lines = [f"  {name:<8} {value}" for name, value in rows]
    if report.counts:
        lines.append(f"  what was left out or changed is listed in {output}/dataset.json")
    return "\n".join([f"{report.name}, split {split} -> {output}", *lines])


if __name__ == "__main__":
    app.run(main)
