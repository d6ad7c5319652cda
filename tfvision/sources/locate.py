"""Image files that annotations name: found where they are, though the name is spelt otherwise.

Tools write names with the folder that the user gives as the image folder, with another machine's
folders, with backslashes, as addresses (%20), or leave the sub folder out.
"""

from __future__ import annotations

import os
import unicodedata
import urllib.parse
from collections.abc import Generator, Iterator, Sequence

from tfvision import errors, schema
from tfvision.sources import walking

_HOLDS = "file names hold a folder that --images has already"
_SPELT = "file names are spelt otherwise than the files"
_BELOW = "images are in sub folders that their names leave out"
_ALIASES = {"val": "valid", "valid": "val"}  # Roboflow's word for the split, and ours


class Images:
    """The images below one folder, by the names that annotations give them."""

    def __init__(self, root: str):
        self.root = root
        self._real = os.path.realpath(root)
        self._said: set[str] = set()
        self._index: dict[str, list[str]] | None = None

    def find(self, name: str, what: str) -> tuple[str, list[schema.Finding]] | schema.Finding:
        """(path relative to the folder with "/", findings) of an image, or why there is none.

        what: the entry that names it. A name that is not a file's path is tried with its other
        spellings, then without its first folders, then as a file anywhere below. The first name
        of each of these kinds leaves a finding. Raises DataError where two files fit."""
        if self.has(name):
            return os.path.normpath(name).replace(os.sep, "/"), []
        if self.leaves(name):
            return schema.Finding("skipped", "path that leaves the image folder", name, what)
        for path, reason in self._other(name):
            known = reason in self._said
            self._said.add(reason)
            detail = f"{what}: {name!r} is {path}"
            return path, [] if known else [schema.Finding("noted", reason, path, detail)]
        tail = spelt(name).rpartition("/")[2] or name
        detail = f"{what}: no {name} in {self.root}, nor {tail} anywhere below it"
        return schema.Finding("skipped", "image file missing", name, detail)

    def sample(
        self, name: str, what: str, seen: set[str] | None = None
    ) -> Generator[schema.Finding, None, schema.Sample | None]:
        """Yields what `find` has to say of a name; returns its image's sample, None for no image.

        seen: names of the images that were there before, to which this one's is added; an image
        that is in it is none again."""
        place = self.find(name, what)
        if isinstance(place, schema.Finding):
            yield place
            return None
        filename, findings = place
        if seen is not None and filename in seen:
            yield schema.Finding("noted", "image listed twice", filename, what)
            return None
        if seen is not None:
            seen.add(filename)
        yield from findings
        return schema.Sample(os.path.join(self.root, filename), filename, source_id=filename)

    def leaves(self, name: str) -> bool:
        """Whether a relative name climbs out, or a link leads out of the folder."""
        parts = name.replace("\\", "/").split("/")
        if ".." in parts:
            return not self._inside(os.path.join(self.root, *parts))
        path = os.path.join(self.root, name)
        return os.path.lexists(path) and not os.path.isabs(name) and not self._inside(path)

    def _inside(self, path: str) -> bool:
        try:
            return os.path.commonpath([self._real, os.path.realpath(path)]) == self._real
        except ValueError:  # a zero byte, or a lone surrogate, which no file has
            return False

    def has(self, name: str) -> bool:
        """Whether a name is that of a file in the folder, as it stands."""
        try:
            path = os.path.join(self.root, name)
            return bool(name) and os.path.isfile(path) and self._inside(path)
        except ValueError:
            return False

    def _other(self, name: str) -> Iterator[tuple[str, str]]:
        for variant in _variants(name):
            if self.has(variant) and not os.path.isabs(variant):
                yield os.path.normpath(variant).replace(os.sep, "/"), _SPELT
        for variant in _variants(name):
            parts = [part for part in variant.split("/") if part not in ("", ".")]
            for at in range(1, len(parts)):
                tail = "/".join(parts[at:])
                if self.has(tail):
                    yield tail, _HOLDS
        paths = self._anywhere(spelt(name))
        if len(paths) > 1:
            raise errors.DataError(
                f"{name!r} fits {paths[0]} and {paths[1]} in {self.root}; write the names with"
                " their folders"
            )
        yield from ((path, _SPELT if "/" not in path else _BELOW) for path in paths)

    def _anywhere(self, name: str) -> list[str]:
        """Files whose path agrees with the longest tail of `name`, case and form aside."""
        if self._index is None:
            self._index = {}
            for path in walking.files(self.root):
                relative = os.path.relpath(path, self.root).replace(os.sep, "/")
                key = _folded(relative.rpartition("/")[2])
                self._index.setdefault(key, []).append(relative)
        parts = _folded(name).split("/")
        paths = self._index.get(parts[-1], [])
        for at in range(len(parts) - 2, -1, -1):
            tail = "/" + "/".join(parts[at:])
            nearer = [path for path in paths if ("/" + _folded(path)).endswith(tail)]
            paths = nearer or paths
        return [path for path in paths if self._inside(os.path.join(self.root, path))]


def roboflow(root: str, split: str, files: Sequence[str]) -> str | None:
    """The path of the first of `files` among the images of a split, as Roboflow exports it."""
    for folder in (split, _ALIASES.get(split, split), ""):
        for file in files:
            path = os.path.join(root, folder, file)
            if os.path.isfile(path):
                return path
    return None


def spelt(name: str) -> str:
    """A name with "/" for backslashes, without blanks around it, %20 and its like resolved."""
    return urllib.parse.unquote(name.strip().replace("\\", "/"), errors="surrogateescape")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _variants(name: str) -> list[str]:
    """Other spellings of a name, the nearest first."""
    slashes = name.replace("\\", "/")
    variants = [slashes, slashes.strip(), spelt(name)]
    variants += [unicodedata.normalize(form, n) for form in ("NFC", "NFD") for n in variants]
    return list(dict.fromkeys(variants))
