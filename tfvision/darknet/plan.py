"""What a list of Darknet sections amounts to, before anything is built.

Each layer's inputs, size, channels and stride, the floats that it has in a .weights file, and the
heads. Everything that can be wrong with a cfg, beyond its spelling, is found here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from tfvision import errors
from tfvision.darknet import cfg_heads
from tfvision.darknet.cfg import Section
from tfvision.ops.yolo_decode import Head

_MOST_VALUES = 1 << 31  # of a layer: 8 GiB
IMAGE = -1  # as the source of a layer


class Planned(NamedTuple):
    """One layer as it will be. rows, columns: None where the image's size is not known."""

    index: int
    section: Section
    sources: tuple[int, ...]  # layers that it takes, or IMAGE
    channels: int
    rows: int | None = None
    columns: int | None = None
    stride: Fraction = Fraction(1)  # pixels of the image a cell
    values: int = 0  # floats in a .weights file
    head: Head | None = None


def plan(
    sections: Sequence[Section], image_size: tuple[int | None, int | None] = (None, None)
) -> list[Planned]:
    """The layers of a network for images of that size.

    sections: without [net]; the image has 3 channels. Raises DataError for a section that does
    not fit those before it."""
    image = Planned(IMAGE, Section("net", {}), (), 3, *image_size)
    layers: list[Planned] = []
    for index, section in enumerate(sections):
        sources = _sources(section, index)
        inputs = [image if source == IMAGE else layers[source] for source in sources]
        last = inputs[0]
        blank = Planned(
            index, section, sources, last.channels, last.rows, last.columns, last.stride
        )
        layers.append(_PLANNERS[section.kind](blank, inputs))
        _check_size(layers[-1])
    if not layers:
        raise errors.DataError("there is no layer")
    for layer, after in itertools.pairwise(layers):
        # A classifier gives logits here, so a softmax can only be left out at the end.
        if layer.section.kind == "softmax" and after.section.kind != "cost":
            raise errors.DataError(f"{layer.section.where()} is not the last layer")
        if after.head and layer.section.values.get("activation", "linear") != "linear":
            raise errors.DataError(f"{layer.section.where()} before a head has activation=linear")
    return layers


def _check_size(layer: Planned) -> None:
    where = layer.section.where()
    if layer.values > _MOST_VALUES:
        raise errors.DataError(f"{where} has {layer.values:,} weights; a layer has {_MOST_VALUES:,}"
                               " at most")  # fmt: skip
    for side in (layer.rows, layer.columns):
        if side is not None and side < 1:
            raise errors.DataError(f"{where} has no pixel left of its input")


def heads(layers: Sequence[Planned]) -> tuple[Head, ...]:
    """The heads of a planned network, in order."""
    return tuple(layer.head for layer in layers if layer.head)


def values(layers: Sequence[Planned]) -> int:
    """How many floats the .weights file of a planned network has."""
    return sum(layer.values for layer in layers)


def _sources(section: Section, index: int) -> tuple[int, ...]:
    """The layers that a section takes; those of the file may count from here, or from 0."""
    if section.kind == "route":
        named = section["layers"]
    elif section.kind == "shortcut":
        named = [-1, section["from"]]
    else:
        return (index - 1,)
    sources = tuple(n if n >= 0 else index + n for n in named)
    if not sources or not all(0 <= source < index for source in sources):
        raise errors.DataError(
            f"{section.where()} takes the layers {named}, of {index} that stand before it"
        )
    return sources


def _size(size: int | None, kernel: int, stride: int, padding: int) -> int | None:
    """padding: of both sides together."""
    return None if size is None else (size + padding - kernel) // stride + 1


def _convolutional(layer, inputs):
    section, channels = layer.section, inputs[0].channels
    filters, size, stride, groups = (section[k] for k in ("filters", "size", "stride", "groups"))
    if channels % groups or filters % groups:
        raise errors.DataError(
            f"{section.where()}: {channels} channels into {filters} filters in {groups} groups"
        )
    padding = 2 * convolution_padding(section)
    per_filter = 4 if section["batch_normalize"] else 1
    return layer._replace(
        channels=filters,
        rows=_size(layer.rows, size, stride, padding),
        columns=_size(layer.columns, size, stride, padding),
        stride=layer.stride * stride,
        values=filters * (per_filter + channels // groups * size * size),
    )


def convolution_padding(section: Section) -> int:
    """Pixels on each side: `pad` stands for half the kernel."""
    return section["size"] // 2 if section["pad"] else section["padding"]


def _local(layer, inputs):
    section, channels = layer.section, inputs[0].channels
    filters, size, stride, pad = (section[k] for k in ("filters", "size", "stride", "pad"))
    if pad and size != 3:
        raise errors.DataError(f"{section.where()} with pad=1 has size=3, not {size}")
    rows, columns = (_size(n, size, stride, 2 * pad) for n in (layer.rows, layer.columns))
    _known(section, rows)
    return layer._replace(
        channels=filters,
        rows=rows,
        columns=columns,
        stride=layer.stride * stride,
        values=rows * columns * filters * (1 + channels * size * size),
    )


def _connected(layer, inputs):
    section, output = layer.section, layer.section["output"]
    _known(section, layer.rows)
    taken = inputs[0].channels * layer.rows * layer.columns
    return layer._replace(
        channels=output,
        rows=1,
        columns=1,
        stride=layer.stride * layer.rows,  # its one cell is the whole image
        values=output * (taken + 1),
    )


def _known(section: Section, rows: int | None) -> None:
    if rows is None:
        raise errors.UsageError(f"{section.where()} needs images of a known size")


def pool(section: Section) -> tuple[int, int, int]:
    """(size, stride, padding of both sides together) of a [maxpool]."""
    stride = section["stride"]
    size = section["size"] or stride
    return size, stride, size - 1 if section["padding"] < 0 else section["padding"]


def _maxpool(layer, inputs):
    size, stride, padding = pool(layer.section)
    rows, columns = (_size(n, size, stride, padding) for n in (layer.rows, layer.columns))
    return layer._replace(rows=rows, columns=columns, stride=layer.stride * stride)


def _avgpool(layer, inputs):
    return layer._replace(rows=1, columns=1)


def _upsample(layer, inputs):
    times = layer.section["stride"]
    rows, columns = (n and n * times for n in (layer.rows, layer.columns))
    return layer._replace(rows=rows, columns=columns, stride=layer.stride / times)


def _reorg(layer, inputs):
    by, channels = layer.section["stride"], layer.channels
    if channels % by**2 or any(n and n % by for n in (layer.rows, layer.columns)):
        raise errors.DataError(
            f"{layer.section.where()} of stride {by} takes {layer.rows} x {layer.columns} cells"
            f" of {channels} channels; those must be multiples of {by} and {by**2}"
        )
    rows, columns = (n and n // by for n in (layer.rows, layer.columns))
    return layer._replace(
        channels=channels * by**2, rows=rows, columns=columns, stride=layer.stride * by
    )


def _route(layer, inputs):
    _alike(layer.section, inputs, "rows", "columns")
    channels = sum(source.channels for source in inputs)
    groups, group = layer.section["groups"], layer.section["group_id"]
    if any(source.channels % groups for source in inputs) or not 0 <= group < groups:
        raise errors.DataError(
            f"{layer.section.where()}: group {group} of {groups} of {channels} channels"
        )
    return layer._replace(channels=channels // groups)


def _shortcut(layer, inputs):
    _alike(layer.section, inputs, "rows", "columns", "channels")
    return layer


def _alike(section, inputs, *fields):
    sizes = [tuple(getattr(source, field) for field in fields) for source in inputs]
    if len(set(sizes)) > 1:
        named = " and ".join(" x ".join(map(str, size)) for size in sizes)
        raise errors.DataError(f"{section.where()} joins layers of {named} ({', '.join(fields)})")


def _same(layer, inputs):
    return layer


def _head(layer, inputs):
    return layer._replace(head=cfg_heads.head(layer.section, layer.channels, layer.stride))


_PLANNERS = {
    "convolutional": _convolutional,
    "local": _local,
    "connected": _connected,
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "upsample": _upsample,
    "reorg": _reorg,
    "route": _route,
    "shortcut": _shortcut,
    "dropout": _same,
    "softmax": _same,
    "cost": _same,
    "detection": _head,
    "region": _head,
    "yolo": _head,
}
