"""A pure function over many items, in order, in several processes and bounded memory."""

from __future__ import annotations

import collections
import concurrent.futures
import concurrent.futures.process
import contextlib
import itertools
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tfvision import errors

_CHUNK = 8  # items that travel together
_AHEAD = 3  # chunks that wait or are done ahead of the one consumed, per worker
_function: Callable[[Any], Any] | None = None  # of a worker process, set once when it starts

Map = Callable[[Iterable[Any]], Iterator[Any]]


def _start(function: Callable[[Any], Any], parent: int) -> None:
    global _function
    _function = function
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A parent that was killed cannot end its workers; they notice by themselves."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _call(items: list[Any]) -> list[Any]:
    return [_function(item) for item in items]


@contextlib.contextmanager
def pool(function: Callable[[Any], Any], workers: int) -> Iterator[Map]:
    """Yields a map: function(item) in the order of the items, whatever the number of workers.

    One worker runs in this process. More are spawned, so `function` and the items must
    pickle; an exception comes out where its item would have."""
    if workers <= 1:
        yield lambda items: map(function, items)
        return
    executor = concurrent.futures.ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(function, os.getpid()),
    )
    try:
        yield lambda items: _ordered(executor, items, workers * _AHEAD)
    except concurrent.futures.process.BrokenProcessPool as error:
        raise errors.DataError(
            "a worker process ended abruptly (killed, or out of memory); try fewer --workers"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _ordered(
    executor: concurrent.futures.Executor, items: Iterable[Any], ahead: int
) -> Iterator[Any]:
    waiting: collections.deque[concurrent.futures.Future] = collections.deque()
    items = iter(items)
    while chunk := list(itertools.islice(items, _CHUNK)):
        waiting.append(executor.submit(_call, chunk))
        if len(waiting) >= ahead:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()
