"""What a network costs and sees, stage by stage, computed from its functional graph.

Axis letters: B batch, H height, W width, C channels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras

from tfvision import layers, stack
from tfvision.layers import rcnn_layers

# Each output of these depends on the whole image.
_WHOLE = (
    layers.AdaptiveAveragePool2D,
    layers.Dense,
    layers.Flatten,
    layers.GlobalAveragePool,
    rcnn_layers.Proposals,
    rcnn_layers.RoiAlign,
    rcnn_layers.RoiPool,
)
_TRANSPOSED = (layers.Conv2DTranspose, rcnn_layers.Deconvolution)
# Each output of these lies between two inputs, on each axis.
_RESIZING = (layers.Conv2DTranspose, layers.Resize, layers.ScaleFlip)
_RESOLUTIONS = 2


@dataclasses.dataclass
class Row:
    """A stage, or a layer.

    output: shape of one image's result, (H, W, C) or (C,). parameters: that are trained.
    statistics: values that are kept and not trained. multiply_adds: of convolutions and dense
    layers, for one image; all else is left out. receptive_field: (rows, columns) of the image
    that one output depends on, inf for all of it. activations: numbers in the results of all
    layers, for one image; what training has to keep."""

    name: str
    output: tuple[int, ...]
    layers: int = 0
    parameters: int = 0
    statistics: int = 0
    multiply_adds: int = 0
    receptive_field: tuple[float, float] = (1.0, 1.0)
    activations: int = 0


@dataclasses.dataclass(frozen=True)
class _Seen:
    """A tensor's receptive field, and the distance in the image of two neighbours; per axis.

    copies: how many of it an image has: regions that were folded into the batch."""

    field: tuple[float, float]
    jump: tuple[float, float]
    copies: int = 1


_SEEN = _Seen((1.0, 1.0), (1.0, 1.0))  # the image


def by_layer(model: keras.Model) -> list[Row]:
    """A row a layer, every layer after those that it takes its inputs from.

    A layer that is called on several tensors has a row for each call, its parameters in the
    first."""
    seen: dict[int, _Seen] = {}
    order = {id(layer): place for place, layer in enumerate(model.layers)}
    waiting = sorted(stack.calls(model), key=lambda call: order[id(call[0])])
    rows, met = [], set()
    while waiting:
        later = []
        for call in waiting:
            layer, inputs, outputs = call
            if not all(id(tensor) in seen for tensor in inputs):
                later.append(call)
                continue
            seen_now = _look(*call, [seen[id(t)] for t in inputs]) if inputs else _SEEN
            seen |= {id(tensor): seen_now for tensor in outputs}
            if inputs:
                rows.append(_row(*call, seen_now, fresh=id(layer) not in met))
                met.add(id(layer))
        if len(later) == len(waiting):
            raise ValueError(f"layers without known inputs: {[layer.name for layer, *_ in later]}")
        waiting = later
    return rows


def by_stage(model: keras.Model) -> list[Row]:
    """A row a stage: the layers of one block, such as "layer1.0.conv1" of layer1.

    A block that goes through more than _RESOLUTIONS sizes (VGG's "features") is a stage at each.
    A layer that is of no block and has no kernel belongs to what comes before it at its size."""
    rows = by_layer(model)
    sizes: dict[str, set] = {}
    for row in rows:
        sizes.setdefault(_block(row), set()).add(row.output[:-1])
    stages: dict[tuple, Row] = {}
    key: tuple = ()
    for row in rows:
        block, place = _block(row), row.output[:-1]
        joins = "." not in row.name and not row.multiply_adds
        if not (joins and key and key[1] == place):
            key = (block, place)
            if len(sizes[block]) <= _RESOLUTIONS:
                known = [k for k in stages if k[0] == block]
                if known:  # its row goes on, at the size that it has now
                    stages = {(key if k == known[0] else k): v for k, v in stages.items()}
        stage = stages.setdefault(key, Row(block, row.output))
        stage.output = row.output
        stage.layers += 1
        stage.receptive_field = tuple(map(max, stage.receptive_field, row.receptive_field))
        for field in ("parameters", "statistics", "multiply_adds", "activations"):
            setattr(stage, field, getattr(stage, field) + getattr(row, field))
    return list(stages.values())


def _block(row: Row) -> str:
    return row.name.partition(".")[0]


def total(rows: Sequence[Row]) -> Row:
    """The sum of rows, with the last one's output and the largest receptive field."""
    whole = Row("total", rows[-1].output, receptive_field=rows[-1].receptive_field)
    for row in rows:
        whole.receptive_field = tuple(map(max, whole.receptive_field, row.receptive_field))
        for field in ("layers", "parameters", "statistics", "multiply_adds", "activations"):
            setattr(whole, field, getattr(whole, field) + getattr(row, field))
    return whole


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _look(layer: Any, inputs: Sequence, outputs: Sequence, before: Sequence[_Seen]) -> _Seen:
    """The largest field of the inputs, widened by what the layer reaches over."""
    copies = max(seen.copies for seen in before)
    if isinstance(layer, rcnn_layers.FoldRegions):
        copies = inputs[0].shape[1] or 1
    elif isinstance(layer, rcnn_layers.UnfoldRegions):
        copies = 1
    field, jump = _reach(layer, inputs, outputs, before)
    return _Seen(field, jump, copies)


def _reach(layer: Any, inputs: Sequence, outputs: Sequence, before: Sequence[_Seen]) -> tuple:
    """A result's field and jump."""
    field = tuple(max(seen.field[axis] for seen in before) for axis in (0, 1))
    jump = tuple(max(seen.jump[axis] for seen in before) for axis in (0, 1))
    if isinstance(layer, _WHOLE):
        return (math.inf, math.inf), jump
    if isinstance(layer, layers.Upsample):
        return field, tuple(j / layer.times for j in jump)
    if isinstance(layer, layers.Reorg):
        return field, tuple(j * layer.stride for j in jump)
    if isinstance(layer, _RESIZING):
        old, new = (tensors[0].shape[1:3] for tensors in (inputs, outputs))
        pairs = list(zip(old, new, field, jump, strict=True))
        return (  # one more neighbour on each axis that changes
            tuple(f if b == a else f + j for b, a, f, j in pairs),
            tuple(j * b / a for b, a, _, j in pairs),
        )
    size = getattr(layer, "kernel_size", None) or getattr(layer, "size", None)
    if size is None:
        return field, jump
    reach = [getattr(layer, "dilation", 1) * (k - 1) for k in _pair(size)]
    strides = _pair(layer.strides)
    return (
        tuple(f + r * j for f, r, j in zip(field, reach, jump, strict=True)),
        tuple(j * s for j, s in zip(jump, strides, strict=True)),
    )


def _row(layer: Any, inputs: Sequence, outputs: Sequence, look: _Seen, *, fresh: bool) -> Row:
    # What only a batch tells, such as how many proposals there are, counts once.
    shapes = [tuple(int(n or 1) for n in tensor.shape[1:]) for tensor in outputs]
    kernel = getattr(layer, "kernel", None)
    per_place = isinstance(layer, layers.LocallyConnected2D)  # its kernel has the places in it
    at = inputs[0].shape[1:] if isinstance(layer, _TRANSPOSED) else shapes[0]
    positions = 1 if per_place else math.prod(at[:-1])
    return Row(
        layer.name,
        shapes[0],
        layers=1,
        parameters=_count(layer.trainable_variables) if fresh else 0,
        statistics=_count(layer.non_trainable_variables) if fresh else 0,
        multiply_adds=0 if kernel is None else look.copies * positions * math.prod(kernel.shape),
        receptive_field=look.field,
        activations=look.copies * sum(math.prod(shape) for shape in shapes),
    )


def _count(variables: Sequence) -> int:
    return sum(math.prod(stack.raw(variable).shape) for variable in variables)
