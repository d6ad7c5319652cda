"""Class names of a data set that has no class list."""

from __future__ import annotations

import collections


class Spellings:
    """Class names as annotations spell them, counted.

    Names that differ only in case or white space are one class, spelt as most often."""

    def __init__(self):
        self._counts: dict[str, collections.Counter[str]] = {}

    def add(self, name: str) -> None:
        """Counts a name; an empty one is none."""
        name = " ".join(name.split())
        if name:
            self._counts.setdefault(name.casefold(), collections.Counter())[name] += 1

    def names(self) -> list[str]:
        """One spelling a class, sorted."""
        return sorted(
            min(counts, key=lambda name: (-counts[name], name)) for counts in self._counts.values()
        )
