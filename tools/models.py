"""tfvision models [NAME]: every architecture by name, or what one of them costs and sees.

tfvision models resnet50 --image_size=224,224 prints its stages with output sizes, parameters,
multiply-adds, receptive field and the memory of what its layers put out; --layers prints every
layer. Options of the architecture: --set=width=32 --set=activation=gelu.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from absl import app, flags

from tfvision import atomic, errors, overrides

_SIZE = flags.DEFINE_list("image_size", ["224", "224"], "Height and width, pixels.")
_CLASSES = flags.DEFINE_integer("num_classes", 1000, "Classes.", 1)
_LAYERS = flags.DEFINE_boolean("layers", False, "A row a layer instead of a stage.")
_TRAIN = flags.DEFINE_boolean("train", False, "The training network, with what only it has.")
_SET = flags.DEFINE_multi_string("set", [], "OPTION=VALUE of the architecture.")
_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write the table to.")


def main(argv: Sequence[str]) -> None:
    """Prints names or a table. Raises UsageError."""
    if len(argv) > 2:
        raise errors.UsageError(f"unexpected argument '{argv[2]}'; name one model")
    from tfvision import architectures
    from tfvision.architectures import summary, summary_table

    if len(argv) == 1:
        print("\n".join(architectures.names()))
        return
    name = argv[1]
    net = architectures.build(
        name, num_classes=_CLASSES.value, image_size=_size(), **overrides.literals(_SET.value)
    )
    model = net.train if _TRAIN.value else net.serve
    rows = summary.by_layer(model) if _LAYERS.value else summary.by_stage(model)
    print(f"{name}, {_SIZE.value[0]} x {_SIZE.value[1]} pixels, {_CLASSES.value:,} classes\n")
    print(summary_table.table(rows))
    if _OUTPUT.value:
        _write(rows)


def _size() -> tuple[int, int]:
    try:
        height, width = (int(side) for side in _SIZE.value)
    except ValueError:
        raise errors.UsageError(
            f"--image_size is {','.join(_SIZE.value)}; it is height,width: 224,224"
        ) from None
    return height, width


def _write(rows: Sequence) -> None:
    import dataclasses

    content = [dataclasses.asdict(row) for row in rows]
    for row in content:
        row["receptive_field"] = [None if math.isinf(n) else int(n) for n in row["receptive_field"]]
    atomic.write_text(_OUTPUT.value, json.dumps(content, indent=1))


if __name__ == "__main__":
    app.run(main)
