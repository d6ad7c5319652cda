"""What a network costs and sees, as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfvision.architectures import summary


def _field(field: Sequence[float]) -> str:
    if math.inf in field:
        return "image"
    rows, columns = (int(n) for n in field)
    return str(rows) if rows == columns else f"{rows} x {columns}"


def table(rows: Sequence[summary.Row]) -> str:
    """Aligned lines of `summary.by_stage` or `by_layer`, and their total; memory is that of float32
    for one image."""
    whole = summary.total(rows)
    head = ["", "output", "layers", "parameters", "G mult-adds", "receptive field", "MiB"]
    body = [
        [
            row.name,
            " x ".join(map(str, row.output)),
            f"{row.layers}",
            f"{row.parameters:,}",
            f"{row.multiply_adds / 1e9:.3f}",
            _field(row.receptive_field),
            f"{row.activations * 4 / 2**20:.2f}",
        ]
        for row in [*rows, whole]
    ]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        left = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
        return "  ".join([*left, *right]).rstrip()

    lines = [line(head), *map(line, body[:-1]), "-" * len(line(head)), line(body[-1])]
    lines += ["", f"{2 * whole.multiply_adds / 1e9:,.2f} GFLOPs an image (two a multiply-add)"]
    if whole.statistics:
        lines.append(
            f"{whole.statistics:,} values that are not trained (normalisation's statistics)"
        )
    lines.append("MiB: of what the layers put out for one image, as float32")
    return "\n".join(lines)
