"""Which of two evaluations is the better one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

Best = dict[str, Any]  # step, metric, value, loss


def better(
    best: Best | None,
    step: int,
    results: Mapping[str, float],
    metric: str,
    lower: Collection[str] = ("loss",),
) -> Best | None:
    """The new best where `results` of `step` are at least as good as `best`; else None.

    metric: its value decides; "": the first of the results. lower: names of results that are the
    better the lower. Of equal values the lower loss is
    better, and of equal losses, or where there is none, the later step. A value that is not finite
    is never the best."""
    name = metric or next(iter(results))
    sign = -1.0 if name in lower else 1.0
    value, loss = results[name], results.get("loss")
    if not math.isfinite(value):
        return None
    loss = loss if loss is not None and math.isfinite(loss) else None
    if best is not None:
        before, other = best["value"], best.get("loss")
        if value != before:
            if sign * value < sign * before:
                return None
        elif loss is not None and other is not None and loss > other:
            return None
    return {"step": step, "metric": name, "value": value, "loss": loss}
