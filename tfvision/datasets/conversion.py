"""A data set in its own format -> records: what the command `convert` and Python share.

No TensorFlow is imported before records are written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from tfvision import errors, sources
from tfvision.datasets import arguments
from tfvision.datasets.conversion_summary import Summary
from tfvision.records import progress, shrink, splits, writer
from tfvision.records.progress import Progress
from tfvision.records.proposals import LIMIT
from tfvision.sources.source import BOXES, FRAMES

_WHAT = "datasets.convert"
_ALWAYS = (
    *("format", "images", "annotations", "labels", "split", "group", "seed"),
    *("bake_orientation", "full_masks"),
)
_WHERE_GIVEN = (
    *("class_attribute", "mask_values", "mask_colors", "boxes", "annotations_of"),
    "scale_annotations",
)


@dataclasses.dataclass(frozen=True)
class Request:
    """All that a conversion is told; `tfvision convert --help` has a line for each field.

    What a format takes is in data/README.md. labels: the path of a class list, or the names.
    workers: processes, 0: one a core."""

    format: str = ""
    images: str = ""
    annotations: str | None = None
    labels: str | Sequence[str] | None = None
    output: str = ""
    split: str = "train"
    group: str | None = None
    shards: int | None = None
    workers: int = 1
    runner: str | None = None
    beam_option: Sequence[str] = ()
    name: str | None = None
    seed: int = 0
    bake_orientation: bool = False
    full_masks: bool = False
    scale_annotations: bool = False
    skip_unreadable: bool = False
    proposals: str | None = None
    max_proposals: int = LIMIT
    class_attribute: str = ""
    mask_values: str = ""
    mask_colors: str = ""
    boxes: str = BOXES[0]
    annotations_of: str = ""
    max_side: int | None = None
    quality: int | None = None
    strict: bool = False

    def check(self) -> None:
        """Raises UsageError for what is missing and for what does not go together."""
        for name in ("format", "images"):
            if not getattr(self, name):
                raise errors.UsageError(f"--{name} is missing")
        self.check_options()

    def check_options(self) -> None:
        """`check`, but for where the data come from."""
        if not self.output:
            raise errors.UsageError("--output is missing")
        splits.parse(self.split)
        shrink.limit(self.max_side, self.quality)
        if self.runner and self.workers > 1:
            raise errors.UsageError(
                "--workers goes without --runner; a runner has an option of its own, such as"
                " --beam_option=direct_num_workers=2"
            )
        if self.seed < 0:
            raise errors.UsageError(f"--seed is {self.seed}; it must be at least 0")
        if self.annotations_of:
            errors.choose(dict.fromkeys(FRAMES), self.annotations_of, "annotations_of")

    def source(self) -> sources.Source:
        """The data set, read as it is iterated."""
        names = [] if isinstance(self.labels, str) else list(self.labels or [])
        return sources.read(
            self.format,
            self.images,
            self.annotations,
            split=self.split if len(splits.parse(self.split)) == 1 else "",
            labels=names,
            label_file="" if names else self.labels or "",
            options=sources.Options(
                class_attribute=self.class_attribute,
                mask_values=self.mask_values,
                mask_colors=self.mask_colors,
                boxes=self.boxes,
                annotations_of=self.annotations_of,
            ),
        )

    def options(self) -> writer.Options:
        """How its records are written."""
        return writer.Options(
            split=self.split,
            group=self.group,
            name=self.name,
            shards=self.shards,
            workers=self.workers,
            seed=self.seed,
            bake_orientation=self.bake_orientation,
            full_masks=self.full_masks,
            scale_annotations=self.scale_annotations,
            skip_unreadable=self.skip_unreadable,
            strict=self.strict,
            proposals=self.proposals or "",
            max_proposals=self.max_proposals,
            limit=shrink.limit(self.max_side, self.quality),
            runner=self.runner or "",
            beam_options=tuple(self.beam_option),
            arguments=self._arguments(),
        )

    def _arguments(self) -> dict[str, Any]:
        """What dataset.json tells of the options: those that change the records."""
        given = [n for n in _WHERE_GIVEN if getattr(self, n) != getattr(_DEFAULTS, n)]
        names = [*_ALWAYS, *given]
        names += ["proposals", "max_proposals"] if self.proposals else []
        names += ["max_side", "quality"] if self.max_side else []
        return {name: getattr(self, name) for name in names}


_DEFAULTS = Request()
DEFAULTS = dataclasses.asdict(_DEFAULTS)


def steps(request: Request) -> progress.Steps[Summary]:
    """Carries a request out, and yields how far it is. Raises UsageError and DataError."""
    request.check()
    return (yield from written(request.source(), request))


def written(source: sources.Source, request: Request) -> progress.Steps[Summary]:
    """Writes the records of a source, as `request` says."""
    options = request.options()
    reports = yield from writer.writing(source, request.output, options)
    return Summary.of(source, request.output, options, reports)


def of_arguments(values: dict[str, Any]) -> progress.Steps[Summary]:
    """`steps` of what Python gives, with errors that name arguments."""
    with arguments.named(DEFAULTS):
        (request,) = errors.take(arguments.plain(values), _WHAT, _DEFAULTS)
        return (yield from steps(request))


class Conversion(Iterator[Progress]):
    """A conversion that goes on as it is iterated, once.

    summary: of what was done; None before the end."""

    def __init__(self, work: progress.Steps[Summary]):
        self._work = work
        self.summary: Summary | None = None

    def __next__(self) -> Progress:
        try:
            return next(self._work)
        except StopIteration as end:
            self.summary = self.summary or end.value
            raise StopIteration from None

    def close(self) -> None:
        """Ends it early: the output is as it was before."""
        self._work.close()


def convert(*, format: str, images: Any, output: Any, **options: Any) -> Summary:
    """Converts a data set to records, as the command `tfvision convert` does.

    Args:
        format: One of `sources.FORMATS`: "folder", "coco", "csv", "voc", ...
        images: The folder of the images.
        output: The folder for the records; other splits in it stay.
        **options: The fields of `Request`, each a flag of the command: annotations, labels (a file
            or a list of names), split ("train", "train:0.8,val:0.2" or a dict of shares), workers,
            max_side, strict ... More than one worker needs `if __name__ == "__main__":` in a
            script.

    Returns:
        What was written, left out and changed; it prints as a table.

    Raises:
        UsageError: for an unknown format or option, or a wrong value.
        DataError: for data that cannot be used. The output is as it was before.
    """
    values = {"format": format, "images": images, "output": output, **options}
    return progress.shown(of_arguments(values))


def converting(*, format: str, images: Any, output: Any, **options: Any) -> Conversion:
    """`convert`, step by step: an iterator of `Progress`, whose `summary` is there at its end.

    Takes the arguments of `convert` and raises its errors as it is iterated. Nothing is written
    before the first step, and where it is closed or dropped before the last one, the output is as
    it was before."""
    values = {"format": format, "images": images, "output": output, **options}
    return Conversion(of_arguments(values))
