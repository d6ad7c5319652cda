"""CVAT's xml, read piece by piece (docs.cvat.ai: "XML annotation format", version 1.1)."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, TextIO
from xml.etree.ElementTree import ParseError

import defusedxml
from defusedxml import ElementTree

from tfvision import errors
from tfvision.sources import values, voc_xml

_HEAD = 1000  # bytes that contain the declaration


@dataclasses.dataclass(frozen=True)
class Meta:
    """What <meta> says. labels: names in their order, those of a skeleton's points left out.
    frames: (first, last) of its only task, or None. size: (height, width) of a video, or None.
    tasks: how many there are."""

    labels: tuple[str, ...] = ()
    frames: tuple[int, int] | None = None
    size: tuple[int, int] | None = None
    tasks: int = 0


def children(path: str) -> Iterator[Any]:
    """The elements right below <annotations>, each whole while it is looked at.

    Raises DataError where the file is not valid XML or another one; entities are refused."""
    try:
        with open(path, "rb") as file:
            root, depth = None, 0
            for event, node in ElementTree.iterparse(_decoded(file, path), ("start", "end")):
                if event == "start":
                    depth += 1
                    if root is None:
                        root = node
                        _check(root, path)
                    continue
                depth -= 1
                if depth == 1:
                    yield node
                    root.clear()
    except defusedxml.DefusedXmlException as error:
        raise errors.DataError(f"{path}: an xml with entities is not read: {error}") from error
    except (ParseError, ValueError) as error:
        raise errors.DataError(f"{path}: not valid XML: {error}") from error
    except OSError as error:
        raise errors.DataError(f"annotation file {path} cannot be read: {error}") from error


def _check(root: Any, path: str) -> None:
    if root.tag != "annotations":
        way_out = "; --format=voc reads it" if root.tag == "annotation" else ""
        raise errors.DataError(f"{path}: not an xml of CVAT 1.1, its root is <{root.tag}>{way_out}")


def _decoded(file: BinaryIO, path: str) -> BinaryIO | TextIO:
    """The file, or its text where its encoding is one that the parser does not know."""
    head = file.read(_HEAD)
    file.seek(0)
    declaration = head[: head.find(b"?>") + 2]
    if isinstance(voc_xml.decoded(declaration, path), bytes):
        return file
    return io.StringIO(voc_xml.decoded(file.read(), path))


def meta(node: Any) -> Meta:
    """What the element <meta> says of a task, a job or a project."""
    labels = [
        (label.findtext("name") or "").strip()
        for label in node.iter("label")
        if label.find("parent") is None
    ]
    tasks = list(node.iter("task"))
    sources = [*tasks, *node.iter("job")]
    only = sources[0] if len(sources) == 1 else None
    return Meta(
        tuple(dict.fromkeys(name for name in labels if name)),
        _frames(only),
        _size(only),
        len(tasks),
    )


def _frames(node: Any) -> tuple[int, int] | None:
    if node is None:
        return None
    count, first, last = (
        values.whole(node.findtext(name)) for name in ("size", "start_frame", "stop_frame")
    )
    if first is not None and last is not None:
        return first, last
    return (0, count - 1) if count else None


def _size(node: Any) -> tuple[int, int] | None:
    sides = [
        values.whole(node.findtext(f"original_size/{side}")) if node is not None else None
        for side in ("height", "width")
    ]
    return (sides[0], sides[1]) if all(n and n > 0 for n in sides) else None


def attributes(node: Any) -> dict[str, str]:
    """{name, case aside: text} of a shape's or tag's attributes."""
    return {
        (n.get("name") or "").strip().casefold(): (n.text or "").strip()
        for n in node.findall("attribute")
    }
