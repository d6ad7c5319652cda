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

# Each output of these depends on the whole image.
_WHOLE = (
    layers.AdaptiveAveragePool2D,
    layers.Dense,
    layers.Flatten,
    layers.GlobalAveragePool,
)
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
    """A tensor's receptive field, and the distance in the image of two neighbours; per axis."""

    field: tuple[float, float]
    jump: tuple[float, float]


def by_layer(model: keras.Model) -> list[Row]:
    """A row a layer, every layer after those that it takes its inputs from."""
    seen: dict[int, _Seen] = {}
    rows, waiting = [], list(model.layers)
    while waiting:
        later = []
        for layer in waiting:
            inputs = _tensors(layer.input)
            if isinstance(layer, keras.layers.InputLayer):
                seen[id(_tensors(layer.output)[0])] = _Seen((1.0, 1.0), (1.0, 1.0))
                continue
            if not all(id(tensor) in seen for tensor in inputs):
                later.append(layer)
                continue
            found = _look(layer, [seen[id(tensor)] for tensor in inputs])
            for tensor in _tensors(layer.output):
                seen[id(tensor)] = found
            rows.append(_row(layer, found))
        if len(later) == len(waiting):
            raise ValueError(f"layers without known inputs: {[layer.name for layer in later]}")
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


def _tensors(found: Any) -> list:
    if isinstance(found, dict):
        return list(found.values())
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _look(layer: Any, inputs: Sequence[_Seen]) -> _Seen:
    """The largest field of the inputs, widened by what the layer reaches over."""
    field = tuple(max(seen.field[axis] for seen in inputs) for axis in (0, 1))
    jump = tuple(max(seen.jump[axis] for seen in inputs) for axis in (0, 1))
    if isinstance(layer, _WHOLE):
        return _Seen((math.inf, math.inf), jump)
    if isinstance(layer, layers.Upsample):
        return _Seen(field, tuple(j / layer.times for j in jump))
    if isinstance(layer, layers.Reorg):
        return _Seen(field, tuple(j * layer.stride for j in jump))
    if isinstance(layer, _RESIZING):
        before, after = (_tensors(t)[0].shape[1:3] for t in (layer.input, layer.output))
        pairs = list(zip(before, after, field, jump, strict=True))
        return _Seen(  # one more neighbour on each axis that changes
            tuple(f if b == a else f + j for b, a, f, j in pairs),
            tuple(j * b / a for b, a, _, j in pairs),
        )
    size = getattr(layer, "kernel_size", None) or getattr(layer, "size", None)
    if size is None:
        return _Seen(field, jump)
    reach = [getattr(layer, "dilation", 1) * (k - 1) for k in _pair(size)]
    strides = _pair(layer.strides)
    return _Seen(
        tuple(f + r * j for f, r, j in zip(field, reach, jump, strict=True)),
        tuple(j * s for j, s in zip(jump, strides, strict=True)),
    )


def _row(layer: Any, found: _Seen) -> Row:
    outputs = [tuple(int(n) for n in tensor.shape[1:]) for tensor in _tensors(layer.output)]
    kernel = getattr(layer, "kernel", None)
    own = isinstance(layer, layers.LocallyConnected2D)  # its kernel has the places in it
    at = layer.input.shape[1:] if isinstance(layer, layers.Conv2DTranspose) else outputs[0]
    places = 1 if own else math.prod(at[:-1])
    return Row(
        layer.name,
        outputs[0],
        layers=1,
        parameters=_count(layer.trainable_variables),
        statistics=_count(layer.non_trainable_variables),
        multiply_adds=0 if kernel is None else places * math.prod(kernel.shape),
        receptive_field=found.field,
        activations=sum(math.prod(shape) for shape in outputs),
    )


def _count(variables: Sequence) -> int:
    return sum(math.prod(stack.raw(variable).shape) for variable in variables)
