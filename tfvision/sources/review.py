"""The step after every reader: what became of every image, and do the annotations make sense?

Rules that hold for all formats and need more than one image stand here; those that need an
image's pixels in `records.encode`.
"""

from __future__ import annotations

import array
import collections
import functools
import hashlib
import os
from collections.abc import Iterator

import numpy as np

from tfvision import errors, schema
from tfvision.ops import header
from tfvision.sources import walking
from tfvision.sources.source import FRAMES, Source

_NAMED = 5  # images that a reason names
_NEVER = "no annotation speaks of it"


def reviewed(source: Source, wants: str, unit: str = "") -> Source:
    """The same source, whose items are checked as they pass and accounted for at their end.

    wants: what the format wants as a box, for errors. unit: of the account (`schema.Census`), ""
    for images of folders or records of files. The items end with a DataError where no box of many
    can be meant as it stands."""
    unit = unit or ("images" if source.folders else "records")
    source.items = _items(source, source.items, wants, unit)
    return source


def _items(
    source: Source, items: Iterator[schema.Sample | schema.Finding], wants: str, unit: str
) -> Iterator[schema.Sample | schema.Finding]:
    places, boxes, frames = _Places(source.folders, unit), _Boxes(wants), _Frames(source)
    for item in items:
        if isinstance(item, schema.Finding):
            places.leave(item)
        else:
            if places.use(item):
                detail = "it stands in the annotations under two names or ids"
                yield schema.Finding("noted", "one file used twice", item.filename, detail)
            yield from boxes.check(item)
            frames.see(item)
        yield item
    boxes.finish()
    yield from frames.finish()
    source.census = places.census()


class _Places:
    """Which images of some folders became samples, and why the others did not."""

    def __init__(self, folders: dict[str, str], unit: str):
        self._folders = {os.path.realpath(path): reason for path, reason in folders.items()}
        self._roots = list(folders)
        self._used: set[int] | array.array = array.array("Q")
        self._left: dict[int, str] = {}
        self._census = schema.Census(unit)
        self._skipped: collections.Counter[str] = collections.Counter()
        self._twice = _Twice()

    def use(self, sample: schema.Sample) -> bool:
        """Counts a sample; whether its file was one already."""
        self._census.background += sample.background
        key = _key(sample.path if sample.part is None else f"{sample.path}/{sample.part}")
        self._used.append(key)
        return self._twice.seen(key)

    def leave(self, finding: schema.Finding) -> None:
        """Takes notice of an image that a reader left out."""
        if finding.kind != "skipped":
            return
        self._skipped[finding.reason] += 1
        paths = (
            [finding.path]
            if finding.path
            else [os.path.join(root, finding.file) for root in self._roots]
        )
        for path in paths:
            if "\0" not in path and os.path.lexists(path):
                self._left.setdefault(_key(path), finding.reason)

    def census(self) -> schema.Census:
        """The account, once all has passed."""
        census = self._census
        keys = np.unique(np.frombuffer(self._used, np.uint64)) if self._used else np.zeros(0)
        census.used = census.found = len(keys)
        if census.unit != "images":
            census.found += self._skipped.total()
            census.left = {reason: (n, []) for reason, n in self._skipped.items()}
            return census
        walked: set[str] = set()
        for root in self._roots:
            for path, reason in _pictures(root, walked):
                key = _key(path)
                at = int(np.searchsorted(keys, np.uint64(key)))
                if at < len(keys) and keys[at] == key:
                    continue
                reason = self._left.get(key, reason)
                reason = self._nearest(path) if reason is None else reason
                if reason:
                    count, names = census.left.get(reason, (0, []))
                    name = walking.relative(path, self._roots[0])
                    census.left[reason] = (count + 1, sorted([*names, name])[:_NAMED])
                    census.found += 1
        return census

    def _nearest(self, path: str) -> str:
        folder = os.path.realpath(os.path.dirname(path))
        while folder not in self._folders:
            above = os.path.dirname(folder)
            if above == folder:
                return _NEVER
            folder = above
        return self._folders[folder]


class _Twice:
    """Which keys came before, in eight bytes a key."""

    def __init__(self):
        self._sorted, self._new = np.zeros(0, np.uint64), set()

    def seen(self, key: int) -> bool:
        """Whether this key came before; from now on it did."""
        at = int(np.searchsorted(self._sorted, np.uint64(key))) if len(self._sorted) else 0
        if key in self._new or (at < len(self._sorted) and self._sorted[at] == key):
            return True
        self._new.add(key)
        if len(self._new) >= 65_536:
            fresh = np.fromiter(self._new, np.uint64)
            self._sorted, self._new = np.sort(np.concatenate([self._sorted, fresh])), set()
        return False


@functools.lru_cache(maxsize=4096)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def _key(path: str) -> int:
    folder, name = os.path.split(os.path.abspath(path))
    text = os.path.join(_real(folder), name)
    digest = hashlib.blake2b(os.fsencode(text), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _pictures(root: str, walked: set[str]) -> Iterator[tuple[str, str | None]]:
    """(path, why it is not an image or None) of every picture in a folder and below, each once."""
    real = os.path.realpath(root)
    if real in walked or not os.path.isdir(root):
        return
    walked.add(real)
    reason = walking.foreign(root)
    if len(walked) > 1 and os.path.basename(real).startswith("."):
        reason = "in a hidden folder"
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir():
                if reason or not entry.is_symlink() or walking.is_inside(entry.path, root):
                    inner = _pictures(entry.path, walked)
                    yield from ((path, reason or why) for path, why in inner)
            elif walking.is_image(entry.path):
                hidden = "hidden file" if entry.name.startswith(".") else None
                yield entry.path, reason or hidden


class _Boxes:
    """Are the boxes of a set in the unit that the format wants?"""

    def __init__(self, wants: str):
        self._wants, self._all, self._tiny, self._off, self._first = wants, 0, 0, 0, ""

    def check(self, sample: schema.Sample) -> Iterator[schema.Finding]:
        """Counts a sample's boxes."""
        for item in sample.objects or []:
            if item.box is None:
                continue
            y1, x1, y2, x2 = item.box
            self._all += 1
            shown = f"{item.name}: box y x y x [{y1:g}, {x1:g}, {y2:g}, {x2:g}]"
            self._first = self._first or f"{sample.filename}, {shown}"
            if (y2 - y1 < 1 and x2 - x1 < 1) or (y2 <= 1 and x2 <= 1):
                self._tiny += 1
                yield schema.Finding("noted", "box smaller than a pixel", sample.filename, shown)
            if sample.size and (y1 >= sample.size[0] or x1 >= sample.size[1]):
                self._off += 1

    def finish(self) -> None:
        """Raises DataError where none of several boxes can be meant as it stands."""
        if self._all and self._tiny == self._all:
            raise errors.DataError(
                f"boxes are all smaller than one pixel (first: {self._first}); {self._wants}"
            )
        if self._all > 1 and self._off == self._all:
            raise errors.DataError(
                f"boxes are all outside their images (first: {self._first}); {self._wants}"
            )


class _Frames:
    """Do annotations speak of EXIF-rotated images as stored, or as turned upright?

    One tool wrote them all: where some images tell by their recorded sizes, the others, whose
    size is the same either way, follow."""

    def __init__(self, source: Source):
        self._source = source
        self._votes: collections.Counter[str] = collections.Counter()
        self._blind: list[schema.Finding] = []

    def see(self, sample: schema.Sample) -> None:
        """Counts the vote of a sample, which only a rotated image has."""
        drawn = sample.label_map.path if sample.label_map and not sample.label_map.data else None
        drawn = sample.segments or drawn
        inside = sample.part or sample.data is not None
        if self._source.frame or inside or not (sample.size or drawn or sample.objects):
            return
        if header.orientation(sample.path) == 1 or not (sizes := header.sizes(sample.path)):
            return
        claimed = sample.size
        if claimed is None and drawn and (size := header.sizes(drawn)):
            claimed = size[0]
        if sizes[0] != sizes[1] and claimed in sizes:
            self._votes[FRAMES[sizes.index(claimed)]] += 1
        elif sample.objects or drawn:
            detail = "taken as upright; give --annotations_of=stored or upright"
            reason = "cannot know whether annotations are of the stored or the upright image"
            self._blind.append(schema.Finding("noted", reason, sample.filename, detail))

    def finish(self) -> Iterator[schema.Finding]:
        """Settles the source's frame; findings where that is a guess."""
        if len(self._votes) == 1:
            self._source.frame = next(iter(self._votes))
        elif not self._source.frame:
            yield from self._blind
