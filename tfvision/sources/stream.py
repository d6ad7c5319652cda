"""Large json files read piece by piece, and their entries grouped by image, on disk.

COCO's json of a hundred thousand images takes gigabytes as Python objects; this takes what one
entry takes.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import weakref
from collections.abc import Collection, Iterator
from typing import Any, TextIO

from tfvision import errors
from tfvision.sources import texts

_CHUNK = 1 << 20
# A value that is cut by the buffer's end fails there, not before; a string at its start.
_NEAR_END = 32
_SPACE = " \t\r\n"


class _Text:
    """A window that moves through a text file."""

    def __init__(self, file: TextIO):
        self._file, self._text, self._at, self._ended = file, "", 0, False
        self._decoder = json.JSONDecoder()

    def _more(self) -> bool:
        chunk = "" if self._ended else self._file.read(max(_CHUNK, len(self._text) - self._at))
        self._ended = not chunk
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is not whitespace; "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> str:
        """The next character, which must be one of `wanted`."""
        character = self.peek()
        if not character or character not in expected:
            raise ValueError(f"expected {' or '.join(expected)}, found {character or 'the end'!r}")
        self._at += 1
        return character

    def value(self) -> tuple[Any, str]:
        """The next json value and its text."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self._text) - _NEAR_END or "Unterminated" in error.msg
                if not cut or not self._more():
                    raise
                continue
            if end == len(self._text) and self._more():  # a number may go on
                continue
            text = self._text[self._at : end]
            self._at = end
            return value, text


def _members(text: _Text) -> Iterator[Any]:
    """The keys of an object, each to be followed by taking its value."""
    text.take("{")
    while text.peek() != "}":
        key, _ = text.value()
        text.take(":")
        yield key
        if text.peek() != "}":
            text.take(",")
    text.take("}")


def _elements(text: _Text) -> Iterator[tuple[Any, str]]:
    """The values of a list and their texts."""
    text.take("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() != "]":
            text.take(",")
    text.take("]")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[_Text]:
    """Yields a json file's text; DataError where what reads it finds not valid JSON."""
    try:
        with texts.opened(path, "annotation file") as file:
            yield _Text(file)
    except (ValueError, RecursionError) as error:
        raise errors.DataError(f"{path}: not valid JSON: {error}") from error


def listing(path: str) -> Iterator[Any]:
    """The values of the list in a json file, one by one.

    Raises DataError where the file is not valid JSON or not a JSON list."""
    with _opened(path) as text:
        if text.peek() != "[":
            raise ValueError("contains no list")
        yield from (value for value, _ in _elements(text))
        if text.peek():
            raise ValueError("something follows the list")


def entries(path: str, objects: Collection[str] = ()) -> Iterator[tuple[str, Any, str]]:
    """(key, value, its json text) of the object in a json file, lists entry by entry.

    A list yields (key, None, "[") first, so that an empty one is seen. objects: keys of inner
    objects that are read member by member too: (key, (name, value), the value's text). Raises
    DataError where the file is not valid JSON or not a JSON object."""
    with _opened(path) as text:
        if text.peek() == "[":
            raise ValueError("contains a list, not an object")
        for key in _members(text):
            if text.peek() == "[":
                yield key, None, "["
                yield from ((key, *element) for element in _elements(text))
            elif text.peek() == "{" and key in objects:
                for name in _members(text):
                    value, part = text.value()
                    yield key, (name, value), part
            else:
                yield key, *text.value()


class Shelf:
    """Images and their annotations as json texts in a temporary database."""

    def __init__(self):
        self._database = sqlite3.connect("")  # a file without a name, gone when it is closed
        weakref.finalize(self, self._database.close)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE images (key TEXT UNIQUE, text TEXT);"
            "CREATE TABLE annotations (image TEXT, id TEXT, text TEXT);"
        )

    def add_image(self, key: Any, text: str) -> bool:
        """False where an image of that key is there already; the first one stays."""
        done = self._database.execute(
            "INSERT OR IGNORE INTO images VALUES (?, ?)", (json.dumps(key), text)
        )
        return bool(done.rowcount)

    def add_annotation(self, image: Any, number: Any, text: str) -> None:
        """One annotation of the image of key `image`, which may not be known yet."""
        self._database.execute(
            "INSERT INTO annotations VALUES (?, ?, ?)",
            (json.dumps(image), json.dumps(number), text),
        )

    def index(self) -> None:
        """To be called once all is added."""
        self._database.execute("CREATE INDEX by_image ON annotations (image)")

    def has_image(self, key: Any) -> bool:
        """Whether an image of that key was added."""
        query = "SELECT 1 FROM images WHERE key = ?"
        return self._database.execute(query, (json.dumps(key),)).fetchone() is not None

    def images(self) -> Iterator[tuple[Any, list[Any]]]:
        """Every image with its annotations, in the order in which they were added."""
        rows = self._database.execute("SELECT key, text FROM images ORDER BY rowid")
        query = "SELECT text FROM annotations WHERE image = ? ORDER BY rowid"
        for key, text in rows:
            selected = self._database.execute(query, (key,))
            yield json.loads(text), [json.loads(row[0]) for row in selected]

    def orphans(self) -> Iterator[Any]:
        """Annotations whose image was never added."""
        query = (
            "SELECT text FROM annotations WHERE image NOT IN (SELECT key FROM images)"
            " ORDER BY rowid"
        )
        for (text,) in self._database.execute(query):
            yield json.loads(text)

    def repeated_ids(self) -> Iterator[tuple[Any, int]]:
        """(annotation id, how often) for every id that is not unique."""
        query = "SELECT id, COUNT(*) FROM annotations GROUP BY id HAVING COUNT(*) > 1"
        for number, count in self._database.execute(query):
            if number != "null":
                yield json.loads(number), count
