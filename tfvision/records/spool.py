"""The samples of a source on disk, in an order that depends on their ids and the seed alone.

In memory stay some thirty bytes a sample, so a million images convert in what a thousand take.
"""

from __future__ import annotations

import array
import hashlib
import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfvision import errors, schema


class Spool:
    """Samples added one by one; read back as pickled bytes by their index."""

    def __init__(self, path: str, seed: int):
        self._file = open(path, "w+b")  # noqa: SIM115, closed by close()
        self._seed = str(seed).encode() + b"/"
        self._keys, self._starts = array.array("Q"), array.array("Q", [0])
        self.order = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, sample: schema.Sample) -> None:
        """Keeps a sample."""
        data = pickle.dumps(sample, pickle.HIGHEST_PROTOCOL)
        self._file.write(data)
        self._starts.append(self._starts[-1] + len(data))
        key = hashlib.blake2b(self._seed + os.fsencode(sample.source_id), digest_size=8)
        self._keys.append(int.from_bytes(key.digest(), "big"))

    def finish(self) -> None:
        """Fixes `order`, indices of all samples; DataError where two have one source_id."""
        self._file.flush()
        keys = np.frombuffer(self._keys, np.uint64) if len(self) else np.zeros(0, np.uint64)
        self.order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[self.order][1:] == keys[self.order][:-1])
        for at in same:
            a, b = (self.sample(index) for index in self.order[at : at + 2])
            if a.source_id == b.source_id:
                raise errors.DataError(
                    f"{a.filename} and {b.filename} have the same id '{a.source_id}'; ids must be"
                    " unique in a split"
                )

    def read(self, index: int) -> bytes:
        """The pickled sample."""
        start, end = self._starts[index], self._starts[index + 1]
        self._file.seek(start)
        return self._file.read(end - start)

    def sample(self, index: int) -> schema.Sample:
        """The sample itself."""
        return pickle.loads(self.read(index))

    def each(self, function: Callable[[schema.Sample], Any]) -> Iterator[Any]:
        """function(sample) for all samples, in `order`."""
        return (function(self.sample(index)) for index in self.order)

    def close(self) -> None:
        """Ends the file; it is removed with its folder."""
        self._file.close()
