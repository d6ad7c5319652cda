"""A conversion step by step: generators that count images, and what is made of their counts."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Counts = Generator[int, None, Result]  # yields how many images are done since; returns a result


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a conversion is.

    step: "reading" (annotations) or "writing" (records). done: images. total: how many there are,
    None while they are read."""

    step: str
    done: int
    total: int | None = None


Steps = Generator[Progress, None, Result]


def told(counts: Counts[Result], step: str, total: int | None = None) -> Steps[Result]:
    """The same generator with sums in place of counts."""
    done = 0
    with contextlib.closing(counts):
        while True:
            try:
                done += next(counts)
            except StopIteration as end:
                return end.value
            yield Progress(step, done, total)


def result(steps: Generator[object, None, Result]) -> Result:
    """What a generator returns at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def shown(steps: Steps[Result]) -> Result:
    """What `steps` return, with a bar on stderr if that is a terminal."""
    return result(_drawn(steps)) if sys.stderr.isatty() else result(steps)


def _drawn(steps: Steps[Result]) -> Steps[Result]:
    """The same steps, each of which moves a bar."""
    import tqdm

    bar = step = None
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return end.value
            if progress.step != step:
                if bar is not None:
                    bar.close()
                step, total = progress.step, progress.total
                bar = tqdm.tqdm(total=total, desc=step, unit="image", leave=False)
            bar.update(progress.done - bar.n)
            yield progress
    except KeyboardInterrupt as interrupt:  # a conversion keeps what it has done so far
        steps.throw(interrupt)
        raise
    finally:
        if bar is not None:
            bar.close()
