"""Which record stopped a pass over a split: looked for after it happened, not on the hot path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tfvision import errors
from tfvision.records import dataset, read, verifier


def first(data: dataset.Dataset, split: str) -> str | None:
    """The first damaged record of a split: its shard, number and image, and what is wrong.

    None where all are intact. Reads and decodes the split up to that record."""
    part = data.split(split)
    for file in data.files(split):
        try:
            for number, record in enumerate(read.records(file)):
                for problem in verifier.problems(record, f"{file}: record {number}", part, data):
                    return f"{problem.place}: {problem.what}"
        except errors.DataError as error:
            return str(error)
    return None


@contextlib.contextmanager
def reported(data: dataset.Dataset, split: str, what: str) -> Iterator[None]:
    """What TensorFlow raises inside, on a way through a split, becomes a DataError of the record.

    what: begins the message, such as "training stopped". Where all records are intact, the error
    passes as it is."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        found = first(data, split)
        if found is None:
            raise
        raise errors.DataError(
            f"{what}: {found}; copy the shard again or convert again (`tfvision verify {data.path}`"
            " lists all that is wrong)"
        ) from error
