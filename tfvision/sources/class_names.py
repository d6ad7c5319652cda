"""A class name as it is stored: valid Unicode, composed (NFC), on one line."""

from __future__ import annotations

import functools
import os
import re
import unicodedata

from tfvision import paths, schema

_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")  # white space, line and paragraph ends, controls


class Names(list[str]):
    """Class names in id order. findings: what was changed in them."""

    findings: tuple[schema.Finding, ...] = ()


@functools.lru_cache(maxsize=1 << 16)  # every object of a data set has one of a few
def clean(name: str) -> str:
    """The name in NFC, with one blank for white space and control characters, none around it.

    A folder's name that is not UTF-8 is taken as `paths.readable` reads it."""
    text = paths.readable(name)
    return unicodedata.normalize("NFC", _BLANKS.sub(" ", text).strip())


def composed(name: str) -> str:
    """The name in NFC: two Unicode forms of one name are one name."""
    return unicodedata.normalize("NFC", name)


def finding(name: str, where: str) -> schema.Finding | None:
    """What `clean` changed that a reader would see, for the report."""
    if clean(name) == composed(name):
        return None
    odd = paths.readable(name) != name
    reason = "class name is not UTF-8" if odd else "white space in a class name made one blank"
    file = os.path.basename(where) or where
    return schema.Finding("noted", reason, file, f"{name!a} taken for '{clean(name)}'")
