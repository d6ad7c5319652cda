"""Pascal VOC's xml files: found in any case and folder, parsed in any encoding, never expanded."""

from __future__ import annotations

import codecs
import os
import re
from typing import Any
from xml.etree.ElementTree import ParseError

import defusedxml
from defusedxml import ElementTree

from tfvision import errors, schema
from tfvision.sources import walking

EXTENSION = ".xml"
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["'][^>]*\?>""")


class Xmls:
    """The xml files of a folder and below, by their names without ".xml"."""

    def __init__(self, folder: str):
        self.folder = folder
        self._paths: dict[str, str] | None = None

    def names(self) -> list[str]:
        """All of them, sorted."""
        return sorted(self._all())

    def path(self, name: str) -> str | None:
        """A file's path; None where there is none."""
        plain = os.path.join(self.folder, name + EXTENSION)
        return plain if os.path.isfile(plain) else self._all().get(name)

    def _all(self) -> dict[str, str]:
        if self._paths is None:
            self._paths = {}
            for folder, names in walking.folders(self.folder):
                for name in names:
                    if name.lower().endswith(EXTENSION):
                        path = os.path.join(folder, name)
                        key = walking.relative(path, self.folder)[: -len(EXTENSION)]
                        self._paths.setdefault(key, path)
        return self._paths


def parse(xmls: Xmls, name: str) -> Any:
    """The root element of an xml. Entities and external references are refused."""
    if not walking.is_inside(os.path.join(xmls.folder, name + EXTENSION), xmls.folder):
        raise schema.Rejected("path that leaves the annotation folder", f"{name}{EXTENSION}")
    path = xmls.path(name)
    if path is None:
        raise schema.Rejected(
            "image without an annotation file", f"no {name}{EXTENSION} in {xmls.folder}"
        )
    try:
        with open(path, "rb") as file:
            node = ElementTree.fromstring(decoded(file.read(), path))
    except defusedxml.DefusedXmlException as error:
        raise schema.Rejected("annotation file with entities", f"{error}") from error
    except (ParseError, ValueError, OSError) as error:
        raise schema.Rejected("broken annotation file", f"{error}") from error
    if node.tag != "annotation":
        raise schema.Rejected("not a Pascal VOC annotation", f"its root is <{node.tag}>")
    return node


def decoded(data: bytes, path: str) -> bytes | str:
    """An xml's bytes, decoded here where its encoding is one that the parser does not know.

    Raises DataError for an encoding that is not known at all."""
    match = _ENCODING.match(data)
    name = match[1].decode() if match else "utf-8"
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        raise errors.DataError(
            f"{path}: its encoding '{name}' is not known; save it as UTF-8"
        ) from None
    if codec.startswith(("utf", "iso8859", "latin", "ascii")):
        return data
    return data[match.end() :].decode(codec)
