"""label_map.pbtxt of the TF Object Detection API: item { id: 1 name: 'cat' }, in text format.

Ids count from 1; 0 is the background and no class.
"""

from __future__ import annotations

import re

from tfvision import errors
from tfvision.sources import texts
from tfvision.sources.source import check_class_names

_TOKEN = re.compile(
    r"""\#[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[{}<>:,;\[\]]|[^\s{}<>:,;\[\]"'\#]+|\S"""
)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|[xX][0-9a-fA-F]{1,2}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_OPEN, _CLOSE, _SEPARATORS = "{<", "}>", ":,;"


def read(path: str) -> tuple[list[str], dict[int, int]]:
    """(class names in the order of their ids, {id: class id}).

    A name is `display_name` where there is one, else `name`. Raises DataError for a file that is
    no label map, an item without id or name, and an id or name that appears twice."""
    text = texts.read(path, "label map")
    by_id: dict[int, str] = {}
    for item in _items(text, path):
        name = item.get("display_name") or item.get("name")
        number = item.get("id", "")
        if not re.fullmatch(r"\d+", number) or not name:
            raise errors.DataError(f"{path}: item {item} needs a whole id and a name")
        if int(number) in by_id:
            raise errors.DataError(f"{path}: id {number} appears twice")
        by_id[int(number)] = name
    by_id.pop(0, None)
    ids = sorted(by_id)
    names = check_class_names([by_id[number] for number in ids], path)
    return names, {number: i for i, number in enumerate(ids)}


def _items(text: str, path: str) -> list[dict[str, str]]:
    """The plain fields of every top-level `item`; what is nested in one is passed over."""
    tokens = [t for t in _TOKEN.findall(text) if not t.startswith("#") and t not in _SEPARATORS]
    items: list[dict[str, str]] = []
    depth, at = 0, 0
    while at < len(tokens):
        token = tokens[at]
        if token in _CLOSE:
            depth -= 1
        elif token in _OPEN:
            depth += 1
            if depth == 1:
                if at == 0 or tokens[at - 1] != "item":
                    break
                items.append({})
        elif depth == 1 and at + 1 < len(tokens) and tokens[at + 1] not in _OPEN:
            at += 1
            items[-1][token] = _value(tokens[at])
        if depth < 0:
            break
        at += 1
    if depth or at < len(tokens) or not items:
        raise errors.DataError(
            f"{path}: not a label map; expected lines such as item {{ id: 1 name: 'cat' }}"
        )
    return items


def _value(token: str) -> str:
    if token[0] in "\"'":
        data = _ESCAPE.sub(_unescaped, token[1:-1].encode("utf-8", "surrogateescape"))
        return data.decode("utf-8", "replace")
    return token


def _unescaped(match: re.Match[bytes]) -> bytes:
    """The bytes of an escape: octal, hexadecimal, or a letter's."""
    text = match[1]
    if text[:1] in b"01234567":
        return bytes([int(text, 8) & 255])
    if text[:1] in b"xX" and len(text) > 1:
        return bytes([int(text[1:], 16)])
    return _LETTERS.get(text, text)
