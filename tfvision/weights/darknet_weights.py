"""Darknet's .weights files -> a YOLO network or that of a cfg file, and back byte for byte.

A .weights file is a header and then float32 values without names: of each layer in turn, for a
convolution its biases, with normalisation scales, rolling means and variances, and its weights.
So everything hangs on the order, which our layers' names keep ("L015.conv"), and on the count:
a file that does not end where the network ends is of another network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tfvision import atomic, errors, stack
from tfvision.net import Net
from tfvision.weights import formats, native

_LAYER = re.compile(r"L(\d+)\.(conv|head|bias|bn|local|connected)/(\w+)$")
_ORDER = ("bias", "beta", "gamma", "moving_mean", "moving_variance", "kernel")
# Our axes in the file's order, by the rank of the variable
_KERNELS = {
    2: (1, 0),  # [in, out] -> [out, in]
    4: (3, 2, 0, 1),  # [k, k, in, out] -> [out, in, k, k]
    6: (0, 1, 5, 4, 2, 3),  # [rows, columns, k, k, in, out] -> [rows, columns, out, in, k, k]
}
_BIASES = {1: (0,), 3: (2, 0, 1)}  # 3: of a locally connected layer


class Header(NamedTuple):
    """What a file says before its weights. seen: images that the network was trained with."""

    major: int = 0
    minor: int = 2
    revision: int = 5
    seen: int = 0

    @property
    def long(self) -> bool:
        """Is `seen` 8 bytes long (from version 0.2 on), not 4?"""
        return self.major * 10 + self.minor >= 2 and self.major < 1000 and self.minor < 1000

    @property
    def turned(self) -> bool:
        """Are dense layers' weights stored [in, out]?"""
        return self.major > 1000 or self.minor > 1000


# First bytes of zip (PyTorch, .npz, .keras), HDF5 and pickled files
_FOREIGN = (b"PK\x03\x04", b"\x89HDF", b"\x80\x02", b"\x80\x04", b"\x80\x05")
NEW = Header()  # of weights that came from no file


class _Part(NamedTuple):
    """The place of one variable in a file. axes: of ours, in the file's order."""

    name: str
    variable: Any
    axes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """In the file's axis order."""
        return tuple(self.variable.shape[axis] for axis in self.axes)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """{"header": `Header` as int64 [4], "values": float32 [n]} of a .weights file.

    Raises DataError for a file that is missing or cut off within a value."""
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise errors.DataError(f"{path} cannot be read: {error}") from error
    head = content[:2048]
    formats.refuse_others(path, head)
    if not formats.is_darknet(head, len(content)) and head.startswith(_FOREIGN):
        raise errors.DataError(
            f"{path} is not a Darknet .weights file, by its first bytes; give the source that it is"
            f" of (weights are {formats.KNOWN})"
        )
    if len(content) < 16:
        raise errors.DataError(f"{path} has {len(content)} bytes: no Darknet weights")
    version = Header(*np.frombuffer(content, "<i4", 3).tolist())
    start = 20 if version.long else 16
    if (len(content) - start) % 4:
        raise errors.DataError(
            f"{path} is broken: {len(content)} bytes are a header of {start} and"
            f" {(len(content) - start) / 4} values of 4"
        )
    seen = np.frombuffer(content, "<i8" if version.long else "<i4", 1, 12)[0]
    header = np.array([*version[:3], seen], np.int64)
    return {"header": header, "values": np.frombuffer(content, "<f4", offset=start)}


def fill(net: Net, mapping: Mapping[str, np.ndarray], *, skip: Sequence[str] = ()) -> int:
    """Assigns every variable from what `read` gives; returns the number of values assigned.

    skip: regular expressions, searched in "layer/variable", of variables that stay as they are;
    their values in the file are passed over. If they are the heads' (r"\\.head/"), the file may
    be for other classes than the net; if they are the last layers', it may end before them, as
    darknet53.conv.74 does. Raises DataError for a file with more or fewer values than the net,
    and then changes nothing."""
    header, values = Header(*(int(n) for n in mapping["header"])), mapping["values"]
    parts = _parts(net, header)
    left = native.found([part.name for part in parts], skip)
    entries, start = {}, 0
    for part, size in zip(parts, _sizes(parts, left, len(values), header), strict=True):
        if part.name not in left:
            array = values[start : start + size].reshape(part.shape)
            entries[part.name] = (part.name, array.transpose(np.argsort(part.axes)))
        start += size
    return native.assign(net, entries, skip=skip)


def write(net: Net, path: str | os.PathLike, *, header: Header = NEW) -> None:
    """Writes a YOLO network or that of a cfg file as a .weights file.

    header: of the file that the weights came from, `Header(*read(path)["header"])`, for the same
    bytes again. The file is there complete or not at all. Raises DataError for another net, or a
    file that cannot be written."""
    path, parts = os.fspath(path), _parts(net, header)
    with atomic.file(path) as aside, open(aside, "wb") as file:
        file.write(np.array(header[:3], "<i4").tobytes())
        file.write(np.array([header.seen], "<i8" if header.long else "<i4").tobytes())
        for part in parts:
            value = stack.raw(part.variable).numpy().transpose(part.axes)
            file.write(np.ascontiguousarray(value, "<f4").tobytes())


def _parts(net: Net, header: Header) -> list[_Part]:
    """The variables of `net` in the order of a file."""
    parts = []
    for name, variable in native.named(net).items():
        match = _LAYER.match(name)
        if not match:
            raise errors.DataError(
                f"{name} has no place in a .weights file; the net is to be a YOLO network or"
                " that of a cfg file, without activations that learn"
            )
        kind, rank = match[3], len(variable.shape)
        axes = (_KERNELS if kind == "kernel" else _BIASES)[rank]
        if rank == 2 and header.turned:
            axes = (0, 1)
        parts.append(((int(match[1]), _ORDER.index(kind)), _Part(name, variable, axes)))
    return [part for _, part in sorted(parts, key=lambda item: item[0])]


def off_by_header(header: Header, extra: int) -> str:
    """What to know of a file with `extra` values too many (-1: one too few); "" but for 1 and -1.

    Programs that write Darknet's files get the length of `seen` wrong: the header is then four
    bytes shorter or longer than its version says, and every value is one place off."""
    if abs(extra) != 1:
        return ""
    taken, other = (20, 16) if header.long else (16, 20)
    version = ".".join(map(str, header[:3]))
    text = (
        f"; exactly 4 bytes can be the header's: of version {version}, it was taken for {taken}"
        f" bytes ({taken // 4} ints; from 0.2 on `seen` has 64 bits)"
    )
    if extra != (taken - other) // -4:
        return f"{text}, and {other} bytes would not fit either"
    fits = "0.1.0" if header.long else "0.2.0"
    return f"{text}, and {other} would fit: then write version {fits} into its first three ints"


def _sizes(parts: Sequence[_Part], left: set[str], count: int, header: Header) -> list[int]:
    """How many values the file has for each part; raises DataError if they are not `count`."""
    sizes = [part.size for part in parts]
    missing = sum(sizes) - count
    if missing == 0:
        return sizes
    last = max((i for i, part in enumerate(parts) if part.name not in left), default=-1)
    if count == sum(sizes[: last + 1]):
        return [size if i <= last else 0 for i, size in enumerate(sizes)]
    heads = {i for i, part in enumerate(parts) if ".head/" in part.name and part.name in left}
    if heads:
        # Of n times the outputs, a head has n times the values.
        ours = sum(sizes[i] for i in heads)
        times = Fraction(ours - missing, ours)
        if times > 0 and all((sizes[i] * times).denominator == 1 for i in heads):
            return [int(s * times) if i in heads else s for i, s in enumerate(sizes)]
    raise errors.DataError(
        f"{_misfit(parts, sizes, count)}{off_by_header(header, -missing)}; it is of another"
        " network, or cut off, or of other classes (then leave the heads out: skip '\\.head/')"
    )


def _misfit(parts: Sequence[_Part], sizes: Sequence[int], count: int) -> str:
    """Tells where a file of `count` values stops to fit."""
    difference = 4 * (count - sum(sizes))
    if difference > 0:
        layer = parts[-1].name.split("/")[0]
        return (
            f"the file is {difference:,} bytes too long: they stand after the last layer, {layer}"
        )
    ends = np.cumsum(sizes)
    index = int(np.searchsorted(ends, count, "right"))  # the first that does not fit
    numbers = count - int(ends[index]) + sizes[index]
    return (
        f"the file is {-difference:,} bytes too short: it ends at {parts[index].name}, which takes"
        f" {4 * sizes[index]:,} bytes and finds {4 * numbers:,}"
    )
