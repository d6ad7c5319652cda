"""tfvision convert: a data set in its own format -> TFRecord shards and dataset.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from absl import app, flags

from tfvision import command_line, sources
from tfvision.datasets import conversion
from tfvision.records import progress, proposals, shrink
from tfvision.sources.source import BOXES, FRAMES

flags.DEFINE_string("format", None, f"One of: {', '.join(sources.FORMATS)}.")
flags.DEFINE_string("images", None, "Folder of the images.")
flags.DEFINE_string("annotations", None, "Annotation file or folder, by format.")
flags.DEFINE_string(
    "labels", None, "Class list, where it has none: a name a line, a table, a yaml, labelmap.txt."
)
flags.DEFINE_string("output", None, "Folder for the records; other splits in it stay.")
flags.DEFINE_string("split", "train", "A split's name, or shares: train:0.8,val:0.2.")
flags.DEFINE_string(
    "group", None, "Regular expression: images whose names agree in what it matches stay together."
)
flags.DEFINE_integer("shards", None, "Files to write; about 128 MB each by default.")
flags.DEFINE_integer("workers", 0, "Processes, 0: one a core. The bytes do not change.", 0)
flags.DEFINE_string(
    "runner",
    None,
    "Convert as an Apache Beam pipeline: DirectRunner, FlinkRunner, ...; docs/beam.md.",
)
flags.DEFINE_multi_string(
    "beam_option", [], "An option of Beam and its runner, NAME=VALUE; may be given several times."
)
flags.DEFINE_string("name", None, "The data set's name; the output folder's by default.")
flags.DEFINE_integer("seed", 0, "Of the order in which images are written.", 0)
flags.DEFINE_boolean(
    "bake_orientation", False, "Turn EXIF-rotated JPEGs upright, for readers that cannot."
)
flags.DEFINE_boolean(
    "full_masks", False, "Object masks of the whole image, for readers that want them so."
)
flags.DEFINE_boolean(
    "scale_annotations", False, "Scale annotations of a recorded size that is not the image's."
)
flags.DEFINE_boolean(
    "skip_unreadable", False, "Leave out images that cannot be decoded, instead of stopping."
)
flags.DEFINE_enum(
    "proposals", None, list(proposals.MODES), "Boxes of Selective Search, for Fast R-CNN."
)
flags.DEFINE_integer("max_proposals", proposals.LIMIT, "The most an image.")
flags.DEFINE_string("class_attribute", "", "Of several attributes the one that is the class (via).")
flags.DEFINE_string(
    "mask_values", "", "What masks' values mean: 0:background,255:cat; void is not a class."
)
flags.DEFINE_string(
    "mask_colors", "", "Table of what masks' colors mean: name, r, g, b with a header."
)
flags.DEFINE_enum("boxes", BOXES[0], BOXES, "What bbox contains in a COCO file.")
flags.DEFINE_enum(
    "annotations_of", "", ["", *FRAMES], "What annotations of EXIF-rotated images speak of."
)
flags.DEFINE_integer(
    "max_side", None, "Store images no larger than this, pixels of the longer side."
)
flags.DEFINE_integer(
    "quality", None, f"Of JPEGs that --max_side shrinks, 1..100; {shrink.QUALITY} by default."
)
flags.DEFINE_boolean("strict", False, "Stop at anything that is left out or changed.")


def main(argv: Sequence[str]) -> None:
    """Converts one split. Raises UsageError and DataError."""
    command_line.flags_only(argv, "convert")
    fields = dataclasses.fields(conversion.Request)
    request = conversion.Request(**{field.name: flags.FLAGS[field.name].value for field in fields})
    print(progress.shown(conversion.steps(request)))


if __name__ == "__main__":
    app.run(main)
