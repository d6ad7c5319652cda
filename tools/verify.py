"""tfvision verify DIR: checks every byte of a converted data set

Reads all records, decodes all images as training does, and checks ids, boxes, masks and label
maps. Exit code 1 where anything is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import app, flags

from tfvision import errors

_MOST = flags.DEFINE_integer("most", 50, "Problems to print; all are counted.", 0)


def main(argv: Sequence[str]) -> None:
    """Verifies. Raises UsageError, and DataError where something is wrong."""
    if len(argv) != 2:
        raise errors.UsageError("name one folder: tfvision verify DIR")
    from tfvision.records import dataset, verifier

    data = dataset.read(argv[1])
    total = sum(split.records for split in data.splits.values())
    images = problems = 0
    first = ""
    import tqdm

    with tqdm.tqdm(total=total, unit="image", disable=not sys.stderr.isatty(), leave=False) as bar:
        for damage in verifier.verify(argv[1]):
            if isinstance(damage, int):
                images += damage
                bar.update(damage)
                continue
            problems += 1
            line = f"{damage.place}: {damage.what}"
            first = first or line
            if problems <= _MOST.value:
                tqdm.tqdm.write(line, file=sys.stdout)
    splits = ", ".join(f"{name} {split.records:,}" for name, split in data.splits.items())
    if problems:
        raise errors.DataError(
            f"{argv[1]}: {problems:,} problems in {images:,} images; first: {first};"
            " convert the data again"
        )
    print(f"{argv[1]}: intact ({images:,} images; {splits})")


if __name__ == "__main__":
    app.run(main)
