"""The kinds of predictions, which serving, checks, drawing and clients ask for."""

from __future__ import annotations

from collections.abc import Container

SCORES = "scores"  # of every class, float32 [B, K]
BOXES = "boxes"  # float32 [B, D, 4], with scores and class_ids [B, D] by falling score
MASKS = "masks"  # of the boxes, float32 [B, D, h, w]
MAPS = "maps"  # a class for every pixel, uint8 [B, h, w]


def of(outputs: Container[str]) -> frozenset[str]:
    """The kinds of predictions by the names of their outputs, where no Task is at hand: a reply
    of a server, or the signature of an export."""
    if "boxes" in outputs:
        return frozenset((BOXES, MASKS) if "masks" in outputs else (BOXES,))
    if "class_map" in outputs:
        return frozenset((MAPS,))
    return frozenset((SCORES,) if "scores" in outputs else ())
